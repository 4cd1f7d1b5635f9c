"""Callers who leave: what is being made for them ends, upstream calls with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientDisconnected(Exception):
    """The client closed its connection; nobody is there to be answered."""


async def cancel_on_disconnect(receive: Receive, work: Awaitable[T]) -> T:
    """The result of `work`; ClientDisconnected, with the work cancelled and over, when the client goes first.

    The work is the caller's own, with nothing beside it but a watch that cancels it, as `asyncio.timeout` does.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    watch = asyncio.create_task(_cancel_when_left(receive, task))
    try:
        return await work
    finally:
        left = watch.done() and not watch.cancelled()
        watch.cancel()
        if left and task.uncancel() <= before:  # else somebody else ends us too
            raise ClientDisconnected from None


async def _cancel_when_left(receive: Receive, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
