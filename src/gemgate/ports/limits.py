"""Rate limits."""

from __future__ import annotations

from typing import Protocol

from gemgate.caller import Caller, Quota


class Limiter(Protocol):
    """Our own limits towards clients; exact under concurrency."""

    @property
    def degraded(self) -> str:
        """Empty, or why limits are counted per process only at the moment."""
        ...

    async def take(self, caller: Caller, model: str) -> Quota:
        """Count one call; RateLimited with the seconds when it is one too many."""
        ...
