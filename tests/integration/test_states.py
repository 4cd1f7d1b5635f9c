"""One state word: whatever an account is in, /health, /ready, the accounts, the page's sentence, the metrics and the
error of a call say the same.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.accounts import CAPABILITIES
from gemgate.errors import Spent
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}
ZH = {"accept-language": "zh-CN"}

Bring = Callable[[Simulator, Served, aiohttp.ClientSession], Awaitable[None]]


async def _fails(sim: Simulator, http: aiohttp.ClientSession, **fault: Any) -> None:
    sim.google.fault("generate", **fault)
    async with http.post("/v1/chat/completions", json=CHAT) as answer:
        assert answer.status >= 400


async def _ready(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    return None


async def _starting(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    sim.google.fault("init", "stall", times=-1)
    body = {"name": "late", "source": f"file:{gate.settings.data_dir}/late.txt"}
    cookies = "; ".join(f"{name}={value}" for name, value in sim.google.cookies("alice").items())
    Path(gate.settings.data_dir, "late.txt").write_text(cookies)
    async with http.post("/api/accounts", json=body) as answer:
        assert answer.status == 200
    await http.delete("/api/accounts/default")


async def _busy(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    sim.google.reply("say hello", "slow", delay=12)
    task = asyncio.ensure_future(http.post("/v1/chat/completions", json=CHAT))
    await until(lambda: gate.service.pool.accounts[0].busy == 1)
    gate.service.loops.add(task)  # type: ignore[arg-type]  # only so that somebody holds it


async def _cooling(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    await _fails(sim, http, kind="code", code=1037)


async def _cooling_for_all(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    await _fails(sim, http, kind="code", code=1037)
    account = gate.service.pool.accounts[0]
    for capability in ("pro", "image"):
        account.circuits[capability] = account.circuits["text"]


async def _needs_login(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    sim.google.expire("alice")
    async with http.post("/api/accounts/default/test") as answer:
        assert answer.status == 503


async def _paused(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    await http.post("/api/accounts/default/pause")


async def _blocked(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    await _fails(sim, http, kind="code", code=1060)


async def _error(sim: Simulator, gate: Served, http: aiohttp.ClientSession) -> None:
    sim.google.account("alice").status = 1021
    async with http.post("/api/accounts/default/refresh") as answer:
        assert answer.status >= 400


@pytest.mark.parametrize(
    ("bring", "word", "level", "status"),
    [
        (_ready, "ready", "ok", 200),
        (_busy, "busy", "ok", 200),
        (_starting, "starting", "starting", 503),
        (_cooling, "cooling", "down", 429),
        (_cooling_for_all, "cooling", "down", 429),
        (_needs_login, "needs_login", "down", 503),
        (_paused, "paused", "down", 503),
        (_blocked, "blocked", "down", 503),
        (_error, "error", "down", 503),
    ],
)
async def test_everything_says_the_same(
    sim: Simulator, tmp_path: Path, bring: Bring, word: str, level: str, status: int
) -> None:
    settings = settings_for(sim, tmp_path, concurrency=1)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        await bring(sim, gate, http)
        answers = word in ("ready", "busy")
        member = gate.service.pool.accounts[0]
        assert member.status("text").state == word

        async with http.get("/health") as answer:
            health = await answer.json()
        async with http.get("/ready") as answer:
            ready = await answer.json()
            assert (answer.status == 200) is answers
        assert health["client_ready"] is ready["ready"] is health["capabilities"]["text"] is answers
        async with http.get("/api/accounts") as answer:
            (account,) = (await answer.json())["accounts"]
        assert health["accounts"] == {account["state"]: 1}
        cooling = [one["capability"] for one in account["cooldowns"]]
        assert account["state"] == word or (word == "cooling" and "text" in cooling)
        async with http.get("/api/overview") as answer:
            overview = await answer.json()
        assert overview["level"] == level
        assert overview["accounts"][0]["state"] == account["state"]
        async with http.get("/metrics") as answer:
            counted = re.findall(r'^gemgate_accounts\{state="(\w+)"\} 1', await answer.text(), re.M)
        assert counted == [account["state"]]
        if word == "starting":
            return  # a call would wait for it
        async with http.post("/v1/chat/completions", json=CHAT) as answer:
            body = await answer.json()
            assert answer.status == status, body
        if answers:
            return
        assert ready["reasons"][0].partition(" s left")[0][:-4] in body["error"]["message"]
        assert word in ready["reasons"][0]
        async with http.get("/ready", headers=ZH) as answer:
            reasons = (await answer.json())["reasons"]
        async with http.post("/v1/chat/completions", json=CHAT, headers=ZH) as answer:
            said = (await answer.json())["error"]["message"]
        assert said.startswith("没有可用的账号")
        assert re.sub(r"\d+ 秒", "", said) == re.sub(r"\d+ 秒", "", reasons[0])


async def test_a_page_that_says_all_is_well_has_nothing_that_rests(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        await http.get("/health")
        account = gate.service.pool.accounts[0]
        account.call_started("image")
        account.call_ended(("image",), Spent("no more pictures today"))
        async with http.get("/api/overview") as answer:
            overview = await answer.json()
        assert (overview["level"], "rests for pictures" in overview["sentence"]["en"]) == ("warn", True)
        async with http.get("/health") as answer:
            health = await answer.json()
        assert health["capabilities"] == dict.fromkeys(CAPABILITIES, True) | {"image": False}
        error = gate.service.pool.no_account_error("image")
        assert "default: cooling for image (limit" in error.en
        assert "default：冷却中（图片）" in error.zh


async def test_the_pace_that_health_tells_is_the_one_that_is_kept(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, rpm_limit=60, cooldown_429_seconds=0)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:

        async def pace() -> dict[str, Any]:
            async with http.get("/health") as answer:
                found: dict[str, Any] = (await answer.json())["rate_limiter"]
                return found

        async def ask(status: int) -> None:
            async with http.post("/v1/chat/completions", json=CHAT) as answer:
                assert answer.status == status, await answer.text()

        still = {"current_delay": 0.0, "requests_last_minute": 0, "consecutive_429s": 0, "rpm_limit": 60}
        assert await pace() == still
        await ask(200)
        assert await pace() == {**still, "requests_last_minute": 1}
        sim.google.fault("generate", "code", code=1037)
        await ask(429)
        assert await pace() == {**still, "requests_last_minute": 2, "current_delay": 2.0, "consecutive_429s": 1}
        before = gate.service.clock.monotonic()
        await ask(200)
        assert gate.service.clock.monotonic() - before > 1.0, "two seconds of delay, give or take a fifth"
        after = await pace()
        assert (after["consecutive_429s"], after["requests_last_minute"]) == (0, 3)
        assert 0 < after["current_delay"] < 2
