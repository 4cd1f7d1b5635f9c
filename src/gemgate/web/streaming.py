"""Server-sent events: the 200 waits for the first event, silence is filled with heartbeats, a leaving client stops all.

Before the first event every error is a plain HTTP error; after it the dialect's in-band form ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gemgate.chat import Event
from gemgate.errors import GatewayError

HEARTBEAT_SECONDS = 10.0

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


class StreamWriter(Protocol):
    """A dialect's way to write events; one writer per stream, `index` tells several answers apart."""

    heartbeat: bytes | None

    def event(self, index: int, event: Event) -> bytes: ...

    def close(self) -> bytes: ...

    def fail(self, error: GatewayError, language: str, request_id: str) -> bytes: ...


async def written(
    events: AsyncGenerator[tuple[int, Event], None], writer: StreamWriter, language: str, request_id: str
) -> AsyncGenerator[bytes, None]:
    """The bytes of a stream. An error of the first event is raised; a later one is written and ends it."""
    begun = False
    async with aclosing(events):
        try:
            async for index, event in events:
                begun = True
                yield writer.event(index, event)
            yield writer.close()
        except GatewayError as error:
            if not begun:
                raise
            yield writer.fail(error, language, request_id)
        except Exception as error:
            if not begun:
                raise
            structlog.stdlib.get_logger("gemgate").exception("stream.failed", request_id=request_id)
            yield writer.fail(internal_error(error), language, request_id)


def internal_error(_: Exception) -> GatewayError:
    """What a caller is told of a bug of ours: nothing but that it is one."""
    return GatewayError(
        "Something went wrong inside gemgate; the log has the details under this request id",
        "gemgate 内部错误，详情请按请求编号查看日志",
        code="internal_error",
        generated="maybe",
    )


class EventStream(Response):
    """An ASGI answer that sends `head`, then the rest of `chunks`, until the end or until the client leaves."""

    def __init__(
        self, head: bytes, chunks: AsyncGenerator[bytes, None], headers: dict[str, str], heartbeat: bytes | None
    ) -> None:
        self.background = None
        self.status_code = 200
        self._head = head
        self._chunks = chunks
        self.raw_headers = [(n.encode(), v.encode("latin-1")) for n, v in {**HEADERS, **headers}.items()]
        self._heartbeat = heartbeat
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.ensure_future(self._pump(send))
        beside = [asyncio.ensure_future(_gone(receive))]
        if self._heartbeat is not None:
            beside.append(asyncio.ensure_future(self._beat(send, self._heartbeat)))
        try:
            await asyncio.wait({pump, beside[0]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, *beside):
                task.cancel()
            await asyncio.wait({pump, *beside})
        if not pump.cancelled():
            pump.result()

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._chunks):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send(send, self._head)
            async for chunk in self._chunks:
                await self._send(send, chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, chunk: bytes) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _beat(self, send: Send, heartbeat: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._sent_at = loop.time()
        while True:
            silent = loop.time() - self._sent_at
            if silent >= HEARTBEAT_SECONDS:
                await self._send(send, heartbeat)
            else:
                await asyncio.sleep(HEARTBEAT_SECONDS - silent)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def merged(answers: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """Events of several answers as they come, each with the index of its answer."""
    if len(answers) == 1:
        async with aclosing(answers[0]) as only:
            async for event in only:
                yield 0, event
        return
    queue: asyncio.Queue[tuple[int, Event | GatewayError | None]] = asyncio.Queue(64)

    async def feed(index: int, answer: AsyncGenerator[Event, None]) -> None:
        try:
            async with aclosing(answer):
                async for event in answer:
                    await queue.put((index, event))
        except GatewayError as error:
            await queue.put((index, error))
        else:
            await queue.put((index, None))

    tasks = [asyncio.ensure_future(feed(index, answer)) for index, answer in enumerate(answers)]
    try:
        left = len(tasks)
        while left:
            index, item = await queue.get()
            if isinstance(item, GatewayError):
                raise item
            if item is None:
                left -= 1
            else:
                yield index, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
