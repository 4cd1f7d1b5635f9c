"""Alerts set up on the page: tried out, told once, never shown again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.integration.page.conftest import Browser
from tests.support.patience import PATIENT, until
from tests.support.serving import Served, served


class Listener:
    """Somebody who is alerted."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    app = web.Application()
    app.router.add_post("/hook/very-secret-path", made.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/very-secret-path"
    yield made
    await runner.cleanup()


async def test_an_address_is_set_up_tried_out_and_taken_away(
    gate: Served, browser: Browser, listener: Listener
) -> None:
    await browser.sign_in()
    made = await browser.ask("POST", "/api/alerts", {"kind": "webhook", "url": listener.url}, status=201)
    assert made["host"].startswith("127.0.0.1:")
    listed = await browser.ask("GET", "/api/alerts")
    assert [one["id"] for one in listed["channels"]] == [made["id"]]
    assert "very-secret-path" not in str(made) + str(listed)
    test = f"/api/alerts/{made['id']}/test"
    assert await browser.ask("POST", test) == {"taken": True, "why": ""}
    assert listener.heard[0]["event"] == "test"
    listener.status = 500
    assert await browser.ask("POST", test) == {"taken": False, "why": "HTTP 500"}
    await browser.ask("DELETE", f"/api/alerts/{made['id']}")
    await browser.ask("DELETE", f"/api/alerts/{made['id']}", status=404)
    assert (await browser.ask("GET", "/api/alerts"))["channels"] == []
    database = b"".join(path.read_bytes() for path in gate.settings.data_dir.glob("gemgate.sqlite3*"))
    assert b"very-secret-path" not in database


async def test_it_survives_a_restart_and_is_told_of_a_dead_session(
    locked: Callable[..., Settings], browsers: Callable[[str], Browser], listener: Listener, sim: Simulator
) -> None:
    async with served(locked()) as gate:
        browser = browsers(gate.url)
        await browser.sign_in()
        await browser.ask("POST", "/api/alerts", {"kind": "bark", "url": listener.url}, status=201)
    sim.google.expire("alice")
    async with served(locked(), wait_ready=False) as again:
        await until(lambda: any(m.status().state == "needs_login" for m in again.service.pool.accounts))
        await until(lambda: bool(listener.heard), PATIENT)
    assert "needs a login" in listener.heard[0]["title"]
