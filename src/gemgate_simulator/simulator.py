"""The simulator as a running thing: one loopback port, the service behind it, a folder for the throw-away CA."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from gemgate_simulator.accounts import Tier
from gemgate_simulator.certificates import Authority
from gemgate_simulator.control import Control
from gemgate_simulator.google import Google
from gemgate_simulator.record import Record
from gemgate_simulator.tunnel import ProxyConnection


class Simulator:
    """`async with Simulator() as sim`: then `sim.proxy_url`, `sim.ca_file`, `sim.google`, `sim.record`.

    accounts: names, each signed in with `tier`. http2: offer h2 beside http/1.1. seed: every freedom of the wire format
    (None: the plain spelling only). clock: epoch seconds. port: 0 for any free one. pace: seconds between the
    frames of unscripted answers. ways: doors, each an address of its own to the service (`proxies`).
    """

    def __init__(
        self,
        accounts: Sequence[str] = ("alice",),
        *,
        http2: bool = True,
        seed: int | None = 0,
        clock: Callable[[], float] = time.time,
        tier: Tier = "pro",
        port: int = 0,
        pace: float = 0.0,
        ways: int = 1,
    ) -> None:
        self.google = Google(accounts, tier=tier, seed=seed, clock=clock, pace=pace)
        self._protocols = ("h2", "http/1.1") if http2 else ("http/1.1",)
        self._wanted_port = port
        self._doors: set[ProxyConnection] = set()
        self._ways = ways
        self._servers: list[asyncio.Server] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.port = 0
        self.ca_file = Path()

    @property
    def record(self) -> Record:
        return self.google.record

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def proxies(self) -> list[str]:
        """One proxy for each way, the first is `proxy_url`."""
        return [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in self._servers]

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/control"

    async def start(self) -> None:
        """Make the CA and listen on loopback."""
        self._folder = tempfile.TemporaryDirectory(prefix="gemgate-simulator-")
        authority = Authority(Path(self._folder.name), self._protocols)
        self.ca_file = authority.ca_file
        control = Control(self.google)
        numbers = itertools.count(1)

        def door(way: str) -> ProxyConnection:
            number = next(numbers)
            self.google.world.came(number, way)
            return ProxyConnection(
                authority=authority,
                google=self.google,
                control=control,
                numbers=iter((number,)),
                open_doors=self._doors,
                refused=self.google.refused,
            )

        loop = asyncio.get_running_loop()
        for way in range(self._ways):
            port = 0 if way else self._wanted_port
            opened = partial(door, str(way))
            self._servers.append(await loop.create_server(opened, "127.0.0.1", port, backlog=1024))
        self.port = self._servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection and forget the CA."""
        if self._servers:
            for server in self._servers:
                server.close()
            for door in list(self._doors):
                door.stop()
            await asyncio.sleep(0)
            for server in self._servers:
                await server.wait_closed()
            self._servers.clear()
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
