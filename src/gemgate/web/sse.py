"""Server-sent events: the 200 waits a moment for the first event, silence is filled with heartbeats, a leaving client
stops all.

Before the 200 every error is a plain HTTP error; after it the dialect's in-band form ends the stream. It goes out with
the first event, or after `OPEN_SECONDS` with a heartbeat: proxies give up on who is silent (nginx after 60 s), and a
image or a place in a queue can take longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gemgate.chat import Event
from gemgate.dialects.writing import StreamWriter
from gemgate.errors import GatewayError, forget_frames
from gemgate.telemetry.logs import get_logger
from gemgate.web.disconnect import ClientDisconnected, cancel_on_disconnect
from gemgate.web.header_text import header_text

HEARTBEAT_SECONDS = 10.0
OPEN_SECONDS = 8.0
"""Seconds that the 200 waits for the first event: what fails sooner fails with a status of its own."""

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


@dataclass(slots=True)
class Opened:
    """Whether the 200 of a stream is on its way, so that errors can only be told in it."""

    yes: bool = False


@runtime_checkable
class Insisting(Protocol):
    """A writer whose clients may miss an error: `fail_again` goes out behind `fail`, in a write of its own."""

    def fail_again(self, error: GatewayError, language: str, request_id: str) -> bytes: ...


def _failure(writer: StreamWriter, error: GatewayError, language: str, request_id: str) -> Iterator[bytes]:
    yield writer.fail(error, language, request_id)
    if isinstance(writer, Insisting) and (again := writer.fail_again(error, language, request_id)):
        yield again


async def encode(
    events: AsyncGenerator[tuple[int, Event], None],
    writer: StreamWriter,
    language: str,
    request_id: str,
    opened: Opened,
) -> AsyncGenerator[bytes, None]:
    """The bytes of a stream. An error is raised until it is opened; a later one is written and ends it."""
    async with aclosing(events):
        try:
            async for index, event in events:
                opened.yes = True
                yield writer.event(index, event)
            yield writer.close()
        except GatewayError as error:
            if not opened.yes:
                raise
            forget_frames(error)
            for piece in _failure(writer, error, language, request_id):
                yield piece
        except Exception as error:
            if not opened.yes:
                raise
            get_logger().exception("stream.failed", request_id=request_id)
            forget_frames(error)
            for piece in _failure(writer, internal_error(error), language, request_id):
                yield piece


def internal_error(_: BaseException) -> GatewayError:
    """What a caller is told of a bug of ours: nothing but that it is one."""
    return GatewayError(
        "Something went wrong inside gemgate; the log has the details under this request id",
        "gemgate 内部错误，详情请按请求编号查看日志",
        code="internal_error",
        generated="maybe",
    )


async def answer(
    request: Request,
    chunks: AsyncGenerator[bytes, None],
    heartbeat: Callable[[], bytes | None],
    opened: Opened,
    headers: dict[str, str],
) -> EventStream:
    """The stream of `chunks`, opened by the first of them or by `OPEN_SECONDS` of silence; what it raises before that
    is raised here. CallerLeft when the client goes first.
    """
    first = asyncio.ensure_future(anext(chunks))
    try:
        await cancel_on_disconnect(
            request.receive, asyncio.wait({first}, timeout=OPEN_SECONDS if heartbeat() is not None else None)
        )
    except BaseException:
        first.cancel()
        await asyncio.wait({first})
        raise
    if first.done():
        first.result()
    opened.yes = True
    return EventStream(first, chunks, headers, heartbeat)


class EventStream(Response):
    """An ASGI answer that sends the `first` chunk, then the rest of `chunks`, until the end or until the client leaves.

    heartbeat: what fills silence, asked for anew each time; None for nothing.
    """

    def __init__(
        self,
        first: asyncio.Future[bytes],
        chunks: AsyncGenerator[bytes, None],
        headers: dict[str, str],
        heartbeat: Callable[[], bytes | None],
    ) -> None:
        self.background = None
        self.status_code = 200
        self._first = first
        self._chunks = chunks
        self.raw_headers = [(n.encode(), header_text(v)) for n, v in {**HEADERS, **headers}.items()]
        self._heartbeat = heartbeat
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        beat = asyncio.ensure_future(self._beat(send))
        try:
            with suppress(ClientDisconnected):
                await cancel_on_disconnect(receive, self._pump(send))
        finally:
            beat.cancel()
            await asyncio.wait({beat})

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._chunks):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not self._first.done() and (beat := self._heartbeat()) is not None:
                await self._send(send, beat)
            await self._send(send, await self._first)
            async for chunk in self._chunks:
                await self._send(send, chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, chunk: bytes) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _beat(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._sent_at = loop.time()
        while True:
            silent = loop.time() - self._sent_at
            if silent >= HEARTBEAT_SECONDS:
                if (beat := self._heartbeat()) is not None:
                    await self._send(send, beat)
                else:
                    self._sent_at = loop.time()
            else:
                await asyncio.sleep(HEARTBEAT_SECONDS - silent)


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
