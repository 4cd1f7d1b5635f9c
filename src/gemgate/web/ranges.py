"""Stored files over HTTP: which bytes are meant (RFC 9110, 14), and sending them as they are read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from gemgate.ports.blobs import BlobFacts, BlobStore
from gemgate.web.streaming import StreamingResponse

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def answer(request: Request, store: BlobStore, facts: BlobFacts, headers: dict[str, str], mime: str) -> Response:
    """The file or the part of it that is asked for: 200, 206 or 416. headers: with its `etag`. NotFound when somebody
    took it away.
    """
    status, start, end = _range(request, facts.size, headers["etag"])
    if status == 416:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{facts.size}"})
    headers = {**headers, "content-length": str(end - start)}
    if status == 206:
        headers["content-range"] = f"bytes {start}-{end - 1}/{facts.size}"
    if request.method == "HEAD":
        return Response(None, status, headers, media_type=mime)
    pieces = store.chunks(facts.key, start, end)
    return StreamingResponse(_behind(await anext(pieces, b""), pieces), status, headers, media_type=mime)


def _range(request: Request, size: int, etag: str) -> tuple[int, int, int]:
    """200, 206 or 416, and the bytes meant, the end not included. Several ranges get the whole, as RFC 9110 allows."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if not wanted or request.headers.get("if-range", etag) != etag:
        return 200, 0, size
    first, last = wanted.groups()
    if not first and not last:
        return 200, 0, size
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    return (206, start, end) if start < end else (416, 0, 0)


async def _behind(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All pieces again; the first was read before anything was promised."""
    yield first
    async for piece in rest:
        yield piece
