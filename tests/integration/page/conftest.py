"""A gateway with keys and an admin key, and clients that behave as browsers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

ADMIN = "correct horse battery staple"
CLIENT = "client-secret-1"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


@pytest.fixture
def locked(sim: Simulator, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a gateway that asks for keys."""

    def make(**more: Any) -> Settings:
        return settings_for(sim, tmp_path, api_key=f"app:{CLIENT}", admin_key=ADMIN, **more)

    return make


@pytest.fixture
async def gate(locked: Callable[..., Settings]) -> AsyncIterator[Served]:
    async with served(locked()) as running:
        yield running


class Browser:
    """One browser: its cookies, and what the page sends with every change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.csrf = ""

    async def ask(
        self, method: str, path: str, body: Any = None, *, status: int = 200, csrf: str | None = None, **headers: str
    ) -> Any:
        """The JSON answer; headers by name with underscores."""
        sent = {"sec-fetch-site": "same-origin", "origin": self.url, "x-csrf-token": self.csrf}
        if csrf is not None:
            sent["x-csrf-token"] = csrf
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        async with self.http.request(method, path, json=body, headers=sent) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            return await answer.json() if "json" in answer.content_type else text

    async def sign_in(self, key: str = ADMIN, *, status: int = 200) -> Any:
        body = await self.ask("POST", "/api/session", {"key": key}, status=status)
        self.csrf = body.get("csrf") or ""
        return body


@pytest.fixture
async def browsers() -> AsyncIterator[Callable[[str], Browser]]:
    made: list[Browser] = []

    def make(url: str) -> Browser:
        made.append(Browser(url))
        return made[-1]

    yield make
    for browser in made:
        await browser.http.close()


@pytest.fixture
async def browser(gate: Served, browsers: Callable[[str], Browser]) -> Browser:
    return browsers(gate.url)
