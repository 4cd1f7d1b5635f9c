"""How sessions and addresses end, each told apart from the others (docs/google-wire.md 4.2, 5.3 to 5.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.policy.session_end import ENDS
from gemgate.pool.account import Account
from gemgate_simulator import Simulator
from gemgate_simulator.google import Google
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for


def _status(number: int) -> Callable[[Google, str], None]:
    return lambda google, name: setattr(google.account(name), "status", number)


def _set(field: str, value: object) -> Callable[[Google, str], None]:
    return lambda google, name: setattr(google.account(name), field, value)


ENDINGS: dict[str, tuple[str, Callable[[Google, str], Any]]] = {
    "taken": ("superseded", lambda google, name: google.supersede(name)),
    "password": ("revoked", lambda google, name: google.revoke(name)),
    "guest": ("guest", _set("guest", True)),
    "consent": ("consent", _set("consented", False)),
    "age": ("age_check", _set("age_asked", True)),
    "child": ("age_check", _status(1057)),
    "terms": ("terms", _status(1042)),
    "refused": ("rejected", _status(1021)),
    "doubted": ("untrusted", _status(1033)),
}
BLOCKS = {"redirect": "captcha", "captcha": "captcha", "page": "captcha", "code": "region", "plain": "ip_block"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=[*ENDINGS, "old", "bound"], ways=2) as simulator:
        yield simulator
        assert not simulator.record.violations


async def _join(http: aiohttp.ClientSession, sim: Simulator, name: str, **more: Any) -> dict[str, Any]:
    body = {"name": name, "cookies": sim.google.cookies(name), **more}
    async with http.post("/api/accounts", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _shown(http: aiohttp.ClientSession, name: str, language: str = "en") -> dict[str, Any]:
    async with http.get(f"/api/accounts/{name}", headers={"accept-language": language}) as answer:
        return await answer.json()


def _account(gate: Served, name: str) -> Account:
    return gate.service.account_registry.account(name)


async def test_every_end_has_its_word_its_sentence_and_its_remedy(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        for name in ENDINGS:
            shown = await _join(http, sim, name, desktop="https://desk.example" if name == "password" else "")
            assert (shown["state"], shown["reason"], shown["remedy"]) == ("ready", None, None)
        sentences = set()
        for name, (reason, happens) in ENDINGS.items():
            happens(sim.google, name)
            async with http.post(f"/api/accounts/{name}/refresh") as answer:
                assert answer.status >= 400
            assert not sim.record.violations, name
            shown, chinese = await _shown(http, name), await _shown(http, name, "zh")
            assert (name, shown["state"], shown["reason"]) == (name, ENDS[reason].state, reason)  # type: ignore[index]
            assert shown["remedy"]["text"] == ENDS[reason].remedy.en  # type: ignore[index]
            assert chinese["remedy"]["text"] == ENDS[reason].remedy.zh  # type: ignore[index]
            opens = "desktop" if name == "password" else "google"
            assert (shown["remedy"]["opens"], shown["remedy"]["url"].startswith("https://")) == (opens, True)
            sentences.add(shown["why"])
        assert len(sentences) == len(ENDINGS)
        assert (await _shown(http, "password"))["remedy"]["url"] == "https://desk.example"
        lives = {life.account: life for life in await gate.service.account_registry.store.lives()}
        ended = {name: (life.died, life.ended_by) for name, life in lives.items() if life.ended_at is not None}
        needed = {name: (True, r) for name, (r, _) in ENDINGS.items() if ENDS[r].state == "needs_login"}  # type: ignore[index]
        assert ended == needed
        assert {life.arm for life in lives.values()} == {"frozen"}  # the suite rotates nothing
        async with http.get("/api/lives") as answer:
            (arm,) = (await answer.json())["arms"]
        assert (arm["arm"], arm["n"], arm["deaths"]) == ("frozen", len(ENDINGS), len(needed))
        assert {one["reason"]: one["deaths"] for one in arm["ended_by"]} == {r: 1 for _, r in needed.values()}
        async with http.get("/metrics") as answer:
            assert 'gemgate_session_ends_total{account="password",reason="revoked"} 1.0' in await answer.text()
    assert sim.record.generations == 0


async def test_a_bound_session_and_one_that_is_old_die_of_their_own_reasons(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        for name in ("old", "bound"):
            await _join(http, sim, name)
        sim.google.account("bound").rotation = "bound"
        rotated = await _account(gate, "bound").upstream.rotate()
        _account(gate, "bound").renewal = rotated.renewal
        _account(gate, "old").renewed_at -= 7200
        for name in ("old", "bound"):
            sim.google.expire(name)
            await http.post(f"/api/accounts/{name}/refresh")
        assert [(await _shown(http, name))["reason"] for name in ("old", "bound")] == ["expired", "device_bound"]
        body = {"account": "bound", "cookies": sim.google.sign_in("bound")}
        async with http.post("/api/cookies", json=body) as answer:
            assert answer.status == 200
        shown = await _shown(http, "bound")
        assert (shown["state"], shown["renewal"]) == ("ready", None)  # what the dead session was refused says nothing


@pytest.mark.parametrize("form", BLOCKS)
async def test_a_captcha_a_region_and_a_block_are_told_apart(sim: Simulator, tmp_path: Path, form: Any) -> None:
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file)
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        await _join(http, sim, "old")
        sim.google.block(0, 600, form)
        await http.post("/api/accounts/old/refresh")
        shown = await _shown(http, "old")
        assert (shown["state"], shown["reason"]) == ("blocked", BLOCKS[form])
        assert shown["address_rest"]["phase"] == "open"
        assert shown["remedy"]["text"]


async def test_an_account_with_two_ways_out_goes_the_other_one_and_stays_there(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, proxy_ca_file=sim.ca_file, address_rpm_limit=10)
    chat = {"messages": [{"role": "user", "content": "say hello"}]}
    async with served(settings, wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        shown = await _join(http, sim, "old", proxy=" ".join(sim.proxies))
        assert shown["address"] == sim.proxies[0]
        assert (shown["address_rest"]["at_once"], shown["address_rest"]["at_once_warm"]) == (10, 40)
        sim.google.block(0, 600, "redirect")
        async with http.post("/v1/chat/completions", json=chat) as answer:
            assert answer.status == 503
        await gate.service.account_registry.renew()
        await until(lambda: _account(gate, "old").status().state == "ready")
        assert _account(gate, "old").egress.name == sim.proxies[1]
        async with http.post("/v1/chat/completions", json=chat) as answer:
            assert answer.status == 200
        sim.google.world.addresses.free("0")
        _account(gate, "old").egress.circuit  # noqa: B018
        await gate.service.account_registry.renew()
        assert _account(gate, "old").egress.name == sim.proxies[1]  # it does not wander
    async with served(settings, wait_ready=False) as gate:
        assert _account(gate, "old").egress.name == sim.proxies[1]  # nor over a restart
    assert sim.record.generations == 1
