"""Gems as models: listed and answered in every dialect by the account that has them; made, changed, copied, deleted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

POET = {"name": "Sea Poet", "prompt": "You write of the sea.", "description": "Verses"}
MODEL = "gem:Sea-Poet"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        simulator.google.account("bob").gems["g_poet"] = ("Sea Poet", "Verses", "You write of the sea.")
        simulator.google.reply("", lambda prompt: f"{prompt.account} as {prompt.gem or 'itself'}")
        yield simulator
        assert not simulator.record.violations


def both(sim: Simulator, folder: Path) -> Settings:
    """Settings with both accounts."""
    entries = []
    for name in ("alice", "bob"):
        (folder / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
        entries.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n')
    (folder / "accounts.toml").write_text("".join(entries))
    return settings_for(
        None,
        folder,
        proxy_url=sim.proxy_url,
        proxy_ca_file=sim.ca_file,
        accounts_file=folder / "accounts.toml",
    )


@asynccontextmanager
async def running(sim: Simulator, folder: Path) -> AsyncIterator[Served]:
    async with served(both(sim, folder)) as gate:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        yield gate


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with running(sim, tmp_path) as gate:
        yield gate


def asked(model: str) -> dict[str, tuple[str, dict[str, Any]]]:
    say: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
    return {
        "chat": ("/v1/chat/completions", {"model": model, "messages": say}),
        "responses": ("/v1/responses", {"model": model, "input": "hello"}),
        "messages": ("/v1/messages", {"model": model, "max_tokens": 99, "messages": say}),
        "gemini": (f"/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "hello"}]}]}),
        "interactions": ("/v1beta/interactions", {"model": model, "input": "hello"}),
        "simple": ("/v1/generate", {"model": model, "prompt": "hello"}),
    }


@pytest.mark.parametrize("dialect", list(asked("")))
async def test_a_gem_is_a_model_in_every_dialect(sim: Simulator, http: aiohttp.ClientSession, dialect: str) -> None:
    path, body = asked(MODEL)[dialect]
    async with http.post(path, json=body) as response:
        assert response.status == 200
        assert "bob as g_poet" in await response.text()
    path, body = asked("gem:nobody")[dialect]
    async with http.post(path, json=body) as response:
        assert response.status == 404
        assert MODEL in await response.text()
    assert sim.record.generations == 1


async def test_gems_are_listed_with_the_account_that_has_them(http: aiohttp.ClientSession) -> None:
    for path, name in (("/v1/models", MODEL), ("/v1beta/models", f"models/{MODEL}"), ("/api/models", MODEL)):
        async with http.get(path) as response:
            assert name in str(await response.json())
    async with http.get("/api/gems") as response:
        told = await response.json()
    assert told == {"gems": [{"id": "g_poet", "account": "bob", "model": MODEL, **POET}], "problems": {}}
    async with http.get("/api/accounts") as response:
        models = {one["name"]: one["models"] for one in (await response.json())["accounts"]}
    assert (MODEL in models["alice"], MODEL in models["bob"]) == (False, True)


async def test_a_chat_with_a_gem_goes_on(sim: Simulator, http: aiohttp.ClientSession) -> None:
    turns: list[dict[str, Any]] = []
    for words in ("hello", "and more"):
        turns.append({"role": "user", "content": words})
        async with http.post("/v1/chat/completions", json={"model": "gem:sea poet", "messages": turns}) as response:
            turns.append((await response.json())["choices"][0]["message"])
    assert [turn["content"] for turn in turns[1::2]] == ["bob as g_poet"] * 2
    assert len({call.cid for call in sim.record.calls}) == 1


async def test_gems_are_made_changed_copied_and_deleted(sim: Simulator, http: aiohttp.ClientSession) -> None:
    alice, bob = (sim.google.account(name).gems for name in ("alice", "bob"))

    async def call(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with http.request(method, path, json=body) as response:
            return response.status, await response.json()

    status, made = await call("POST", "/api/gems/alice", {"name": "Cook", "prompt": "You cook."})
    assert (status, made["model"], alice[made["id"]]) == (200, "gem:Cook", ("Cook", "", "You cook."))
    assert (await call("POST", "/api/gems/alice", {"name": "cook", "prompt": "x"}))[0] == 409
    status, changed = await call("PATCH", f"/api/gems/alice/{made['id']}", {"prompt": "You bake."})
    assert (status, changed["name"], alice[made["id"]]) == (200, "Cook", ("Cook", "", "You bake."))
    status, done = await call("POST", f"/api/gems/alice/{made['id']}/copy")
    assert (status, done["problems"], [one["account"] for one in done["gems"]]) == (200, {}, ["bob"])
    assert ("Cook", "", "You bake.") in bob.values()
    await call("POST", "/api/gems/bob/g_poet/copy")
    await call("POST", "/api/gems/bob/g_poet/copy")
    assert sorted(name for name, _, _ in alice.values()) == ["Cook", "Sea Poet"], "a second copy changes the first"
    path, body = asked("gem:cook")["chat"]
    async with http.post(path, json=body) as response:
        assert response.status == 200
    status, _ = await call("DELETE", f"/api/gems/alice/{made['id']}")
    assert (status, made["id"] in alice) == (200, False)
    for method, at in (("DELETE", ""), ("PATCH", ""), ("POST", "/copy")):
        assert (await call(method, f"/api/gems/alice/{made['id']}{at}", {}))[0] == 404
    assert (await call("POST", "/api/gems/carol", {"name": "x", "prompt": "x"}))[0] == 404
    async with http.get("/api/accounts/bob") as response:
        assert {"gem copied"} <= {line["action"] for line in (await response.json())["audit"]}
    assert sim.record.generations == 1


async def test_an_account_whose_gems_cannot_be_read_serves_all_the_same(sim: Simulator, tmp_path: Path) -> None:
    sim.google.fault("CNgdBe", "reject7", times=-1)
    async with running(sim, tmp_path) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.get("/api/gems") as response:
            told = await response.json()
        assert (told["gems"], set(told["problems"])) == ([], {"alice", "bob"})
        path, body = asked("gemini-2.5-flash")["chat"]
        async with http.post(path, json=body) as response:
            assert response.status == 200
