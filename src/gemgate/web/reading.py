"""Request bodies, bounded before they are buffered, and callers who leave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from gemgate.dialects import wire
from gemgate.errors import TooLarge, UnsupportedMedia

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class CallerLeft(Exception):
    """The client closed its connection; nobody is there to be answered."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; TooLarge as soon as it is known to exceed `limit` bytes, UnsupportedMedia for compressed ones."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise UnsupportedMedia(
            f"Content-Encoding {encoding} is not accepted; send the body as it is",
            f"不接受 Content-Encoding {encoding}，请发送未压缩的请求体",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            chunks.append(chunk)
    except ClientDisconnect:
        raise CallerLeft from None
    return b"".join(chunks)


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit / 1_000_000:g} MB (MAX_BODY_MB)",
        f"请求体超过 {limit / 1_000_000:g} MB（MAX_BODY_MB）",
        code="request_too_large",
    )


async def read_model(request: Request, model: type[M], limit: int) -> M:
    """The JSON body as a wire model, whatever its content type says."""
    return wire.read(model, wire.parse_json(await read_body(request, limit)))


class Departure:
    """Watches for the client to go away while something is being made for it."""

    def __init__(self, request: Request) -> None:
        self._gone = asyncio.ensure_future(self._watch(request))

    @staticmethod
    async def _watch(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; CallerLeft, with the work cancelled and over, when the client goes first."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise CallerLeft
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def close(self) -> None:
        self._gone.cancel()
