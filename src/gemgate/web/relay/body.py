"""A request's body on its way through: bounded, passed on as it comes, and kept so that it can be sent once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.requests import Request

from gemgate.errors import GatewayError
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.request_body import chunks_of


class Body:
    """`limit` bytes at most; TooLarge, UnsupportedMedia and CallerLeft as `reading.chunks_of` raises them."""

    def __init__(self, request: Request, limit: int) -> None:
        self._chunks: AsyncGenerator[bytes, None] = chunks_of(request, limit)
        self._kept: list[bytes] = []
        self.complete = asyncio.Event()
        """Set once the client has sent all of it: only then can it be listened to for its departure."""
        self.failure: GatewayError | ClientDisconnected | None = None
        """Why it never will, when that came up while it was on its way to a node."""

    async def whole(self) -> bytes:
        """All of it at once."""
        async for _ in self._rest():
            pass
        if len(self._kept) > 1:
            self._kept = [b"".join(self._kept)]
        return self._kept[0] if self._kept else b""

    async def pieces(self) -> AsyncIterator[bytes]:
        """From the beginning, however often: first what has come, then the rest as it comes."""
        for chunk in tuple(self._kept):
            yield chunk
        async for chunk in self._rest():
            yield chunk

    async def _rest(self) -> AsyncIterator[bytes]:
        if self.complete.is_set():
            return
        try:
            async for chunk in self._chunks:
                if chunk:
                    self._kept.append(chunk)
                    yield chunk
        except (GatewayError, ClientDisconnected) as error:
            self.failure = error
            raise
        self.complete.set()

    async def close(self) -> None:
        await self._chunks.aclose()
