"""How often one way out may be used, over all accounts that share it: a burst, then a steady rate. Pure.

Google minds calls of an address, not of an account; ten a minute went on for hours, eighty in a row did not
(docs/google-wire.md 4.3). So a rested address may hurry for a while, and has to slow down before it is noticed.
"""

from __future__ import annotations


class Bucket:
    """`per_minute` calls on average, 0 = any number; `burst` at once after a rest. Times are seconds of one clock."""

    def __init__(self, per_minute: float = 0.0, burst: int = 1) -> None:
        self.per_minute = per_minute
        self._step = 60.0 / per_minute if per_minute else 0.0
        self.burst = burst
        self._due = float("-inf")
        """When the next call would start if all of them came evenly."""

    @property
    def _slack(self) -> float:
        return self._step * max(0, self.burst - 1)

    def allow(self, burst: int) -> None:
        """From now on so many at once."""
        self.burst = burst

    def wait(self, now: float) -> float:
        """Seconds until the next call may start."""
        return max(0.0, self._due - self._slack - now)

    def reserve(self, now: float) -> float:
        """Book the next call; the seconds to wait for it."""
        wait = self.wait(now)
        self._due = max(self._due, now) + self._step
        return wait

    def cancel(self) -> None:
        """Give back a call that was booked and not made."""
        self._due -= self._step
