"""A block is the address's, in whatever form it comes and whenever: one way out rests, and nothing else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from gemgate_simulator.addresses import FORMS
from tests.support.patience import PATIENT, until
from tests.support.serving import Served, served, settings_for

CHAT = {"messages": [{"role": "user", "content": "say hello"}]}
REST = 4.0
"""Seconds that a blocked address rests in these tests; measured blocks last two hours."""


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob", "carol"), ways=2) as simulator:
        yield simulator
        assert not simulator.record.violations


async def _ask(http: aiohttp.ClientSession, **more: Any) -> tuple[int, dict[str, Any], aiohttp.ClientResponse]:
    async with http.post("/v1/chat/completions", json={**CHAT, **more}) as answer:
        return answer.status, await answer.json(), answer


async def _join(sim: Simulator, http: aiohttp.ClientSession, name: str, way: int) -> int:
    body = {"name": name, "cookies": sim.google.cookies(name), "proxy": sim.proxies[way]}
    async with http.post("/api/accounts", json=body) as answer:
        return answer.status


def _states(gate: Served) -> dict[str, str]:
    return {account.name: account.status("text").state for account in gate.service.pool.accounts}


@pytest.mark.parametrize("form", FORMS)
async def test_a_block_in_the_middle_rests_the_way_out_and_spares_the_other(
    sim: Simulator, tmp_path: Path, form: Any
) -> None:
    settings = settings_for(sim, tmp_path, cooldown_address_seconds=REST)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert await _join(sim, http, "bob", 0) == 200
        assert (await _ask(http))[0] == 200
        blocked_at = sim.google.world.clock()
        sim.google.block(0, 600, form)
        asked = dict(sim.google.world.addresses.asked)
        status, body, answer = await _ask(http)
        assert status == 503, body
        assert body["error"]["code"] == "ip_blocked"
        assert 0 < int(answer.headers["retry-after"]) <= REST * 1.1 + 1
        assert _states(gate) == {"default": "blocked", "bob": "blocked"}  # one way out, both accounts behind it
        for account in gate.service.pool.accounts:
            assert not account.cooldowns()  # no account is spent, none is to blame
            assert account.is_open
        knocks = sim.google.world.addresses.asked["0"] - asked.get("0", 0)
        touched = {one.account for one in sim.record.requests if one.where == "generate" and one.time >= blocked_at}
        assert len(touched) == 1  # the block is not tried out on the other account
        for _ in range(3):  # nobody asks Google while the address rests
            status, body, answer = await _ask(http)
            assert (status, body["error"]["code"]) == (503, "ip_blocked")
            assert "address blocked" in body["error"]["message"]
        assert sim.google.world.addresses.asked["0"] - asked.get("0", 0) == knocks
        assert sim.record.generations == 1

        assert await _join(sim, http, "carol", 1) == 200  # another way out goes on
        status, _, answer = await _ask(http)
        assert status == 200
        assert _states(gate)["carol"] == "ready"
        assert sim.record.generations == 2
        async with http.get("/metrics") as shown:
            metrics = await shown.text()
        assert f'gemgate_address_blocked{{address="{sim.proxies[0]}"}} 1.0' in metrics
        assert f'gemgate_address_blocked{{address="{sim.proxies[1]}"}} 0.0' in metrics
        await http.post("/api/accounts/carol/pause")

        sim.google.world.addresses.free("0")
        await until(lambda: "blocked" not in _states(gate).values(), PATIENT)
        answers = await asyncio.gather(*(_ask(http) for _ in range(3)))  # one probe, then the others
        assert 200 in [status for status, _, _ in answers]
        await until(lambda: _states(gate)["default"] == "ready")
        assert (await _ask(http))[0] == 200


@pytest.mark.parametrize("form", FORMS)
async def test_a_block_at_sign_in_is_no_matter_of_cookies(sim: Simulator, tmp_path: Path, form: Any) -> None:
    sim.google.block(0, 600, form)
    settings = settings_for(sim, tmp_path, cooldown_address_seconds=REST)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        await until(lambda: "blocked" in _states(gate).values())
        status, body, answer = await _ask(http)
        assert (status, body["error"]["code"]) == (503, "ip_blocked"), body
        assert answer.headers["retry-after"]
        knocks = sim.google.world.addresses.asked["0"]
        async with http.post("/api/accounts/default/refresh") as refused:  # not by hand either
            assert refused.status == 503
            assert "ip_blocked" in await refused.text()
        assert sim.google.world.addresses.asked["0"] == knocks
        assert await _join(sim, http, "carol", 1) == 200
        assert (await _ask(http))[0] == 200
        (blocked,) = [account for account in gate.service.pool.accounts if account.name == "default"]
        assert blocked.stored_state == "starting"  # its cookies were not judged
        sim.google.world.addresses.free("0")
        await until(lambda: blocked.status("text").state == "ready")
        assert sim.record.generations == 1


async def test_a_block_stands_after_a_restart(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path)  # rests as long as blocks were measured to last
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        sim.google.block(0, 7200, "redirect")
        status, _, answer = await _ask(http)
        assert status == 503
        assert 7200 <= int(answer.headers["retry-after"]) <= 7200 * 1.1 + 1
    knocks = sim.google.world.addresses.asked["0"]
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        status, body, _ = await _ask(http)
        assert (status, body["error"]["code"]) == (503, "ip_blocked")
        assert sim.google.world.addresses.asked["0"] == knocks
        async with http.get("/api/accounts") as shown:
            (account,) = (await shown.json())["accounts"]
        assert account["state"] == "blocked"
        assert account["address_rest"]["phase"] == "open"
        assert account["address_rest"]["seconds_left"] > 7000
        async with http.get("/api/overview") as shown:
            (account,) = (await shown.json())["accounts"]
        assert account["address_rest"]["until"] > gate.service.clock.now() + 7000
        assert "seconds_left" not in account["address_rest"]  # the page counts down by itself


async def test_the_shared_pace_keeps_a_way_out_from_being_blocked(sim: Simulator, tmp_path: Path) -> None:
    """Two accounts behind one address, each within its own limit: together they stay below what Google minds."""
    sim.google.pace(12, 3.0, seconds=60)
    facts = tmp_path / "facts.toml"
    facts.write_text("[address]\nburst_calls = 6\n")
    settings = settings_for(sim, tmp_path, address_rpm_limit=120, wire_facts=facts)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert await _join(sim, http, "bob", 0) == 200
        statuses = [status for status, _, _ in await asyncio.gather(*(_ask(http) for _ in range(11)))]
        assert statuses == [200] * 11
        assert not sim.google.world.addresses.asked
    async with served(settings_for(sim, tmp_path / "hasty")) as gate, aiohttp.ClientSession(gate.url) as http:
        statuses = [status for status, _, _ in await asyncio.gather(*(_ask(http) for _ in range(30)))]
        assert 503 in statuses  # without it the same simulator blocks
