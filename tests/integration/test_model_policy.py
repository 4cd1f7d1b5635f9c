"""What becomes of an answer by another model, said in the body: every OpenAI-style route, and lines of batches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Painting, Simulator
from tests.support.patience import PATIENCE
from tests.support.serving import served, settings_for

PRO = "gemini-3-pro-preview"
PAINTER = "gemini-3-pro-image-preview"
SAID = [{"role": "user", "content": "say hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": PRO, "messages": SAID},
    "/v1/responses": {"model": PRO, "input": "say hello"},
    "/v1/generate": {"model": PRO, "prompt": "say hello"},
    "/v1/images/generations": {"model": PAINTER, "prompt": "a fox"},
    "/v1/generate-images": {"model": PAINTER, "prompt": "a fox"},
}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Another model than Pro answers, and the smaller painter paints."""
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.account("alice").downgraded = True
        simulator.google.reply("a fox", "Here.", image=Painting("gradient", size=(64, 48)))
        yield simulator


@pytest.mark.parametrize("path", list(BODIES))
@pytest.mark.parametrize("service", ["report", "require"])
async def test_the_body_says_what_a_header_says(sim: Simulator, tmp_path: Path, path: str, service: str) -> None:
    settings = settings_for(sim, tmp_path, model_policy=service)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        for number, wished in enumerate(("require", "report", None), 1):
            wrong = (wished or service) == "require"
            for account in gate.service.pool.accounts:
                account.reset()
            async with http.post(path, json={**BODIES[path], "model_policy": wished}) as answer:
                told = await answer.text()
                assert answer.status == (422 if wrong else 200), (wished, told)
                assert ("not with" in told) is wrong
                assert "model_policy" not in answer.headers.get("x-gemgate-ignored", "")
            assert sim.record.generations == number
        async with http.post(path, json={**BODIES[path], "model_policy": "perhaps"}) as answer:
            assert answer.status in (400, 422), await answer.text()
        assert sim.record.generations == number


@pytest.mark.parametrize("service", ["report", "require"])
async def test_lines_of_a_batch_keep_the_rule_of_the_service_and_their_own(
    sim: Simulator, tmp_path: Path, service: str
) -> None:
    items = [
        {"prompt": f"a fox {wish}", **({"model_policy": wish} if wish else {})} for wish in ("require", "report", "")
    ]
    settings = settings_for(sim, tmp_path, model_policy=service)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/batch/images", json={"model": PAINTER, "items": items}) as answer:
            batch = await answer.json()
            assert answer.status < 300, batch
        name = batch.get("batch_id") or batch["id"]
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(f"/v1/batch/{name}/status") as answer:
                    state = await answer.json()
                if state["status"] not in ("queued", "processing"):
                    break
                await asyncio.sleep(0.1)
        text = json.dumps(state)
        lost = 2 if service == "require" else 1
        assert (state["failed"], state["completed"]) == (lost, 3 - lost), text
