"""Google's windows as people see them, batches that leave the reserve alone, and forecasts of orders."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.cli.batch_plan import lines
from gemgate_simulator import Simulator
from tests.support.batch_calls import QUICK, ordered, until_status
from tests.support.serving import Served, served, settings_for


async def look(gate: Served) -> None:
    """As the refresher does when it is due."""
    for account in gate.service.pool.accounts:
        account.usage.read(await account.upstream.usage(), gate.service.clock.now())
        await gate.service.windows.add(account.usage.unsaved())


async def asked(http: aiohttp.ClientSession, path: str, expect: int = 200) -> Any:
    async with http.get(path) as answer:
        assert answer.status == expect, await answer.text()
        return await answer.json()


async def chat(http: aiohttp.ClientSession) -> None:
    body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
    async with http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()


async def test_an_account_shows_its_plan_its_windows_the_one_that_binds_and_their_series(
    sim: Simulator, tmp_path: Path
) -> None:
    alice = sim.google.account("alice")
    alice.used, alice.spends = (0.3, 0.6), (0.01, 0.01)
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        (before,) = (await asked(http, "/api/accounts"))["accounts"]
        assert (before["tier"], before["usage"], before["binding"], before["left"]) == ("unknown", [], None, {})
        await look(gate)
        await chat(http)
        alice.used = (0.35, 0.61)
        await look(gate)
        (account,) = (await asked(http, "/api/accounts"))["accounts"]
        assert account["tier"] == "pro"
        assert account["overage"] is False
        assert [one["window"] for one in account["usage"]] == ["5h", "weekly", "credits"]
        assert {"window": "weekly", "left": 0.39}.items() <= account["binding"].items()
        assert account["left"]["image"] == account["binding"]
        series = (await asked(http, "/api/accounts/default/usage"))["readings"]
        assert [(one["used"], one["calls"]) for one in series if one["window"] == "5h"] == [
            (0.3, {}),
            (0.35, {"text": 1}),
        ]
        await asked(http, "/api/accounts/default/usage?hours=0", 400)
        async with http.get("/metrics") as answer:
            shown = await answer.text()
        assert 'gemgate_usage_used_ratio{account="default",window="5h"} 0.35' in shown
        assert 'gemgate_usage_left_ratio{account="default",capability="image"} 0.39' in shown
    assert not sim.record.violations


async def test_a_batch_waits_at_the_reserve_and_says_so_while_people_are_answered(
    sim: Simulator, tmp_path: Path
) -> None:
    alice = sim.google.account("alice")
    alice.used = (0.85, 0.1)
    settings = settings_for(sim, tmp_path, reserve_percent=20)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        await look(gate)
        made = await ordered(http, prompts=["a boat", "a barn"], response_type="url")
        state = await until_status(http, made["batch_id"], lambda body: body.get("waiting_for"))
        assert "window 5h are left and kept for interactive calls" in state["waiting_for"]
        await chat(http)
        assert sim.record.generations == 1, "a person is answered from the reserve, and nothing of the batch is begun"
        alice.used = (0.1, 0.1)
        await look(gate)
        assert (await until_status(http, made["batch_id"]))["completed"] == 2
        assert sim.record.generations == 3
    assert not sim.record.violations


async def test_a_forecast_is_unknown_until_something_was_made_and_then_says_when(
    sim: Simulator, tmp_path: Path
) -> None:
    settings = settings_for(sim, tmp_path, concurrency=3)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        none = await asked(http, "/v1/capacity?images=200&by=07:00")
        assert (none["ready_at"], none["done_by"], none["enough"]) == (None, None, None)
        assert any("how long one takes" in one for one in none["unknown"])
        assert "when they are ready is not known" in lines(none)[0]
        made = await ordered(http, prompts=[f"a boat {n}" for n in range(4)], response_type="url")
        await until_status(http, made["batch_id"])
        await gate.service.clock.sleep(0)
        gate.service.jobs.planner._known.clear()
        known = await asked(http, "/v1/capacity?images=200&by=2099-01-01T07:00:00Z")
        assert (known["done_by"], known["enough"], known["limited_by"]) == (200, True, "concurrency")
        assert datetime.fromisoformat(known["ready_at"]) >= datetime.fromisoformat(known["at"])
        assert "ready by" in lines(known)[0]
        assert lines(known)[1].endswith("200 of 200")
        assert sim.record.generations == 4, "a question orders nothing"
        sim.google.reply("slow", "", pace=0.5, busy=4)
        more = await ordered(http, prompts=[f"a slow boat {n}" for n in range(12)], response_type="url")
        state = await until_status(http, more["batch_id"], lambda body: body.get("ready_at"))
        assert state["eta_seconds"] >= 0
        job = await asked(http, f"/api/jobs/{more['batch_id']}")
        assert {"ready_at", "limited_by", "unknown"} <= job.keys()


@pytest.mark.parametrize(
    "query", ["images=0", "images=x", "images=1000001", "by=25:00", "by=tomorrow", "by=" + "9" * 300]
)
async def test_what_cannot_be_planned_is_a_400(sim: Simulator, tmp_path: Path, query: str) -> None:
    settings = settings_for(None, tmp_path)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        await asked(http, f"/v1/capacity?{query}", 400)
        assert (await asked(http, "/v1/capacity?images=3&by=7:05"))["limited_by"] == "no_account"
