"""One name is one Google account: cookies of another are refused on every way in, in a sentence that names both; and
what is known of an account outlasts its sessions and this process (docs/google-wire.md 5.3, 5.6).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}
BOTH = ("b…@gmail.example", "al…e@gmail.example")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


def by_hand(sim: Simulator, folder: Path, **more: Any) -> Settings:
    return settings_for(None, folder, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, **more)


def from_file(sim: Simulator, folder: Path) -> Settings:
    return by_hand(sim, folder, cookie_source=f"file:{folder}/cookies.json")


def hold(folder: Path, cookies: dict[str, str], **more: str) -> None:
    (folder / "cookies.json").write_text(json.dumps({**cookies, **more}))


async def give(
    http: aiohttp.ClientSession, cookies: dict[str, str], account: str | None = None, language: str = "en"
) -> tuple[int, dict[str, Any]]:
    body = {"cookies": cookies, **({"account": account} if account else {})}
    async with http.post("/api/cookies", json=body, headers={"accept-language": language}) as answer:
        return answer.status, await answer.json()


async def ask(http: aiohttp.ClientSession) -> int:
    async with http.post("/v1/chat/completions", json=CHAT) as answer:
        await answer.read()
        return answer.status


def names_both(text: str) -> bool:
    return all(part in text for part in BOTH)


async def test_another_accounts_cookies_are_refused_by_hand(sim: Simulator, tmp_path: Path) -> None:
    google = sim.google
    async with (
        served(by_hand(sim, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        assert (await give(http, google.cookies("alice"), "mine"))[0] == 200
        for account in ("mine", None):
            for language in ("en", "zh"):
                status, body = await give(http, google.cookies("bob"), account, language)
                assert (status, body["code"]) == (409, "another_google_account")
                assert names_both(body["detail"])
                assert "mine" in body["detail"]
                assert ("属于" in body["detail"]) is (language == "zh")
        added = {"name": "mine", "cookies": google.cookies("bob")}
        async with http.post("/api/accounts", json=added) as answer:
            assert answer.status == 409
            assert names_both((await answer.json())["detail"])
        assert await ask(http) == 200
        assert (await give(http, google.sign_in("alice"), "mine"))[0] == 200  # the same person, signed in anew
        assert await ask(http) == 200
        assert (await give(http, google.cookies("bob"), "other"))[0] == 200
    async with served(by_hand(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        status, body = await give(http, google.sign_in("bob"), "mine")
        assert (status, body["code"]) == (409, "another_google_account")  # known over a restart
        async with http.delete("/api/accounts/other") as answer:
            assert answer.status == 200
        async with http.delete("/api/accounts/mine") as answer:
            assert answer.status == 200
        assert (await give(http, google.sign_in("bob"), "mine"))[0] == 200  # a name that is free again
    assert [sim.record.generations_of(name) for name in ("alice", "bob")] == [2, 0]
    assert not sim.record.violations


async def test_one_google_account_has_one_name(sim: Simulator, tmp_path: Path) -> None:
    """Its session under a second name, and a second session of it."""
    async with (
        served(by_hand(sim, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        assert (await give(http, sim.google.cookies("alice"), "mine"))[0] == 200
        for cookies in (sim.google.cookies("alice"), sim.google.sign_in("alice")):
            for language, words in (("en", "already the account mine"), ("zh", "已是账号 mine")):
                status, body = await give(http, cookies, "second", language)
                assert (status, body["code"]) == (409, "session_in_use")
                assert words in body["detail"]
        assert gate.service.pool.account("second") is None


async def test_a_source_that_holds_anothers_cookies_is_not_followed(sim: Simulator, tmp_path: Path) -> None:
    hold(tmp_path, sim.google.cookies("alice"))
    async with served(from_file(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        (account,) = gate.service.pool.accounts
        hold(tmp_path, sim.google.cookies("bob"))
        await until(lambda: account.last_error is not None)
        async with http.get("/api/accounts", headers={"accept-language": "zh"}) as answer:
            shown = (await answer.json())["accounts"][0]
        assert names_both(shown["last_error"])
        assert "属于" in shown["last_error"]
        assert shown["state"] == "ready"
        assert await ask(http) == 200
        visits = sim.record.requests_of("init")
    async with served(from_file(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        (account,) = gate.service.pool.accounts  # the source still is another's: the stored session goes on
        assert account.last_error is not None
        assert names_both(account.last_error.en)
        assert await ask(http) == 200
        fresh = sim.google.sign_in("alice")
        hold(tmp_path, fresh)
        await until(lambda: account.cookies is not None and account.cookies.psid == fresh["__Secure-1PSID"])
        assert account.last_error is None
    assert sim.record.requests_of("init") - visits <= 6
    assert [sim.record.generations_of(name) for name in ("alice", "bob")] == [2, 0]


@pytest.mark.parametrize(("sign", "taken"), [("other", False), ("same", True)])
async def test_where_google_names_nobody_the_sign_in_of_a_source_counts(
    sim: Simulator, tmp_path: Path, sign: str, taken: bool
) -> None:
    for name in ("alice", "bob"):
        sim.google.account(name).nameless = True
    hold(tmp_path, sim.google.cookies("alice"), SAPISID="same/sign")
    async with served(from_file(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        (account,) = gate.service.pool.accounts
        fresh = sim.google.sign_in("alice")
        hold(tmp_path, fresh, SAPISID=f"{sign}/sign")
        await until(lambda: account.last_error is not None or account.session_epoch > 1)
        assert (account.cookies.psid == fresh["__Secure-1PSID"]) is taken
        if not taken:
            assert account.last_error.code == "another_google_account"
            assert (await give(http, {**fresh, "SAPISID": "other/sign"}))[0] == 200  # somebody says so


async def test_what_is_known_of_chats_outlasts_the_process(sim: Simulator, tmp_path: Path) -> None:
    """An account that had chats yesterday and shows none is a phantom; one that had them long ago may have none."""
    settings = settings_for(sim, tmp_path)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert await ask(http) == 200
        (account,) = gate.service.pool.accounts
        assert account.known.chats_at > 0
        rotated = await account.upstream.rotate()
        await account.take_rotated(rotated.cookies, account.cookies, account.session_epoch)
    sim.google.account("alice").phantom = True
    async with served(settings, wait_ready=False) as gate:
        (account,) = gate.service.pool.accounts
        await until(lambda: account.status().code == "phantom_session")
        await _forget_chats(gate)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert gate.service.pool.accounts[0].status().state == "ready"
    assert sim.record.generations == 1


async def _forget_chats(gate: Served) -> None:
    (account,) = gate.service.pool.accounts
    account.known = replace(account.known, chats_at=account.known.chats_at - 2 * 86_400)
    account.record.save_soon()
    await account.record.wait_saved()
