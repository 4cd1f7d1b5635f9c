"""A simulator per test, the stock client library pointed at it, and a client made by hand over curl."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from curl_cffi.requests import AsyncSession, Response
from gemini_webapi import GeminiClient

from gemgate.accounts import PSID, PSIDTS
from gemgate_simulator import Simulator
from gemgate_simulator.exchange import Request
from tests.support.handmade_calls import Hand

Stock = Callable[..., Awaitable[GeminiClient]]


@pytest.fixture(params=[True, False], ids=["h2", "h1"])
async def sim(request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob"), http2=request.param) as simulator:
        yield simulator


@pytest.fixture
async def stock(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stock]:
    """Signs the unmodified library in; without a name it gets no cookies at all."""
    monkeypatch.setenv("GEMINI_COOKIE_PATH", str(tmp_path / "cookies"))
    clients: list[GeminiClient] = []

    async def sign_in(sim: Simulator, name: str | None = "alice", **options: Any) -> GeminiClient:
        sim.google.world.switches.bare_pictures = True
        sim.google.world.switches.files.short = "taken"  # the only shape that the library sends
        sim.google.world.switches.silent = True  # it takes a code behind an answer for a failure
        sim.google.world.switches.counts_turns = False  # it always says the first
        cookies = sim.google.cookies(name) if name else {}
        client = GeminiClient(cookies.get(PSID), cookies.get(PSIDTS), proxy=sim.proxy_url, verify=str(sim.ca_file))
        await client.init(auto_refresh=False, **{"timeout": 20, "watchdog_timeout": 10, **options})
        clients.append(client)
        return client

    yield sign_in
    for client in clients:
        await client.close()


class Wire:
    """Requests made by hand, sent over real sockets."""

    def __init__(self, sim: Simulator, session: AsyncSession) -> None:
        self.sim = sim
        self.session = session
        self.hand = Hand(sim.google)
        sim.record.clear()

    async def send(self, request: Request, **options: Any) -> Response:
        address = f"https://{request.host}{request.target}"
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        return await self.session.request(
            request.method, address, headers=headers, data=request.body or None, discard_cookies=True, **options
        )

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Response]:
        address = f"https://{request.host}{request.target}"
        async with self.session.stream(request.method, address, headers=request.headers, data=request.body) as response:
            yield response

    async def get(self, address: str) -> Response:
        host, _, target = address.removeprefix("https://").partition("/")
        return await self.send(self.hand.request("GET", host, f"/{target}", {}))


@pytest.fixture
async def wire(sim: Simulator) -> AsyncIterator[Wire]:
    async with AsyncSession(proxy=sim.proxy_url, verify=str(sim.ca_file), timeout=20, max_clients=200) as session:
        yield Wire(sim, session)
