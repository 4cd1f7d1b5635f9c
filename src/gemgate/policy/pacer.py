"""The rate limit towards Google: a hard cap a minute for one account, and a gap that grows after a 429.

The gap doubles with every 429 (from 2 s up to 60 s) and shrinks by a tenth with every success until it is gone.
"""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
FIRST_GAP, LONGEST_GAP, SHRINK = 2.0, 60.0, 0.9
JITTER = 0.2


class Pacer:
    """`rpm` starts in any 60 seconds, 0 = no cap. Times are seconds of one clock."""

    def __init__(self, rpm: int) -> None:
        self.rpm = rpm
        self._starts: deque[float] = deque()
        self._gap = 0.0
        self._last = float("-inf")
        self.consecutive_429s = 0

    @property
    def current_delay(self) -> float:
        """Seconds between two starts at the moment, before jitter."""
        return self._gap

    def in_last_minute(self, now: float) -> int:
        self._forget(now)
        return sum(start <= now for start in self._starts)

    def reserve(self, now: float, random: float) -> float:
        """Book the next start; the seconds to wait for it."""
        self._forget(now)
        start = now
        if self._gap:
            start = max(start, self._last + self._gap * (1 + JITTER * (2 * random - 1)))
        if self.rpm and len(self._starts) >= self.rpm:
            start = max(start, self._starts[-self.rpm] + WINDOW)
        self._starts.append(start)
        self._last = max(self._last, start)
        return start - now

    def cancel(self, start: float) -> None:
        """Give back a start that was booked and not used."""
        if start in self._starts:
            self._starts.remove(start)

    def succeeded(self) -> None:
        self.consecutive_429s = 0
        self._gap = 0.0 if self._gap * SHRINK < FIRST_GAP / 2 else self._gap * SHRINK

    def limited(self) -> None:
        self.consecutive_429s += 1
        self._gap = min(LONGEST_GAP, self._gap * 2 if self._gap else FIRST_GAP)

    def _forget(self, now: float) -> None:
        while self._starts and self._starts[0] <= now - WINDOW:
            self._starts.popleft()
