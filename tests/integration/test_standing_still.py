"""A job that only a person can bring on says so in every dialect it is asked for in, in the same words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENT, until
from tests.support.serving import Served, served, settings_for

LINES = "\n".join(
    json.dumps({"custom_id": str(number), "method": "POST", "url": "/v1/responses", "body": {"input": "a slow river"}})
    for number in range(60)
)
"""More than is answered before the account is paused."""


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.videos(looks=1000)
        simulator.google.music(looks=1000, seconds=2.0)
        simulator.google.research(looks=1000)
        simulator.google.reply("river", "late", delay=1.0)
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    rules = replace(QUICK, media_look=0.2, research_look=0.2)
    async with served(settings_for(sim, tmp_path / "data", concurrency=8), job_rules=rules) as running:
        yield running


async def sent(http: aiohttp.ClientSession, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    form = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
    async with http.post(path, **form) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == status, told
        return told


async def test_whoever_asks_for_a_job_is_told_that_it_needs_a_person(gate: Served, sim: Simulator) -> None:
    (account,) = gate.service.pool.accounts
    research = {"agent": "deep-research-pro-preview-12-2025", "input": "why owls hoot", "background": True}
    async with aiohttp.ClientSession(gate.url) as http:
        prompt = {"prompt": "an owl flies"}
        google = await sent(http, "/v1beta/models/veo-3.1:predictLongRunning", {"instances": [prompt]})
        ours = {
            "/v1/videos": await sent(http, "/v1/videos", prompt),
            "/v1/music": await sent(http, "/v1/music", prompt),
            "/v1beta/interactions": await sent(http, "/v1beta/interactions", research),
        }
        await until(lambda: sim.record.generations == 4, PATIENT)
        made = {f"{path}/{told['id']}": "" for path, told in ours.items()}
        made[f"/v1beta/{google['name']}"] = "metadata"
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", LINES, filename="lines.jsonl")
        file = await sent(http, "/v1/files", form)
        order = {"input_file_id": file["id"], "endpoint": "/v1/responses", "completion_window": "24h"}
        made[f"/v1/batches/{(await sent(http, '/v1/batches', order))['id']}"] = ""
        account.pause(True)
        task = await sent(http, "/v1/images/generations", {"prompt": "a fox", "async": True}, status=202)
        assert task["needs_person"] is True, "from the first answer on"
        made[f"/v1/images/tasks/{task['id']}"] = ""
        answer = await sent(http, "/v1/responses", {"input": "the river?", "background": True})
        made[f"/v1/responses/{answer['id']}"] = ""
        batch = await sent(http, "/v1/batch/images", {"prompts": ["a fox"]})
        made[f"/v1/batch/{batch['batch_id']}/status"] = ""

        async def silent() -> dict[str, Any]:
            """Those that do not say it."""
            found: dict[str, Any] = {}
            for path, inside in made.items():
                async with http.get(path) as shown:
                    body = await shown.json()
                told = body[inside] if inside else body
                if told.get("needs_person") is not True or "paused by hand" not in told["waiting_for"]:
                    found[path] = body
            return found

        async def all_say_it() -> bool:
            return not await silent()

        with suppress(AssertionError):
            await until(all_say_it)
        assert await silent() == {}
        async with http.get("/v1/batches") as listed:
            (row,) = (await listed.json())["data"]
            assert row["needs_person"] is True
