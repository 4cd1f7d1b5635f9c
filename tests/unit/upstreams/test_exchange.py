"""What a reader of an answer waits for: bytes and the end, and nothing that is there already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from gemgate.upstreams.web.exchange import Exchange
from gemgate.upstreams.web.handles import Handle, Handles


class _Handle:
    """One transfer; `received` hears of its bytes."""

    received: Callable[[bytes], object]

    def begin(self, *about: Any) -> asyncio.Future[None]:
        self.received = about[4]
        self.transfer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return self.transfer

    def status_and_location(self) -> tuple[int, str]:
        return 200, ""


class _Handles:
    closed = False

    def __init__(self) -> None:
        self.handle = _Handle()
        self.back: list[tuple[Handle, bool]] = []

    def take(self) -> Handle:
        return cast("Handle", self.handle)

    def give_back(self, handle: Handle, *, sound: bool) -> None:
        self.back.append((handle, sound))


async def test_an_end_that_came_with_the_last_bytes_takes_no_other_turn_of_the_loop() -> None:
    handles = _Handles()
    async with Exchange(cast("Handles", handles), query="", headers={}, body=b"", timeout=10.0) as exchange:
        handles.handle.received(b"all of it")
        handles.handle.transfer.set_result(None)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        assert await exchange.read(1.0) == b"all of it"
        assert await exchange.read(1.0) is None
        assert not turns
        assert exchange.status == 200
    await asyncio.sleep(0)
    assert handles.back == [(handles.handle, True)], "another prompt has it, once"
