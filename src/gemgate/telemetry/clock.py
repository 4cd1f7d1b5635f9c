"""The machine's time and dice, behind the ports that tests turn by hand."""

from __future__ import annotations

import asyncio
import random
import time


class SystemClock:
    """The machine's own time."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def system_random() -> float:
    """A random number in [0, 1)."""
    return random.random()  # noqa: S311 - jitter, not a secret
