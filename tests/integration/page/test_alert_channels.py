"""Channels of alerts over the API: who may, what is refused, what survives a restart, what is never told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.fernet import Fernet

from gemgate.settings import Settings
from tests.integration.page.conftest import ADMIN, CLIENT, Browser
from tests.support.serving import Served, served

HOOK = "http://127.0.0.1:9/hooks/SECRET"
BEARER: dict[str, Any] = {"authorization": f"Bearer {ADMIN}"}


async def test_only_an_admin_sets_them_up_and_bad_ones_are_refused(gate: Served, browser: Browser) -> None:
    order = {"kind": "webhook", "url": HOOK}
    await browser.ask("POST", "/api/alerts", order, status=401)
    await browser.ask("GET", "/api/alerts", status=401, authorization=f"Bearer {CLIENT}")
    for bad in ("ftp://host/x", "http://", "nonsense", "http://[::1"):
        told = await browser.ask("POST", "/api/alerts", {"kind": "webhook", "url": bad}, status=400, **BEARER)
        assert "http" in told["detail"]
    await browser.ask("POST", "/api/alerts", {"kind": "pigeon", "url": HOOK}, status=400, **BEARER)
    await browser.ask("POST", "/api/alerts/alert_none/test", status=404, **BEARER)
    await browser.ask("DELETE", "/api/alerts/alert_none", status=404, **BEARER)


async def test_they_survive_a_restart_and_a_lost_key_is_said(
    locked: Callable[..., Settings], browsers: Callable[[str], Browser]
) -> None:
    async with served(locked(alert_bark_url="https://push.example/SECRET")) as gate:
        browser = browsers(gate.url)
        made = await browser.ask("POST", "/api/alerts", {"kind": "webhook", "url": HOOK}, status=201, **BEARER)
        assert (await browser.ask("POST", f"/api/alerts/{made['id']}/test", **BEARER))["taken"] is False
        told = await browser.ask("DELETE", "/api/alerts/ALERT_BARK_URL", status=400, **BEARER)
        assert "change the setting" in told["detail"]
    async with served(locked()) as gate:
        browser = browsers(gate.url)
        told = await browser.ask("GET", "/api/alerts", **BEARER)
        assert [(one["host"], one["origin"], one["usable"]) for one in told["channels"]] == [
            ("127.0.0.1:9", "page", True)
        ]
        assert "SECRET" not in str(told)
    other = locked(cookie_keys=Fernet.generate_key().decode())
    async with served(other, wait_ready=False) as gate:
        browser = browsers(gate.url)
        told = await browser.ask("GET", "/api/alerts", **BEARER)
        assert [one["usable"] for one in told["channels"]] == [False]
        told = await browser.ask("POST", f"/api/alerts/{made['id']}/test", status=400, **BEARER)
        assert "encrypted with a key that is gone" in told["detail"]
        await browser.ask("DELETE", f"/api/alerts/{made['id']}", **BEARER)
        assert not (await browser.ask("GET", "/api/alerts", **BEARER))["channels"]
