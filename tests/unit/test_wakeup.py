"""Sleep, or be woken."""

from __future__ import annotations

import asyncio

from gemgate.ports.wakeup import Wakeup
from gemgate.testing import FakeClock


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_sleeps_so_long_unless_somebody_wakes_it_and_leaves_no_task() -> None:
    clock = FakeClock()
    wakeup = Wakeup(clock)
    before = asyncio.all_tasks()
    slept = asyncio.create_task(wakeup.wait(10))
    await clock.advance(9.9)
    assert not slept.done()
    await clock.advance(0.2)
    await settle()
    assert slept.done()
    assert not wakeup.woken
    woken = asyncio.create_task(wakeup.wait(10))
    await settle()
    wakeup.wake()
    await settle()
    assert woken.done()
    assert wakeup.woken
    await wakeup.wait(10)  # what was said between two waits is not missed
    wakeup.clear()
    left = asyncio.create_task(wakeup.wait(10))
    await settle()
    left.cancel()
    await settle()
    assert asyncio.all_tasks() == before
