"""Wrong keys, counted by network, so that nobody can guess the admin key."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, deque

from gemgate.errors import RateLimited
from gemgate.ports.runtime import Clock

MOST = 10
"""Wrong keys of one network within `SECONDS`; then its admin keys are not looked at until the first is that old."""
SECONDS = 60.0
NETWORKS = 1024


class LoginThrottle:
    """Bounded: of more networks than `NETWORKS` the one that was longest silent is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._last: OrderedDict[str, bytes] = OrderedDict()

    def failed(self, network: str) -> None:
        """A wrong key came from there."""
        times = self._failures.setdefault(network, deque(maxlen=MOST))
        times.append(self._clock.monotonic())
        self._failures.move_to_end(network)
        while len(self._failures) > NETWORKS:
            self._failures.popitem(last=False)

    def differs(self, network: str, key: str) -> bool:
        """Whether this is another key than the last one that came from there."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        differs = self._last.get(network) != digest
        self._last[network] = digest
        self._last.move_to_end(network)
        while len(self._last) > NETWORKS:
            self._last.popitem(last=False)
        return differs

    def wait(self, network: str) -> float:
        """Seconds until another key of theirs is looked at; 0 = now."""
        times = self._failures.get(network) or deque()
        if len(times) < MOST:
            return 0.0
        return max(0.0, times[0] + SECONDS - self._clock.monotonic())

    def check(self, network: str) -> None:
        """RateLimited when there were too many."""
        if (wait := self.wait(network)) > 0:
            seconds = math.ceil(wait)
            raise RateLimited(
                f"Too many wrong keys from {network}; try again in {seconds} seconds",
                f"来自 {network} 的错误密钥过多，请 {seconds} 秒后重试",
                retry_after=float(seconds),
                code="too_many_attempts",
                details={"limit": MOST, "remaining": 0, "reset": wait},
            )
