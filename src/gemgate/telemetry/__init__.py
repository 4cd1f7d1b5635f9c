"""What the service says about itself: log lines, metrics, traces, and the last requests in memory.

Observers receive facts (`ports.runtime.TelemetryEvent`) and nothing else, so what one of them knows all may know: no
fact, line, label or span ever carries a cookie, a key, a prompt or an answer. Facts are told where they happen and are
cheap: plain values.
"""

# ruff: noqa: E402 - what is emptied comes first

from __future__ import annotations

from collections.abc import Iterable

from gemgate.lazy_import import emptied
from gemgate.ports.runtime import EVERY, Listener, Listening, TelemetryEvent

emptied("prometheus_client")  # of which we need the meters; it imports the servers that could show them

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
    """Hands every fact to those who listen for it, in the order in which they were added."""

    def __init__(self, listening: Iterable[Listening] = ()) -> None:
        self._listeners: dict[str, tuple[Listener, ...]] = {EVERY: ()}
        self._others: tuple[Listener, ...] = ()
        for one in listening:
            self.add(one)

    def add(self, one: Listening) -> None:
        """Tell this one too from now on."""
        before, wanted = self._listeners, one.listeners

        def heard(name: str) -> tuple[Listener, ...]:
            listener = wanted.get(name) or wanted.get(EVERY)
            return (*before.get(name, before[EVERY]), *([listener] if listener else []))

        self._listeners = {name: heard(name) for name in {*before, *wanted}}
        self._others = self._listeners[EVERY]

    def emit(self, fact: TelemetryEvent) -> None:
        for listener in self._listeners.get(fact.name, self._others):
            listener(fact)
