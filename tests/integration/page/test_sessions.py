"""The way in: the admin key becomes a session, which can do nothing for anybody but our own page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from gemgate.settings import Settings
from gemgate.web.auth.access import Access
from gemgate.web.auth.login_throttle import MOST
from gemgate_simulator import Simulator
from tests.integration.page.conftest import ADMIN, CLIENT, Browser
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for


async def test_the_admin_key_opens_a_session_that_scripts_cannot_read(gate: Served, browser: Browser) -> None:
    assert (await browser.ask("GET", "/api/session"))["how"] == "key"
    await browser.ask("GET", "/api/overview", status=401)
    async with browser.http.post("/api/session", json={"key": ADMIN}) as answer:
        cookie = answer.headers["set-cookie"]
        text = await answer.text()
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Secure" not in cookie
    assert ADMIN not in cookie + text
    assert cookie.partition("=")[2].partition(";")[0] not in text
    assert (await browser.ask("GET", "/api/session"))["signed_in"] is True
    assert (await browser.ask("GET", "/api/overview"))["level"] == "ok"


async def test_behind_https_the_cookie_is_secure(locked: Callable[..., Settings]) -> None:
    async with served(locked(trusted_proxies="127.0.0.0/8")) as gate, aiohttp.ClientSession(gate.url) as http:
        headers = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
        async with http.post("/api/session", json={"key": ADMIN}, headers=headers) as answer:
            assert "; Secure" in answer.headers["set-cookie"]


async def test_a_wrong_key_opens_nothing_and_guessing_is_stopped(gate: Served, browser: Browser) -> None:
    for _ in range(MOST):
        await browser.sign_in("wrong", status=401)
    body = await browser.sign_in("wrong", status=429)
    assert "wrong keys" in body["detail"]
    async with browser.http.get("/api/overview", headers={"authorization": "Bearer wrong"}) as answer:
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) <= 60
    await browser.sign_in(ADMIN)  # a long right key is let in whatever others on this network guess
    async with browser.http.get("/v1/models", headers={"authorization": f"Bearer {CLIENT}"}) as answer:
        assert answer.status == 200  # who has a client key does not suffer


async def test_guessing_with_a_key_header_is_stopped_as_well(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        statuses = []
        for number in range(MOST + 2):
            async with http.get("/v1/models", headers={"authorization": f"Bearer guess{number}"}) as answer:
                statuses.append(answer.status)
        assert statuses == [401] * MOST + [429] * 2


async def test_a_change_needs_the_token_and_our_own_page(gate: Served, browser: Browser) -> None:
    await browser.sign_in()
    pause = "/api/accounts/default/pause"
    for refused in (
        browser.ask("POST", pause, csrf="", status=403),
        browser.ask("POST", pause, csrf="0" * 32, status=403),
        browser.ask("POST", pause, sec_fetch_site="cross-site", status=403),
        browser.ask("POST", pause, sec_fetch_site="same-site", status=403),
        browser.ask("POST", pause, sec_fetch_site="", origin="https://evil.example", status=403),
        browser.ask("POST", pause, sec_fetch_site="", origin="null", status=403),
    ):
        assert (await refused)["code"] in ("csrf", "foreign_page")
    assert (await browser.ask("GET", "/api/accounts/default"))["state"] == "ready"
    assert (await browser.ask("POST", pause, sec_fetch_site=""))["state"] == "paused"
    assert (await browser.ask("POST", "/api/accounts/default/resume"))["state"] == "ready"


async def test_signing_in_from_a_foreign_page_is_refused(gate: Served, browser: Browser) -> None:
    for headers in ({"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "", "origin": "https://evil.example"}):
        body = await browser.ask("POST", "/api/session", {"key": ADMIN}, status=403, **headers)
        assert body["code"] == "foreign_page"


async def test_signing_out_ends_the_session_for_whoever_copied_its_cookie(
    gate: Served, browser: Browser, browsers: Callable[[str], Browser]
) -> None:
    await browser.sign_in()
    thief = browsers(gate.url)
    thief.http.cookie_jar.update_cookies({c.key: c.value for c in browser.http.cookie_jar})
    await thief.ask("GET", "/api/overview")
    await browser.ask("DELETE", "/api/session")
    await thief.ask("GET", "/api/overview", status=401)
    await browser.ask("GET", "/api/overview", status=401)


async def test_sessions_are_listed_and_ended_one_by_one_or_all(
    gate: Served, browser: Browser, browsers: Callable[[str], Browser]
) -> None:
    others = [browsers(gate.url) for _ in range(2)]
    for one in (browser, *others):
        await one.sign_in()
    rows = (await browser.ask("GET", "/api/sessions"))["sessions"]
    assert [row["this"] for row in rows].count(True) == 1
    other = next(row for row in rows if not row["this"])
    await browser.ask("DELETE", f"/api/sessions/{other['id']}")
    await browser.ask("DELETE", f"/api/sessions/{other['id']}", status=404)
    assert len((await browser.ask("GET", "/api/sessions"))["sessions"]) == 2
    await browser.ask("DELETE", "/api/session?everywhere=true")
    for one in (browser, *others):
        await one.ask("GET", "/api/overview", status=401)


async def test_a_session_survives_a_restart_but_not_another_admin_key(
    locked: Callable[..., Settings], browsers: Callable[[str], Browser]
) -> None:
    async with served(locked()) as gate:
        first = browsers(gate.url)
        await first.sign_in()
        (token,) = [c.value for c in first.http.cookie_jar]

    async def knock(gate: Served, status: int) -> None:
        cookie = f"gemgate_{gate.url.rpartition(':')[2]}={token}"
        async with (
            aiohttp.ClientSession(gate.url) as http,
            http.get("/api/overview", headers={"cookie": cookie}) as answer,
        ):
            assert answer.status == status

    async with served(locked()) as gate:
        await knock(gate, 200)
    async with served(locked().model_copy(update={"admin_key": locked().api_key})) as gate:
        await knock(gate, 401)


async def test_a_session_expires(gate: Served, browser: Browser, monkeypatch: Any) -> None:
    await browser.sign_in()
    access_now = gate.service.clock.now
    monkeypatch.setattr(gate.service.clock, "now", lambda: access_now() + 24 * 3600 + 1)
    await browser.ask("GET", "/api/overview", status=401)
    assert (await browser.ask("GET", "/api/session"))["signed_in"] is False


async def test_another_process_knows_a_session_at_once_and_its_end_within_seconds(
    locked: Callable[..., Settings], browsers: Callable[[str], Browser]
) -> None:
    async with served(locked()) as gate:
        one = browsers(gate.url)
        await one.sign_in()
        other = Access(locked(), gate.service.keys, gate.service.clock).keybook
        (token,) = [c.value for c in one.http.cookie_jar]
        assert other.session(token) is None
        await other.refresh_if_stale()
        assert other.session(token) is not None
        tending = asyncio.ensure_future(other.run())
        await one.ask("DELETE", "/api/session")
        await until(lambda: other.session(token) is None)
        tending.cancel()


async def test_on_loopback_without_keys_the_page_is_open_to_this_machine_only(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.get("/api/session") as answer:
            assert await answer.json() == {
                "signed_in": True,
                "how": "open",
                "csrf": None,
                "expires_at": None,
                "api": {"key": False, "address": None},
            }
        async with http.post("/api/accounts/default/pause", headers={"origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        async with http.get("/", headers={"host": "evil.example"}) as answer:
            assert answer.status == 403


async def test_without_an_admin_key_a_web_page_is_no_admin_even_where_api_keys_are_set(
    sim: Simulator, tmp_path: Path
) -> None:
    """A browser on this machine carries requests of foreign pages: by another Origin, or by a rebound name."""
    settings = settings_for(sim, tmp_path, api_key=CLIENT)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        pause = "/api/accounts/default/pause"
        foreign = (
            {"origin": "https://evil.example"},
            {"host": "evil.example"},
            {"sec-fetch-site": "cross-site"},
            {"x-forwarded-for": "203.0.113.9"},
        )
        for headers in foreign:
            async with http.post(pause, headers=headers) as answer:
                assert answer.status == 403, headers
        async with http.get("/api/accounts", headers={"host": "evil.example"}) as answer:
            assert answer.status == 403
        async with http.post(pause) as answer:
            assert answer.status == 403  # a proxy on this machine need not say that it is one
    settings = settings_for(sim, tmp_path)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http, http.post(pause) as answer:
        assert answer.status == 200
