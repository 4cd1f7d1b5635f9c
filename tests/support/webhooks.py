"""Somebody who is told of ends: an address on this machine that keeps what it hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class Listener:
    """heard: body and headers of each delivery."""

    url: str = ""
    heard: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """The address, for as long as the block runs."""
    listener = Listener()

    async def take(request: web.Request) -> web.Response:
        listener.heard.append((await request.read(), {name.lower(): one for name, one in request.headers.items()}))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield listener
    finally:
        await runner.cleanup()
