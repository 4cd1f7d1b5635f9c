"""What the service says about itself: log lines, metrics, traces, and the last requests in memory.

Observers receive facts (`ports.runtime.TelemetryEvent`) and nothing else, so what one of them knows all may know: no
fact, line, label or span ever carries a cookie, a key, a prompt or an answer. Facts are told where they happen and are
cheap: plain values.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemgate.ports.runtime import Observer, TelemetryEvent
from gemgate.telemetry.clock import SystemClock, system_random
from gemgate.telemetry.logs import LogObserver, set_up_logging
from gemgate.telemetry.metrics import Metrics
from gemgate.telemetry.recent import RecentRequests
from gemgate.telemetry.series import CallSeries

__all__ = [
    "CallSeries",
    "LogObserver",
    "Metrics",
    "Observers",
    "RecentRequests",
    "SystemClock",
    "set_up_logging",
    "system_random",
]


class Observers:
    """Hands every fact to all of its observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def add(self, observer: Observer) -> None:
        """Tell this one too from now on."""
        self._observers.append(observer)

    def emit(self, fact: TelemetryEvent) -> None:
        for observer in self._observers:
            observer.emit(fact)
