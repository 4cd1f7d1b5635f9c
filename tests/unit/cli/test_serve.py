"""How the server ends."""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import Receive, Scope, Send

from gemgate.cli.serve import _Server


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that is never called."""


async def test_a_call_that_is_cut_off_says_its_last_words_before_the_server_has_ended() -> None:
    server = _Server(uvicorn.Config(_nothing, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    server.config.load()
    server.lifespan, server.servers = server.config.lifespan_class(server.config), []
    said: list[str] = []
    begun = asyncio.Event()

    async def call() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            said.append("it was cut off")

    task = asyncio.create_task(call())
    server.server_state.tasks.add(task)
    task.add_done_callback(server.server_state.tasks.discard)
    await begun.wait()
    await server.shutdown()
    assert said == ["it was cut off"]
