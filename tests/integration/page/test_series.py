"""GET /api/series: what was called, over time, for an admin alone."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.integration.page.conftest import ADMIN, CLIENT, Browser
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for


async def test_calls_failures_and_images_are_counted_jobs_among_them(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        chat = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
        for _ in range(2):
            async with http.post("/v1/chat/completions", json=chat) as answer:
                assert answer.status == 200
        sim.google.refuse("forbidden")
        async with http.post("/v1/images/generations", json={"prompt": "forbidden fox"}) as answer:
            assert answer.status >= 400
        async with http.post("/v1/batch/images", json={"prompts": ["a fox", "an owl"]}) as answer:
            assert answer.status < 300

        def counted(name: str) -> int:
            return sum(point[name] for point in gate.service.series.points("minute"))

        await until(lambda: counted("images") == 2 and counted("calls") == 4)  # the order is a call as well
        for step in ("minute", "quarter", "hour"):
            async with http.get("/api/series", params={"step": step}) as answer:
                told = await answer.json()
            assert told["since"] <= told["now"]
            points = told["points"]
            assert sum(point["calls"] for point in points) == 4
            assert sum(point["failed"] for point in points) == 1
            assert sum(point["images"] for point in points) == 2
            assert sum(point["prompt_tokens"] for point in points) > 0
            assert all(len(point["spread"]) == len(told["bounds"]) + 1 for point in points)
        async with http.get("/api/series?step=decade") as answer:
            assert answer.status == 400
            assert "minute" in (await answer.json())["detail"]


@pytest.mark.parametrize("key", ["", CLIENT])
async def test_it_is_an_admins(gate: Served, browser: Browser, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with browser.http.get("/api/series", headers=headers) as answer:
        assert answer.status in (401, 403)
    async with browser.http.get("/api/series", headers={"authorization": f"Bearer {ADMIN}"}) as answer:
        assert answer.status == 200
