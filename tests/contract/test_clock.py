"""The promises of `ports.Clock`, over the machine's time and the clock that tests turn by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gemgate.ports.runtime import Clock
from gemgate.telemetry import SystemClock
from gemgate.testing import FakeClock, settle

Let = Callable[[float], Awaitable[None]]


@pytest.fixture(params=["system", "double"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return SystemClock() if request.param == "system" else FakeClock()


@pytest.fixture
def let(clock: Clock) -> Let:
    """Let time pass."""
    return clock.advance if isinstance(clock, FakeClock) else asyncio.sleep


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(clock: Clock, let: Let) -> None:
    began, epoch = clock.monotonic(), clock.now()
    sleeping = asyncio.create_task(clock.sleep(0.05))
    await settle()
    assert not sleeping.done()
    while not sleeping.done():
        await let(0.01)
    assert clock.monotonic() - began >= 0.049
    assert clock.now() - epoch >= 0.04


async def test_sleepers_wake_in_the_order_of_their_times(clock: Clock, let: Let) -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (0.2, 0.0, 0.1)]
    await settle()
    while not all(task.done() for task in tasks):
        await let(0.05)
    assert woken == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("seconds", [0.0, -5.0])
async def test_no_time_at_all_is_soon_over_and_lets_others_run(clock: Clock, let: Let, seconds: float) -> None:
    ran = asyncio.create_task(settle(1))
    sleeping = asyncio.create_task(clock.sleep(seconds))
    await let(0.0)
    await settle()
    assert ran.done()
    assert sleeping.done()


async def test_a_sleeper_that_is_cancelled_leaves_the_others_alone(clock: Clock, let: Let) -> None:
    gone, stays = asyncio.create_task(clock.sleep(0.02)), asyncio.create_task(clock.sleep(0.04))
    await settle()
    gone.cancel()
    while not stays.done():
        await let(0.02)
    assert gone.cancelled()


async def test_monotonic_time_never_goes_back(clock: Clock, let: Let) -> None:
    seen = []
    for _ in range(5):
        seen.append(clock.monotonic())
        await let(0.001)
    assert seen == sorted(seen)
    assert clock.now() > 1_700_000_000
