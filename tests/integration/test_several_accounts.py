"""Accounts beside each other in one gateway: cookies that die under ten calls, a proxy each, leaving without harm, the
official API as the last resort, and who is counted as whom.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.accounts import Cookies
from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support import official
from tests.support.official import OfficialApi
from tests.support.patience import PATIENT, until
from tests.support.serving import Served, served, settings_for

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


def named(folder: Path, entries: list[dict[str, Any]], sim: Simulator, **more: Any) -> Settings:
    """Settings with these accounts in accounts.toml."""
    text = "\n".join(
        "[[account]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items()) for entry in entries
    )
    (folder / "accounts.toml").write_text(text)
    more = {"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file, **more}
    return settings_for(None, folder, **more)


def cookie_file(folder: Path, name: str, cookies: dict[str, str]) -> str:
    (folder / f"{name}.json").write_text(json.dumps(cookies))
    return f"file:{name}.json"


async def ask(http: aiohttp.ClientSession, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with http.post("/v1/chat/completions", json=CHAT, headers=headers) as answer:
        return answer.status, await answer.json(), {name.lower(): value for name, value in answer.headers.items()}


async def all_open(gate: Served, count: int) -> None:
    await until(lambda: sum(account.is_open for account in gate.service.pool.accounts) == count)


async def test_ten_calls_when_cookies_expire_and_the_source_has_new_ones(sim: Simulator, tmp_path: Path) -> None:
    """Five under way, the cookies die, ten more come; the person signs in anew at the same moment."""
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file,
                            cookie_source=f"file:{tmp_path}/alice.json")  # fmt: skip
    cookie_file(tmp_path, "alice", sim.google.cookies("alice"))
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.reply("say hello", "hello", delay=3)
        early = [asyncio.ensure_future(ask(http)) for _ in range(5)]
        await until(lambda: sim.record.received == 5)
        before = sim.record.requests_of("init")
        sim.google.expire("alice")
        cookie_file(tmp_path, "alice", sim.google.sign_in("alice"))
        late = await asyncio.gather(*(ask(http) for _ in range(10)))
        assert [status for status, _, _ in (*await asyncio.gather(*early), *late)] == [200] * 15
        assert sim.record.generations == 15
        assert sim.record.requests_of("init") - before <= 2, "one refresh (and the look at the changed file)"
        assert not sim.record.violations


async def test_ten_calls_when_cookies_expire_for_good_are_refused_truthfully(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        before = sim.record.requests_of("init")
        sim.google.expire("alice")
        answers = await asyncio.gather(*(ask(http) for _ in range(10)))
        assert {status for status, _, _ in answers} == {503}
        assert {body["error"]["code"] for _, body, _ in answers} == {"cookie_expired"}
        assert sim.record.generations == 0
        assert sim.record.requests_of("init") == before + 1
        assert gate.service.pool.accounts[0].status().state == "needs_login"


async def test_every_account_goes_its_own_way_and_a_block_closes_that_way_only(sim: Simulator, tmp_path: Path) -> None:
    async with Simulator(accounts=("carol",)) as other:
        bundle = tmp_path / "both.pem"
        bundle.write_text(sim.ca_file.read_text() + other.ca_file.read_text())
        entries = [
            {"name": "alice", "source": cookie_file(tmp_path, "alice", sim.google.cookies("alice"))},
            {
                "name": "carol",
                "source": cookie_file(tmp_path, "carol", other.google.cookies("carol")),
                "proxy": other.proxy_url.replace("http://", "http://somebody:secret-word@"),
            },
        ]
        settings = named(tmp_path, entries, sim, proxy_ca_file=bundle)
        async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
            await all_open(gate, 2)
            sim.google.fault("generate", "code", code=1060, times=-1)
            for _ in range(3):
                assert (await ask(http))[0] == 200
            assert (sim.record.generations, other.record.generations) == (0, 3)
            assert sim.record.received <= 1
            async with http.get("/api/accounts") as answer:
                told = await answer.text()
            states = {one["name"]: one["state"] for one in json.loads(told)["accounts"]}
            assert states == {"alice": "blocked", "carol": "ready"}
            assert "secret-word" not in told
        assert b"secret-word" not in b"".join(path.read_bytes() for path in tmp_path.glob("gemgate.sqlite3*"))


@pytest.mark.parametrize("way", ["pause", "remove"])
async def test_calls_under_way_end_when_their_account_leaves(sim: Simulator, tmp_path: Path, way: str) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.reply("say hello", "one two three four", chars=4, pace=0.6)
        call = asyncio.ensure_future(ask(http))
        await until(lambda: sim.record.received == 1)
        upstream = gate.service.pool.accounts[0].upstream
        assert upstream._session is not None  # type: ignore[attr-defined]
        if way == "pause":
            await http.post("/api/accounts/default/pause")
        else:
            await http.delete("/api/accounts/default")
        assert (await ask(http))[0] == 503
        status, body, _ = await call
        assert (status, body["choices"][0]["message"]["content"]) == (200, "one two three four")
        if way == "remove":
            await until(lambda: upstream._session is None)  # type: ignore[attr-defined]
        assert sim.record.generations == 1


async def test_the_official_api_is_asked_only_when_it_is_named_and_nobody_else_can(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", official.KEY)
    async with OfficialApi().serving() as api:
        web = {
            "name": "alice",
            "proxy": sim.proxy_url,
            "source": cookie_file(tmp_path, "alice", sim.google.cookies("alice")),
        }
        without = named(tmp_path, [web], sim, official_api_url=api.url, data_dir=tmp_path / "a",
                        accounts_file=tmp_path / "accounts.toml")  # fmt: skip
        async with served(without) as gate, aiohttp.ClientSession(gate.url) as http:
            sim.google.fault("generate", "code", code=1037)
            assert (await ask(http))[0] == 429
            assert (len(gate.service.pool.accounts), api.received) == (1, 0), "a key alone switches nothing on"
        paid = {"name": "paid", "kind": "official", "api_key": "env:GEMINI_API_KEY"}
        settings = named(tmp_path, [web, paid], sim, official_api_url=api.url, proxy_url=None, data_dir=tmp_path / "b",
                         accounts_file=tmp_path / "accounts.toml")  # fmt: skip
        async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
            await all_open(gate, 2)
            for _ in range(3):
                assert (await ask(http))[0] == 200
            assert api.received == 0
            sim.google.fault("generate", "code", code=1037, times=-1)
            status, body, _ = await ask(http)
            assert (status, api.received) == (200, 1), body
            assert "You said" in body["choices"][0]["message"]["content"]
        assert api.broken_rules == []


async def test_who_counts_as_whom(sim: Simulator, tmp_path: Path) -> None:
    """Per address (IPv6 by /64, believed of a trusted proxy only), or per key where keys are used."""
    limits = {"rate_limit_per_hour": 1, "trusted_proxies": "127.0.0.1/32"}
    async with served(settings_for(sim, tmp_path / "a", **limits)) as gate, aiohttp.ClientSession(gate.url) as http:

        async def status(address: str) -> int:
            return (await ask(http, **{"x-forwarded-for": address}))[0]

        assert [await status("2001:db8:0:1::1"), await status("2001:db8:0:1:ffff::2")] == [200, 429]
        assert await status("2001:db8:0:2::1") == 200
        assert [await status("203.0.113.1"), await status("203.0.113.2"), await status("203.0.113.1")] == [
            200,
            200,
            429,
        ]
        assert await status("198.51.100.7, 203.0.113.3") == 200, "the last hop before the proxy counts"
        assert await status("198.51.100.8, 203.0.113.3") == 429
    untrusting = settings_for(sim, tmp_path / "b", rate_limit_per_hour=1)
    async with served(untrusting) as gate, aiohttp.ClientSession(gate.url) as http:
        assert (await ask(http, **{"x-forwarded-for": "203.0.113.1"}))[0] == 200
        status_, body, headers = await ask(http, **{"x-forwarded-for": "203.0.113.2"})
        assert status_ == 429, "anybody can write that header"
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
        assert f"try again in {headers['retry-after']} seconds" in body["error"]["message"]
    keys = settings_for(sim, tmp_path / "c", rate_limit_per_hour=1, api_key="small:k-one,big:k-two;rph=3,k-three;rph=0")
    async with served(keys) as gate, aiohttp.ClientSession(gate.url) as http:
        for key, admitted in (("k-one", 1), ("k-two", 3), ("k-three", 5)):
            statuses = [(await ask(http, authorization=f"Bearer {key}"))[0] for _ in range(5)]
            assert statuses.count(200) == admitted, key


async def test_two_accounts_of_one_set_of_cookies_share_its_renewal(sim: Simulator, tmp_path: Path) -> None:
    """One session, two people: each answers as itself, and what renews one renews the other."""
    sim.google.sign_in_beside("alice", "bob")
    source = cookie_file(tmp_path, "both", sim.google.cookies("alice"))
    settings = named(
        tmp_path,
        [
            {"name": "first", "source": source, "prompt_max_bytes": 50_000},
            {"name": "second", "source": source, "number": 1, "language": "fr"},
        ],
        sim,
    )
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        await all_open(gate, 2)
        for _ in range(2):
            status, answer, _ = await ask(http)
            assert status == 200, answer
        assert [sim.record.generations_of(name) for name in ("alice", "bob")] == [1, 1]
        first, second = (gate.service.account_registry.account(name) for name in ("first", "second"))
        assert first.identity != second.identity
        await first.take_rotated((await first.upstream.rotate()).cookies, first.cookies, first.session_epoch)
        sim.google.account("alice").grace = 0.0
        assert second.cookies == first.cookies == Cookies.of(sim.google.cookies("alice"))
        assert (await second.upstream.ping()).status == "AVAILABLE"
        async with http.get("/api/accounts") as listed:
            shown = {one["name"]: one for one in (await listed.json())["accounts"]}
        assert [shown[name]["number"] for name in ("first", "second")] == [0, 1]
        assert shown["second"]["language"] == "fr"
        assert (shown["first"]["reads"]["bytes"], shown["first"]["reads"]["known_by"]) == (50_000, "set")
        assert shown["second"]["reads"]["known_by"] == "assumed"
        twice = {"name": "third", "source": "file:" + str(tmp_path / "both.json"), "number": 1}
        async with http.post("/api/accounts", json=twice) as added:
            assert added.status == 200
        await until(lambda: gate.service.account_registry.account("third").status().state == "needs_login")
        assert gate.service.account_registry.account("third").status().code == "session_in_use"
    assert not sim.record.violations


async def test_a_phantom_session_is_named_and_waited_out(sim: Simulator, tmp_path: Path) -> None:
    (tmp_path / "facts.toml").write_text("[session]\nphantom_seconds = 3\n")
    async with (
        served(settings_for(sim, tmp_path, wire_facts=tmp_path / "facts.toml")) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        assert (await ask(http))[0] == 200
        account, alice = gate.service.pool.accounts[0], sim.google.account("alice")
        alice.phantom = True
        async with http.post("/api/accounts/default/test") as tested:
            assert tested.status == 502
        assert (account.status().state, account.status().code) == ("error", "phantom_session")
        assert "幻影会话" in account.status().why.zh
        assert (await ask(http))[0] == 503
        visits = sim.record.requests_of("init")
        await asyncio.sleep(5)
        assert sim.record.requests_of("init") - visits <= 2  # no loop of sign-ins
        alice.phantom = False
        await until(lambda: account.status().state == "ready", PATIENT)
        assert (await ask(http))[0] == 200
        assert sim.record.generations == 2
    assert not sim.record.violations


async def test_a_session_that_another_client_took_over_says_so(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        account = gate.service.pool.accounts[0]
        sim.google.supersede("alice")
        status, answer, _ = await ask(http)
        assert (status, answer["error"]["code"]) == (503, "cookie_expired")
        assert account.status().state == "needs_login"
        assert "another living client" in account.status().why.en
        assert "接管" in account.status().why.zh
        assert sim.record.generations == 0
        async with http.post("/api/cookies", json={"cookies": sim.google.cookies("alice")}) as taken:
            assert taken.status == 200
        assert (await ask(http))[0] == 200
