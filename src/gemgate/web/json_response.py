"""Plain answers: JSON with the right type; large ones are written in pieces, so that nothing waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import Response

from gemgate.dialects.wire import Base64, dumps
from gemgate.web.streaming import StreamingResponse

LONG = 256_000
"""A string beyond this many characters is written in slices."""


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers, media_type="application/json")


def large_json_response(value: Any, headers: dict[str, str] | None = None) -> Response:
    """The same for answers that carry images as base64: never one big copy of all of them."""
    return StreamingResponse(paced(json_pieces(value)), headers=headers, media_type="application/json")


async def paced(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces one by one; after a large one others have their turn."""
    for piece in pieces:
        yield piece
        if len(piece) >= LONG:
            await asyncio.sleep(0)


def json_pieces(value: Any) -> Iterator[bytes]:
    """The JSON text of `value` in pieces; what holds no long string comes as one."""
    if not _has_long_string(value):
        yield dumps(value)
    elif isinstance(value, str):
        yield b'"'
        for at in range(0, len(value), LONG):
            yield dumps(value[at : at + LONG])[1:-1]
        yield b'"'
    elif isinstance(value, Base64):
        yield b'"'
        yield from value.pieces()
        yield b'"'
    elif isinstance(value, dict):
        yield b"{"
        for number, (name, inner) in enumerate(value.items()):
            yield (b"," if number else b"") + dumps(name) + b":"
            yield from json_pieces(inner)
        yield b"}"
    else:
        yield b"["
        for number, inner in enumerate(value):
            if number:
                yield b","
            yield from json_pieces(inner)
        yield b"]"


def sse_pieces(value: Any, event: str) -> Iterator[bytes]:
    """A server-sent event of a JSON value in pieces."""
    yield f"event: {event}\ndata: ".encode()
    yield from json_pieces(value)
    yield b"\n\n"


def _has_long_string(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > LONG
    if isinstance(value, Base64):
        return len(value.data) > LONG
    if isinstance(value, dict):
        return any(_has_long_string(inner) for inner in value.values())
    return isinstance(value, list | tuple) and any(_has_long_string(inner) for inner in value)
