"""A browser is paired by a code that counts once, and pushes the cookies of one account: the newest win, another Google
account's are refused, and while it lives nothing of ours rotates (docs/extension.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.requests import HTTPConnection

from gemgate.accounts import Cookies
from gemgate.caller import Caller
from gemgate.policy.token_bucket import Bucket
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.status import BROWSER_SILENT_SECONDS, PairedBrowser
from gemgate.settings import Settings
from gemgate.testing import FakeClock
from gemgate.web.auth import forwarded_caller
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

ADMIN = "an-admin-key-that-is-long-enough-0123456789"
CHAT = {"messages": [{"role": "user", "content": "say hello"}]}
EXTENSION = "moz-extension://3b1c9d52-7f4e-4c6a-9a52-aa01bb02cc03"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator
        assert not simulator.record.violations


def house(sim: Simulator, folder: Path, **more: Any) -> Settings:
    return settings_for(
        None, folder, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, **{"admin_key": ADMIN, **more}
    )


class Browser:
    """What an extension does: it has a key, and pushes."""

    def __init__(self, http: aiohttp.ClientSession, name: str = "mine") -> None:
        self.http, self.name, self.key, self.version = http, name, "", 0

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, dict[str, Any]]:
        key = self.key if key is None else key
        headers = {"origin": EXTENSION, **({"authorization": f"Bearer {key}"} if key else {})}
        async with self.http.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def code(self) -> str:
        # an admin's own page or command, not the browser
        headers = {"authorization": f"Bearer {ADMIN}"}
        way = f"/api/accounts/{self.name}/pairing"
        async with self.http.post(way, headers=headers) as answer:
            if answer.status == 404:
                async with self.http.post("/api/accounts", json={"name": self.name}, headers=headers) as made:
                    assert made.status == 200
        async with self.http.post(way, headers=headers) as answer:
            assert answer.status == 201
            return str((await answer.json())["code"])

    async def pair(self) -> None:
        status, body = await self.ask("POST", "/api/pairings", {"code": await self.code(), "browser": "Firefox"}, "")
        assert (status, body["account"]) == (201, self.name)
        self.key = body["key"]

    async def push(self, cookies: Any, version: int | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        self.version = self.version + 1 if version is None else version
        body = {"version": self.version, "cookies": cookies, **more}
        return await self.ask("PUT", f"/api/accounts/{self.name}/cookies", body)

    async def state(self) -> dict[str, Any]:
        status, body = await self.ask("GET", f"/api/accounts/{self.name}/cookies")
        assert status == 200
        return body


def rows(cookies: dict[str, str]) -> list[dict[str, Any]]:
    """As `cookies.getAll` of a browser gives them."""
    return [
        {
            "name": name,
            "value": value,
            "domain": ".google.com",
            "path": "/",
            "hostOnly": False,
            "storeId": "firefox-default",
        }
        for name, value in cookies.items()
    ]


async def test_from_a_code_to_an_answer(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        assert (await browser.state())["state"] in ("starting", "needs_login")
        cookies = sim.google.cookies("alice")
        status, body = await browser.push(rows(cookies), user_agent="Mozilla/5.0 Firefox/145.0", language="de")
        assert (status, body["taken"], body["state"], body["version"]) == (200, True, "ready", 1)
        assert (body["rotates"], body["language"]) == ("browser", "de")
        assert body["google"].endswith("@gmail.example")
        async with http.post("/v1/chat/completions", json=CHAT) as answer:
            assert answer.status == 200

        again, body = await browser.push(rows(cookies), 1)  # a sign of life
        assert (again, body["taken"], body["version"]) == (200, False, 1)

        rotated = sim.google.rotate("alice")
        status, body = await browser.push(rows(rotated))
        assert (status, body["taken"], body["state"]) == (200, True, "ready")
        account = gate.service.account_registry.account("mine")
        assert account.cookies is not None
        assert account.cookies.psidts == rotated["__Secure-1PSIDTS"]

        for version, held in ((1, cookies), (2, cookies)):
            status, body = await browser.push(rows(held), version)
            assert (status, body["code"]) == (409, "older_version")
        told = await browser.state()
        assert told["version"] == 2
        assert not any(value in str(told) for value in (*cookies.values(), *rotated.values()))
    async with served(house(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        later = Browser(http)
        later.key = browser.key
        assert (await later.push(rows(cookies), 1))[1]["code"] == "older_version"  # known over a restart
        assert (await later.push(rows(rotated), 2))[0] == 200
        assert (await later.state())["rotates"] == "browser"
    assert sim.record.generations == 1


async def test_a_session_is_the_browsers_as_long_as_it_is_the_one_that_it_pushed(
    sim: Simulator, tmp_path: Path
) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        cookies = sim.google.cookies("alice")
        assert (await browser.push(rows(cookies)))[0] == 200
        registry = gate.service.account_registry
        assert [life.arm for life in await registry.store.lives("mine")] == ["paired"]
        by_hand = {"cookies": sim.google.sign_in("alice"), "account": "mine"}
        async with http.post("/api/cookies", json=by_hand, headers={"authorization": f"Bearer {ADMIN}"}) as answer:
            assert answer.status == 200
        assert (await browser.push(rows(cookies), 1))[0] == 200  # a sign of life, of a session that is not used
        assert (await browser.state())["rotates"] == "gemgate"
        assert [life.arm for life in await registry.store.lives("mine")] == ["frozen", "paired"]


async def test_a_code_of_an_account_that_is_removed_meanwhile_gives_no_key(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        code = await browser.code()
        redeem, registry = gate.service.paired.redeem, gate.service.account_registry

        async def late(code: str, caller: Caller) -> str:
            account = await redeem(code, caller)
            await registry.remove(account, caller)
            return account

        monkeypatch.setattr(gate.service.paired, "redeem", late)
        assert (await browser.ask("POST", "/api/pairings", {"code": code}, ""))[0] == 404
        keys = await gate.service.keys.keys()
        assert not [key for key in keys if key.account and not key.revoked_at]


async def test_another_google_account_is_refused(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        assert (await browser.push(rows(sim.google.cookies("alice"))))[0] == 200
        status, body = await browser.push(rows(sim.google.cookies("bob")))
        assert (status, body["code"]) == (409, "another_google_account")
        told = await browser.state()
        assert (told["state"], told["version"]) == ("ready", 1)
        assert (await browser.push(rows(sim.google.sign_in("alice")), 2))[0] == 200  # the same person anew


async def test_a_code_counts_once_and_is_soon_not_guessed_any_more(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        code = await browser.code()
        spelled = [{"code": one} for one in (code, code.lower(), code.replace("-", " "), code.replace("-", ""))]
        answers = await asyncio.gather(*(browser.ask("POST", "/api/pairings", one, "") for one in spelled))
        assert sorted(status for status, _ in answers) == [201, 404, 404, 404]
        old, new = await browser.code(), await browser.code()
        assert (await browser.ask("POST", "/api/pairings", {"code": old}, ""))[0] == 404
        statuses = [(await browser.ask("POST", "/api/pairings", {"code": f"AAAA{n}"}, ""))[0] for n in range(8)]
        assert statuses == [404] * 6 + [429] * 2
        status, body = await browser.ask("POST", "/api/pairings", {"code": new}, "")
        assert (status, body["code"]) == (429, "too_many_attempts")
        assert len(gate.service.pool.accounts) == 1


ELSEWHERE = (
    "GET /v1/models",
    "POST /v1/chat/completions",
    "GET /api/accounts",
    "GET /api/accounts/mine",
    "POST /api/accounts/mine/pairing",
    "POST /api/accounts/mine/pause",
    "DELETE /api/accounts/mine",
    "POST /api/cookies",
    "POST /api/identities",
    "GET /api/keys",
    "GET /conversations",
    "GET /metrics",
)


@pytest.mark.parametrize("open_house", [False, True])
async def test_the_key_does_nothing_else(sim: Simulator, tmp_path: Path, open_house: bool) -> None:
    more: dict[str, Any] = {} if open_house else {"api_key": "clients:a-client-key-0123456789"}
    async with served(house(sim, tmp_path, **more), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        assert (await browser.push(rows(sim.google.cookies("alice"))))[0] == 200
        headers = {"authorization": f"Bearer {browser.key}"}
        for asked in ELSEWHERE:
            method, path = asked.split()
            async with http.request(method, path, json={}, headers=headers) as answer:
                assert answer.status in (401, 403), path
        for method in ("GET", "PUT"):
            status, body = await browser.ask(method, "/api/accounts/other/cookies", {"version": 1, "cookies": "x"})
            assert (status, body["code"]) == (403, "pairing_key")
            for key in ("gmg_wrong", "", *(["a-client-key-0123456789"] if not open_house else [])):
                assert (await browser.ask(method, "/api/accounts/mine/cookies", {}, key))[0] == 401
        await _ends_with_the_account(browser, gate)
    assert sim.record.generations == 0


async def _ends_with_the_account(browser: Browser, gate: Served) -> None:
    admin = {"authorization": f"Bearer {ADMIN}"}
    async with browser.http.delete("/api/accounts/mine", headers=admin) as answer:
        assert answer.status == 200
    async with browser.http.post("/api/accounts", json={"name": "mine"}, headers=admin) as answer:
        assert answer.status == 200
    assert (await browser.ask("GET", "/api/accounts/mine/cookies"))[0] == 401


NO_PUSH: list[dict[str, Any]] = [
    *({}, {"version": 1}, {"version": 0, "cookies": "x"}, {"version": 2**53, "cookies": "x"}),
    *({"version": 1.5, "cookies": "x"}, {"version": 1, "cookies": []}, {"version": 1, "cookies": "nothing"}),
    {"version": 1, "cookies": "x" * 300_000},
]


async def test_what_is_no_push_is_refused(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        for body in NO_PUSH:
            assert (await browser.ask("PUT", "/api/accounts/mine/cookies", body))[0] in (400, 413)
        assert (await browser.state())["version"] == 0


async def test_dead_cookies_do_not_count_as_a_version(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        good = sim.google.cookies("alice")
        assert (await browser.push(rows(good)))[0] == 200
        dead = {**good, "__Secure-1PSID": "g.a000never-signed-in"}
        status, _ = await browser.push(rows(dead))
        assert status == 503
        told = await browser.state()
        assert (told["state"], told["version"]) == ("ready", 1)
        assert (await browser.push(rows(sim.google.rotate("alice")), 2))[0] == 200
    sim.record.violations.clear()  # a session that never was has none of the tokens it was tried with


async def test_pushes_are_bounded(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        gate.service.paired._paces["mine"] = Bucket(0.001, 1)
        assert (await browser.push(rows(sim.google.cookies("alice"))))[0] == 200
        status, body = await browser.push(rows(sim.google.rotate("alice")))
        assert (status, body["code"]) == (429, "too_many_pushes")
        assert (await browser.state())["version"] == 1


async def test_foreign_pages_cannot_push(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        for origin, status in (("https://evil.example", 403), (EXTENSION, 404)):
            async with http.post("/api/pairings", json={"code": "x"}, headers={"origin": origin}) as answer:
                assert answer.status == status
        async with http.get("/v1/models", headers={"origin": EXTENSION}) as answer:
            assert answer.status == 403
        assert not gate.service.pool.accounts


def test_a_fleets_gateway_states_whose_browser_it_is() -> None:
    stated = forwarded_caller.ForwardedCaller(Caller("browser-1", account="mine"), "client", "https")
    scope = {
        "type": "http",
        "headers": [
            (forwarded_caller.TOKEN_HEADER.encode(), b"token"),
            (forwarded_caller.CALLER_HEADER.encode(), forwarded_caller.encode(stated).encode()),
        ],
    }
    believed = forwarded_caller.accept(HTTPConnection(scope), "token")
    assert believed is not None
    assert believed.caller.account == "mine"


def test_a_browser_lives_until_it_is_silent() -> None:
    held = Cookies("psid")
    assert not PairedBrowser().rotates(held, 1e9)
    browser = PairedBrowser(1e9, held.identity)
    assert browser.rotates(held, 1e9 + BROWSER_SILENT_SECONDS - 1)
    assert not browser.rotates(held, 1e9 + BROWSER_SILENT_SECONDS)
    assert not browser.rotates(Cookies("another"), 1e9)
    assert not browser.rotates(None, 1e9)


async def test_while_it_lives_we_do_not_rotate(sim: Simulator, tmp_path: Path) -> None:
    async with served(house(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        browser = Browser(http)
        await browser.pair()
        assert (await browser.push(rows(sim.google.cookies("alice"))))[0] == 200
        account = gate.service.account_registry.account("mine")
        clock = FakeClock()
        refresher = SessionRefresher(
            account, rotate_every=600.0, clock=clock, random=lambda: 0.5, observer=gate.service.observer
        )
        asked: list[float] = []

        async def rotate() -> Any:
            asked.append(clock.now())
            raise AssertionError("it lives")

        account.upstream.rotate = rotate  # type: ignore[method-assign]
        account.browser.seen_at, account.renewed_at = clock.now(), 0.0
        await refresher._rotate(clock.monotonic())
        assert not asked
        await clock.advance(BROWSER_SILENT_SECONDS)
        with pytest.raises(AssertionError, match="it lives"):
            await refresher._rotate(clock.monotonic())
        assert len(asked) == 1
