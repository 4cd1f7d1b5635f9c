"""How long a test waits for what must come; no test is judged by how fast its machine is."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0
"""Seconds for a call that must come back; a test may last longer."""
AT_ONCE = 15.0
"""Seconds for a call that comes back at once, where something else would end it after twenty or more."""
LOOK = 0.01
"""Seconds between two looks."""
LOOKS = 1000
"""Ten seconds of a machine that has nothing else to do, which is less than any deadline that would bring it about as
well. Looks are counted, not seconds: a machine that is busy, or pauses, looks more slowly.
"""
PATIENT = 6 * LOOKS
"""For what takes another process, a browser or a whole job."""


async def until(condition: Callable[[], Any], looks: int = LOOKS) -> None:
    """Wait until it holds; what it gives may be awaitable. AssertionError when it does not."""
    for _ in range(looks):
        held = condition()
        if await held if inspect.isawaitable(held) else held:
            return
        await asyncio.sleep(LOOK)
    raise AssertionError("it did not come to that in time")


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait, in a test without a loop, until it holds. AssertionError when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(5 * LOOK)
