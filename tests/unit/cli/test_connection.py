"""What commands read of a gateway: lines of any length, files that are there whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gemgate.cli.connection import Connection
from gemgate.errors import Unreachable

LONG = b"x" * 1_000_000
"""A report of a deep research is one event, and so one line."""


@pytest.fixture
async def gateway() -> AsyncIterator[Connection]:
    async def lines(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in (b"data: a\r\n", b"\nda", b"ta: " + LONG + b"\n", b"cut off"):
            await answer.write(piece)
        return answer

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=LONG)

    app = web.Application()
    app.router.add_get("/lines", lines)
    app.router.add_get("/file", file)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Connection(http, f"http://127.0.0.1:{runner.addresses[0][1]}", "")
    finally:
        await runner.cleanup()


async def test_a_line_is_whole_however_long_it_is(gateway: Connection) -> None:
    async with aclosing(gateway.lines("/lines")) as lines:
        assert [line async for line in lines] == [b"data: a", b"", b"data: " + LONG]


async def test_a_file_is_written_whole_or_not_at_all(gateway: Connection, tmp_path: Path) -> None:
    path = tmp_path / "new" / "film.mp4"
    with pytest.raises(Unreachable):
        await gateway.written("/file", path, "0" * 64)
    assert not list(path.parent.iterdir())
    assert await gateway.written("/file", path, hashlib.sha256(LONG).hexdigest()) == len(LONG)
    assert [one.read_bytes() for one in path.parent.iterdir()] == [LONG]
