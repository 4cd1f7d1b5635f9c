"""Work for a caller who leaves ends, and ends before anything else goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gemgate.offload import offload
from gemgate.web.disconnect import ClientDisconnected, cancel_on_disconnect


async def stays() -> Any:
    await asyncio.Event().wait()


async def leaves() -> Any:
    return {"type": "http.disconnect"}


async def test_the_result_comes_to_who_stays() -> None:
    assert await cancel_on_disconnect(stays, asyncio.sleep(0, "done")) == "done"


async def test_an_error_is_the_works_own() -> None:
    async def breaks() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised right above
        await cancel_on_disconnect(stays, breaks())


async def test_who_leaves_stops_the_work_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("over")

    with pytest.raises(ClientDisconnected):
        await cancel_on_disconnect(leaves, work())
    assert ended == ["over"]


async def test_a_cancelled_waiter_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(cancel_on_disconnect(stays, stays()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert asyncio.all_tasks() == before


async def test_nothing_runs_beside_the_work_but_the_watch() -> None:
    before = asyncio.all_tasks()

    async def work() -> int:
        await asyncio.sleep(0)
        return len(asyncio.all_tasks() - before)

    assert await cancel_on_disconnect(stays, work()) == 1


@pytest.mark.parametrize("ends", ["well", "with an error of its own"])
async def test_work_that_ends_in_spite_of_it_is_nobodys_any_more(ends: str) -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends != "well":
                raise ValueError from None
        return "done"

    with pytest.raises(ClientDisconnected):
        await cancel_on_disconnect(leaves, work())


async def test_who_handles_it_goes_on_as_before_and_deadlines_round_it_hold() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(ClientDisconnected):
        async with asyncio.timeout(3600):
            await cancel_on_disconnect(leaves, stays())
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(0):
            await cancel_on_disconnect(stays, stays())
    assert task.cancelling() == 0


async def test_who_is_ended_while_the_client_leaves_is_ended() -> None:
    reached = asyncio.Event()

    async def work() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def waits() -> None:
        await cancel_on_disconnect(leaves_then, work())

    async def leaves_then() -> Any:
        await reached.wait()
        waiting.cancel()
        return {"type": "http.disconnect"}

    waiting = asyncio.ensure_future(waits())
    await asyncio.wait({waiting})
    assert waiting.cancelled()


async def test_large_work_leaves_the_loop_and_small_work_does_not() -> None:
    here = threading.get_ident()
    assert await offload(10, threading.get_ident, small=10) == here
    assert await offload(11, threading.get_ident, small=10) != here
