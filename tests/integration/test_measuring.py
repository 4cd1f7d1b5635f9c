"""What an account reads is found out with at most six prompts, kept, shown, and believed."""

from __future__ import annotations

import random
from pathlib import Path

import aiohttp

from gemgate.cli.account_backend import opened
from gemgate_simulator import Simulator
from tests.support.serving import served, settings_for

MOST = 6


async def test_drawn_walls_are_found_within_the_resolution(sim: Simulator, tmp_path: Path) -> None:
    dice = random.Random(11)
    account = sim.google.account("alice")
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        for number in range(12):
            account.wall = dice.randrange(80_000, 169_000)
            account.file_wall = account.wall + dice.randrange(1_000, 80_000)
            before = sim.record.generations
            async with http.post("/api/accounts/default/measure") as answer:
                assert answer.status == 200, await answer.text()
                reads = (await answer.json())["reads"]
            assert 0 < sim.record.generations - before <= MOST, number
            assert reads["bytes"] <= account.wall <= reads["bytes"] + reads["resolution_bytes"]
            assert reads["with_files_bytes"] <= account.file_wall
            assert account.file_wall <= reads["with_files_bytes"] + reads["resolution_bytes"] + 10_000
            assert reads["resolution_bytes"] <= 20_000
            assert reads["measured_at"]
        assert not [call for call in sim.record.calls if call.temporary]
    assert not sim.record.violations


async def test_what_was_measured_is_believed_after_a_restart(sim: Simulator, tmp_path: Path) -> None:
    account = sim.google.account("alice")
    account.wall, account.file_wall = 45_000, 45_000
    settings = settings_for(sim, tmp_path)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/api/accounts/default/measure") as answer:
            measured = (await answer.json())["reads"]
        assert (measured["bytes"], measured["with_files_bytes"]) == (40_000, 40_000)
        assert sim.record.generations <= MOST
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.get("/api/accounts/default") as answer:
            shown = await answer.json()
        assert shown["reads"] == measured
        assert any(line["action"] == "measured" for line in shown["audit"])
        long = {"messages": [{"role": "user", "content": "x" * 50_000}]}
        async with http.post("/v1/chat/completions", json=long) as answer:
            assert answer.status == 400
        fits = {"messages": [{"role": "user", "content": "x" * 39_000}]}
        async with http.post("/v1/chat/completions", json=fits) as answer:
            assert answer.status == 200
            assert answer.headers["x-gemgate-context"] == "inline; bytes=39000; limit=40000"


async def test_trouble_while_measuring_keeps_what_was_known(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.fault("generate", "status", status=500, times=1)
        async with http.post("/api/accounts/default/measure") as answer:
            assert answer.status == 502
        async with http.get("/api/accounts/default") as answer:
            reads = (await answer.json())["reads"]
        assert (reads["bytes"], reads["with_files_bytes"], reads["measured_at"]) == (120_000, 150_000, None)


async def test_a_model_that_names_no_word_measures_nothing(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("", "I would rather not say.")
    async with (
        served(settings_for(sim, tmp_path)) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.post("/api/accounts/default/measure") as answer,
    ):
        assert answer.status == 502
        assert "nothing was measured" in await answer.text()
    assert sim.record.generations == MOST


async def test_the_command_measures_over_the_gateway_and_on_the_database(sim: Simulator, tmp_path: Path) -> None:
    account = sim.google.account("alice")
    account.wall, account.file_wall = 125_000, 141_000
    settings = settings_for(sim, tmp_path)
    async with served(settings) as gate, opened(settings, gate.url, None, "en") as backend:
        assert (await backend.measure("default"))["reads"]["bytes"] == 120_000
    account.wall = 135_000
    async with opened(settings, None, None, "en") as backend:
        assert "database" in backend.where
        facts = await backend.measure("default")
        assert (facts["reads"]["bytes"], facts["reads"]["with_files_bytes"]) == (130_000, 140_000)
        assert (await backend.all())[0]["reads"] == facts["reads"]
    assert sim.record.generations <= 2 * MOST
