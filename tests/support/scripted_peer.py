"""A server on a socket that answers as a test says, byte by byte, and counts what it got rid of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PIECE = bytes(65_536)


@dataclass(slots=True)
class Peer:
    """asked: the first line of each request. sent: bytes that have left, what stands in buffers included."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    sent: int = 0


@dataclass(slots=True)
class Said:
    """One request, and the way back. method and target: of its first line."""

    peer: Peer
    method: str
    target: str
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.peer.sent += len(data)

    async def head(self, status: str = "200 OK", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        await self.say(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def endless(self, piece: bytes = PIECE) -> None:
        while True:
            await self.say(piece)

    async def drip(self, data: bytes = b"x") -> None:
        """A byte in a twentieth of a second, without an end."""
        while True:
            for byte in data:
                await self.say(bytes([byte]))
                await asyncio.sleep(0.05)


Script = Callable[[Said], Awaitable[None]]


async def silent(said: Said) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def dripping_head(said: Said) -> None:
    await said.say(b"HTTP/1.1 200 OK\r\nx-head: ")
    await said.drip()


async def endless_head(said: Said) -> None:
    await said.say(b"HTTP/1.1 200 OK\r\n")
    await said.endless(b"x-head: y\r\n" * 1000)


@asynccontextmanager
async def scripted(script: Script, *, reads: bool = True) -> AsyncIterator[Peer]:
    """A peer with this script for every request. reads: off, it reads heads and no bodies."""
    peer, open_now = Peer(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                if reads:
                    await reader.readexactly(int(fields.get("content-length", "0")))
                peer.asked.append(first)
                method, target, _ = first.split(" ")
                await script(Said(peer, method, target, writer))
        writer.close()
        open_now.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)
