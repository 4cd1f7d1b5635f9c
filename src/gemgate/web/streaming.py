"""The framework's streams, without which a node starts: they run on anyio, which is imported beside the event loop."""

from __future__ import annotations

from starlette import responses
from starlette.types import Receive, Scope, Send

from gemgate.lazy_import import later, load

anyio = later("anyio._backends._asyncio")
"""75 ms of processor. To be loaded before the framework streams, or writes a long part of a form to a file."""


class StreamingResponse(responses.StreamingResponse):
    """An answer in pieces."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the framework's, once what that runs on is there."""
        await load(anyio)
        await super().__call__(scope, receive, send)
