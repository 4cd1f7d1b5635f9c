"""A day of an account whose cookies die within 20 minutes unless they are rotated: the whole gateway over real sockets,
with a clock that gateway and simulated Google share and that jumps half a minute whenever everybody sleeps.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

MINUTE, HOUR = 60.0, 3600.0
LIFETIME = 20 * MINUTE
STEP = 30.0
CALL_EVERY = 5 * MINUTE
CHAT = {"messages": [{"role": "user", "content": "say hello"}]}


class SharedClock:
    """Time for gateway and Google. It stands still while somebody works: sockets and disks take what they take."""

    def __init__(self) -> None:
        self._now = time.time()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._usual = 0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._order), future))
        await future

    async def jump(self, seconds: float) -> None:
        """So much later, with everybody who was due then back asleep."""
        self._usual = max(self._usual, self._asleep())
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
        over = time.monotonic() + 5
        while self._asleep() < self._usual and time.monotonic() < over:
            await asyncio.sleep(0.001)

    def _asleep(self) -> int:
        return sum(not future.done() for _, _, future in self._sleepers)


class Told:
    """Somebody whom ALERT_WEBHOOK_URL names."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.alerts.append(await request.json())
        return web.Response()


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    somebody = Told()
    app = web.Application()
    app.router.add_post("/", somebody.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    somebody.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"  # type: ignore[attr-defined]
    yield somebody
    await runner.cleanup()


async def live_through(
    gate: Served, clock: SharedClock, http: aiohttp.ClientSession, hours: float
) -> dict[int, list[dict[str, Any]]]:
    """A call every five minutes; the answers by status."""
    answers: dict[int, list[dict[str, Any]]] = {}
    for _ in range(round(hours * HOUR / CALL_EVERY)):
        for _ in range(round(CALL_EVERY / STEP)):
            await clock.jump(STEP)
        async with http.post("/v1/chat/completions", json=CHAT) as answer:
            answers.setdefault(answer.status, []).append(await answer.json())
    return answers


async def _day(folder: Path, told: Told, hours: float, rotate: float) -> tuple[Any, ...]:
    clock = SharedClock()
    async with Simulator(("alice",), clock=clock.now) as sim:
        sim.google.account("alice").lifetime = LIFETIME
        sim.google.account("alice").grace = MINUTE
        settings = settings_for(sim, folder, cookie_refresh_seconds=rotate, alert_webhook_url=told.url)
        async with served(settings, clock=clock) as gate, aiohttp.ClientSession(gate.url) as http:
            for _ in range(3):
                await asyncio.sleep(0.1)
            answers = await live_through(gate, clock, http, hours)
            said = {}
            for path in ("/health", "/ready", "/api/accounts", "/api/overview", "/api/cookies/status"):
                async with http.get(path) as answer:
                    said[path] = (answer.status, await answer.json())
            async with http.get("/metrics") as answer:
                said["/metrics"] = (answer.status, await answer.text())
            lives = await gate.service.account_registry.store.lives("default")
            return answers, said, sim.record, lives


async def _rotated(folder: Path, told: Told, hours: float) -> None:
    answers, said, record, lives = await _day(folder, told, hours, rotate=10 * MINUTE)
    assert {status: len(all_) for status, all_ in answers.items()} == {200: round(hours * 12)}
    rotations = record.requests_of("rotate")
    assert hours * 6 * 0.85 <= rotations <= hours * 6 * 1.15, rotations
    pages = record.requests_of("init")
    assert pages == 2, "it signed in once (the page is loaded for the session, and to see whose it is) and never again"
    assert not record.violations
    assert told.alerts == []
    assert said["/ready"][0] == 200
    assert len(lives) == 1
    assert lives[0].renewed_at - lives[0].began_at > (hours - 0.5) * HOUR
    print(f"{hours:g} h: {len(answers[200])} calls, none failed; {rotations} rotations, 1 sign-in, 0 alerts")


async def _not_rotated(folder: Path, told: Told, hours: float) -> None:
    answers, said, record, lives = await _day(folder, told, hours, rotate=0)
    assert {status: len(all_) for status, all_ in answers.items()} == {200: 4, 503: round(hours * 12) - 4}
    for refused in answers[503]:
        assert refused["error"]["code"] == "cookie_expired", refused
        assert "needs_login" in refused["error"]["message"] or "not signed in" in refused["error"]["message"]
    assert said["/health"][1]["client_ready"] is False
    assert said["/health"][1]["accounts"] == {"needs_login": 1}
    assert said["/ready"][0] == 503
    assert "needs_login" in said["/ready"][1]["reasons"][0]
    assert said["/api/accounts"][1]["accounts"][0]["state"] == "needs_login"
    assert (said["/api/overview"][1]["level"], said["/api/cookies/status"][1]["valid"]) == ("down", False)
    assert "needs a new login" in said["/api/overview"][1]["sentence"]["en"]
    assert 'gemgate_accounts{state="needs_login"} 1' in said["/metrics"][1]
    assert [alert["event"] for alert in told.alerts] == ["account.needs_login"]
    assert "sidts" not in json.dumps(told.alerts)
    assert not record.violations, "a dead session was asked for too often"
    assert record.generations == 4
    assert lives[0].died
    print(f"{hours:g} h without rotation: 4 calls answered, {len(answers[503])} refused, 1 alert")


async def test_with_rotation_no_call_of_a_day_fails(tmp_path: Path, told: Told) -> None:
    await _rotated(tmp_path, told, 3)


async def test_without_rotation_everything_says_that_a_login_is_needed(tmp_path: Path, told: Told) -> None:
    await _not_rotated(tmp_path, told, 2)


@pytest.mark.soak
async def test_a_whole_day(tmp_path: Path, told: Told) -> None:
    await _rotated(tmp_path / "with", told, 24)
    await _not_rotated(tmp_path / "without", told, 24)
