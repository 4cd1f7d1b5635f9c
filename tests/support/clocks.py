"""Clocks for tests that need the machine's own and cannot wait for it."""

from __future__ import annotations

from gemgate.telemetry.clock import SystemClock


class SkippingClock(SystemClock):
    """The real clock, whose spans can be made longer; who sleeps, or runs by the machine's time, knows nothing."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        return super().now() + self.skipped

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped
