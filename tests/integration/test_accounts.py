"""Accounts that live: cookies handed over, sources watched, cool-downs kept, one refresh for all, failover in time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.caller import Caller
from gemgate_simulator import Simulator
from tests.support.clocks import SkippingClock
from tests.support.patience import PATIENCE, PATIENT, until
from tests.support.serving import Served, served, settings_for

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


def two_accounts(sim: Simulator, folder: Path, **more: Any) -> Any:
    """alice and bob from cookie files named in accounts.toml."""
    for name in ("alice", "bob"):
        (folder / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
    (folder / "accounts.toml").write_text(
        "\n".join(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n' for name in ("alice", "bob"))
    )
    settings = settings_for(None, folder, **more)
    return settings.model_copy(update={"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file})


async def ask(http: aiohttp.ClientSession, status: int = 200) -> dict[str, Any]:
    async with http.post("/v1/chat/completions", json=CHAT) as answer:
        body = await answer.json()
        assert answer.status == status, body
        return {**body, "headers": dict(answer.headers)}


async def ready(gate: Served, count: int = 2) -> None:
    await until(lambda: sum(m.is_open for m in gate.service.pool.accounts) == count)


async def test_cookies_are_handed_over_without_a_restart(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path).model_copy(
        update={"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file}
    )
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        error = await ask(http, 503)
        assert "No Google account is set up" in error["error"]["message"]
        async with http.get("/health", headers={"accept-language": "zh"}) as answer:
            health = await answer.json()
            assert (health["status"], health["client_ready"]) == ("ok", False), "the process is well"
            assert "尚未配置 Google 账号" in health["degraded"][0], "and says what it lacks"
        async with http.get("/api/cookies/status") as answer:
            assert (await answer.json())["valid"] is False
        bad = {"cookies": {"__Secure-1PSID": "nonsense", "__Secure-1PSIDTS": "x"}}
        async with http.post("/api/cookies", json=bad) as answer:
            assert answer.status == 503
        async with http.post("/api/cookies", json={"cookies": sim.google.cookies("alice")}) as answer:
            body = await answer.json()
            assert (answer.status, body["success"]) == (200, True)
            assert not any(value in json.dumps(body) for value in sim.google.cookies("alice").values())
        await ask(http)
        async with http.post("/api/cookies", json=bad) as answer:
            assert answer.status == 503
        await ask(http)  # the old ones stay until new ones are proven
        async with http.post("/api/cookies", json={"cookies": {"x": "y"}}) as answer:
            assert answer.status == 400
        async with http.get("/api/cookies/status") as answer:
            assert (await answer.json())["valid"] is True
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        await ask(http)  # remembered over the restart, encrypted


async def test_with_several_accounts_cookies_must_say_whose_they_are(sim: Simulator, tmp_path: Path) -> None:
    async with served(two_accounts(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await ready(gate)
        async with http.post("/api/cookies", json={"cookies": sim.google.cookies("alice")}) as answer:
            assert answer.status == 400
            assert "alice, bob" in (await answer.json())["detail"]
        body = {"cookies": sim.google.sign_in("bob"), "account": "bob"}
        async with http.post("/api/cookies", json=body) as answer:
            assert (await answer.json())["account"] == "bob"


async def test_nothing_is_set_up_for_cookies_that_cannot_be_read(sim: Simulator, tmp_path: Path) -> None:
    async with served(two_accounts(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await ready(gate)
        async with http.post("/api/accounts", json={"name": "carol", "cookies": {"x": "y"}}) as answer:
            assert answer.status == 400
        async with http.post("/api/accounts", json={"name": "alice", "only_new": True}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "account_exists")
        accounts = {account.name: account for account in gate.service.pool.accounts}
        assert set(accounts) == {"alice", "bob"}
        assert accounts["alice"].source is not None


async def test_a_changed_cookie_file_is_taken_within_seconds(sim: Simulator, tmp_path: Path) -> None:
    async with served(two_accounts(sim, tmp_path)) as gate:
        await ready(gate)
        sim.google.expire("alice")
        account = gate.service.account_registry.account("alice")
        with pytest.raises(Exception, match="not signed in"):
            await account.sign_in()
        assert account.status().state == "needs_login"
        sim.google.revive("alice")
        fresh = sim.google.sign_in("alice")
        header = "; ".join(f"{name}={value}" for name, value in fresh.items())
        (tmp_path / "alice.json").write_text(header)
        await until(lambda: account.status().state == "ready", PATIENT)
        assert account.cookies.psid == fresh["__Secure-1PSID"]


async def test_a_spent_account_moves_calls_to_the_other_at_once(sim: Simulator, tmp_path: Path) -> None:
    async with served(two_accounts(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await ready(gate)
        sim.google.fault("generate", "code", code=1037, times=-1, account="alice")
        for _ in range(6):
            await ask(http)
        assert sim.record.generations_of("bob") == 6
        assert sim.record.received_of("alice") <= 1
        states = {m.name: m.status("text").state for m in gate.service.pool.accounts}
        assert states == {"alice": "cooling", "bob": "ready"}


async def test_a_restart_keeps_the_cool_down_and_the_probe_after_it_is_one(sim: Simulator, tmp_path: Path) -> None:
    settings, clock = settings_for(sim, tmp_path, cooldown_429_seconds=600), SkippingClock()
    async with served(settings, clock=clock) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("generate", "code", code=1037)
        body = await ask(http, 429)
        assert 400 <= int(body["headers"]["Retry-After"]) <= 700
    async with served(settings, clock=clock) as gate, aiohttp.ClientSession(gate.url) as http:
        account = gate.service.pool.accounts[0]
        assert account.status("text").state == "cooling"
        await ask(http, 429)
        assert sim.record.received == 1
        clock.skipped += 700
        await until(lambda: account.status("text").state == "ready")
        sim.google.reply("say hello", "slow hello", delay=5)
        outcomes = await asyncio.gather(*(http.post("/v1/chat/completions", json=CHAT) for _ in range(5)))
        statuses = sorted(answer.status for answer in outcomes)
        for answer in outcomes:
            answer.release()
        assert statuses == [200, 429, 429, 429, 429]
        await ask(http)
    assert sim.record.generations == 2


async def test_ten_calls_whose_cookies_died_share_one_refresh(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        before = sim.record.requests_of("init")
        sim.google.fault("generate", "status", status=401, times=10)
        answers = await asyncio.gather(*(ask(http) for _ in range(10)))
        assert len(answers) == 10
        assert sim.record.requests_of("init") == before + 1
        assert sim.record.generations == 10
        assert gate.service.pool.accounts[0].status().state == "ready"


async def test_pause_resume_reset_and_remove_leave_an_audit(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:

        async def act(action: str, body: dict | None = None) -> dict[str, Any]:
            async with http.post(f"/api/accounts/default/{action}", json=body) as answer:
                return await answer.json()

        assert (await act("pause"))["state"] == "paused"
        assert "paused" in (await ask(http, 503))["error"]["message"]
        assert (await act("resume"))["state"] == "ready"
        sim.google.fault("generate", "code", code=1037)
        await ask(http, 429)
        async with http.get("/api/accounts") as answer:
            account = (await answer.json())["accounts"][0]
        assert account["cooldowns"][0]["capability"] == "text"
        assert account["cooldowns"][0]["seconds_left"] > 3500
        assert not (await act("reset", {"capability": "text"}))["cooldowns"]
        gate.service.pool.accounts[0].pacer.succeeded()
        assert (await act("test"))["state"] == "ready"
        assert "detail" in await act("dance")
        async with http.get("/api/accounts/default") as answer:
            audit = (await answer.json())["audit"]
        assert [line["action"] for line in audit] == ["reset", "resumed", "paused"]
        async with http.delete("/api/accounts/default") as answer:
            assert (await answer.json())["removed"] is True
        await ask(http, 503)


async def test_rotation_keeps_a_session_alive_and_is_kept(sim: Simulator, tmp_path: Path) -> None:
    (tmp_path / "facts.toml").write_text("[session]\nrotate_gap_seconds = 1\n")
    sim.google.account("alice").rotate_gap = 0.0
    settings = settings_for(sim, tmp_path, cookie_refresh_seconds=1, wire_facts=tmp_path / "facts.toml")
    async with served(settings) as gate:
        account = gate.service.pool.accounts[0]
        first = account.cookies.psidts
        await until(lambda: account.cookies.psidts != first)
        async with asyncio.timeout(PATIENCE):
            while (await gate.service.account_registry.store.get("default")).cookies.psidts != account.cookies.psidts:
                await asyncio.sleep(0.01)


async def test_an_upload_that_fails_is_not_held_against_the_answers(sim: Simulator, tmp_path: Path) -> None:
    import base64

    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("upload", "status", status=500, times=-1)
        data = "data:text/plain;base64," + base64.b64encode(b"hello").decode()
        part = {"type": "file", "file": {"filename": "a.txt", "file_data": data}}
        body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "read"}, part]}]}
        for _ in range(3):
            async with http.post("/v1/chat/completions", json=body) as answer:
                assert answer.status == 502
        assert set(gate.service.pool.accounts[0].cooldowns()) == {"upload"}
        await ask(http)
        assert sim.record.received == 1


async def test_no_cookie_value_stands_in_the_data_folder(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await ask(http)
        account = gate.service.pool.accounts[0]
        await account.take_rotated(account.cookies, account.cookies, account.session_epoch)
    secrets = [value.encode() for value in sim.google.cookies("alice").values()]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.startswith("gemgate.sqlite3") for path in files)
    for path in files:
        data = path.read_bytes()
        assert not any(secret in data for secret in secrets), path.name


async def test_an_account_of_which_google_says_that_nothing_is_left_comes_last(sim: Simulator, tmp_path: Path) -> None:
    """Every answer tells what is left of the account's actions: others are asked first, and nothing is refused."""
    total = 15
    sim.google.account("alice").tier = "free"
    async with served(two_accounts(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await ready(gate)
        sim.record.generated_by_account["alice"] = sim.google.account("alice").taken["gemini-flash"] = total - 1
        await gate.service.account_registry.pause("bob", True, Caller(admin=True))
        await ask(http)
        assert sim.record.generated_by_account["alice"] == total
        await gate.service.account_registry.pause("bob", False, Caller(admin=True))
        before = sim.record.generated_by_account["bob"]
        for _ in range(4):
            await ask(http)
        assert sim.record.generated_by_account["bob"] - before == 4
        await gate.service.account_registry.pause("bob", True, Caller(admin=True))
        await ask(http)
        assert sim.record.generated_by_account["alice"] == total + 1
        async with http.get("/api/accounts") as answer:
            alice = next(one for one in (await answer.json())["accounts"] if one["name"] == "alice")
        spent = next(one for one in alice["usage"] if one["window"] == "action 5")
        assert {"used": 1.0, "remaining": 0, "total": 15, "model": "gemini-flash"}.items() <= spent.items()
        assert alice["left"]["text"]["window"] != "action 5", "it took a call all the same: it does not bind those"


async def shown(http: aiohttp.ClientSession, language: str = "en") -> dict[str, Any]:
    async with http.get("/api/accounts/alice", headers={"accept-language": language}) as answer:
        card: dict[str, Any] = await answer.json()
        return card


async def test_none_set_and_refused_are_told_apart_also_after_a_restart(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path).model_copy(
        update={"proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file}
    )
    dead = {"__Secure-1PSID": "g.a000-dead", "__Secure-1PSIDTS": "sidts-dead"}

    async def settled(gate: Served, http: aiohttp.ClientSession) -> dict[str, Any]:
        """The card once the account has looked for cookies again, as it does by itself."""
        account = gate.service.account_registry.account("alice")
        epoch = account.session_epoch
        async with http.post("/api/accounts/alice/refresh") as answer:
            assert answer.status == 503
        assert account.session_epoch > epoch
        return await shown(http)

    def says_refused(card: dict[str, Any]) -> None:
        assert card["state"] == "needs_login"
        assert card["reason"] == "expired"
        assert "no cookies" not in card["why"], card["why"]
        assert re.search(r"handed over on \d{4}-\d\d-\d\d \d\d:\d\d UTC were refused", card["why"]), card["why"]
        assert "hand over fresh cookies" in card["why"], "and what to do"

    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/api/accounts", json={"name": "alice"}) as answer:
            assert answer.status == 200
        card = await settled(gate, http)
        assert (card["state"], card["reason"]) == ("needs_login", "no_cookies")
        assert "no cookies are set" in card["why"]
        assert "ended" not in card["remedy"]["title"], "no session was there that could end"
        chinese = await shown(http, "zh")
        assert "未设置 Cookie" in chinese["why"]

        async with http.post("/api/cookies", json={"account": "alice", "cookies": dead}) as answer:
            assert answer.status == 503, await answer.text()
        says_refused(await shown(http))
        says_refused(await settled(gate, http))
        assert "已被拒绝" in (await shown(http, "zh"))["why"]
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        says_refused(await settled(gate, http))
        good = {"account": "alice", "cookies": sim.google.cookies("alice")}
        async with http.post("/api/cookies", json=good) as answer:
            assert answer.status == 200, await answer.text()
        assert (await shown(http))["why"] == ""
