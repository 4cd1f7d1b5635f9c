"""`x-gemgate-overhead-ms` stands on every answer, and Google's time is not in it."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

DELAY = 0.4
"""Seconds that Google thinks."""


@pytest.mark.parametrize("stream", [False, True])
async def test_googles_time_is_taken_off(tmp_path: Path, stream: bool) -> None:
    async with (
        Simulator(accounts=("alice",)) as sim,
        served(settings_for(sim, tmp_path)) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        sim.google.reply("[slow]", "Here it is.", delay=DELAY)
        body = {"messages": [{"role": "user", "content": "[slow]"}], "stream": stream}
        began = time.monotonic()
        async with http.post("/v1/chat/completions", json=body) as answer:
            await answer.read()
            assert answer.status == 200
            added = float(answer.headers["x-gemgate-overhead-ms"]) / 1e3
        # However slow this machine is: what we added and what Google took is not more than the whole.
        assert 0 < added <= time.monotonic() - began - DELAY * 0.95
        async with http.get("/metrics") as answer:
            assert 'gemgate_overhead_seconds_count{operation="chat.completions"} 1.0' in await answer.text()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("GET", "/nowhere", 404), ("POST", "/v1/chat/completions", 400), ("GET", "/", 200)],
)
async def test_it_stands_on_every_answer(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with (
        served(settings_for(None, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.request(method, path, data=b"{") as answer,
    ):
        assert answer.status == status
        assert float(answer.headers["x-gemgate-overhead-ms"]) >= 0
