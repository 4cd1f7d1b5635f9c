"""Who answered: Google's own word in every dialect, streamed or not, under both policies, and what it says of the
account. The word comes at the end, so nothing is sent twice for it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from gemgate_simulator.accounts import Model
from tests.support.serving import Served, served, settings_for

PRO = "gemini-3-pro-preview"
SAID = {"role": "user", "content": "say hello"}
CONTENT = {"role": "user", "parts": [{"text": "say hello"}]}

DIALECTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions", {"model": PRO, "messages": [SAID]}),
    "responses": ("/v1/responses", "/v1/responses", {"model": PRO, "input": "say hello"}),
    "interactions": ("/v1beta/interactions", "/v1beta/interactions", {"model": PRO, "input": "say hello"}),
    "anthropic": ("/v1/messages", "/v1/messages", {"model": PRO, "max_tokens": 9, "messages": [SAID]}),
    "gemini": (
        f"/v1beta/models/{PRO}:generateContent",
        f"/v1beta/models/{PRO}:streamGenerateContent?alt=sse",
        {"contents": [CONTENT]},
    ),
}
WHO = {"right": "3.1 Pro", "lite": "3.1 Flash Lite", "guest": "3.1 Flash Lite", "silent": "unknown"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator
        assert not simulator.record.violations


def _become(sim: Simulator, who: str) -> None:
    account = sim.google.account("alice")
    account.downgraded, account.guest, account.unnamed = who == "lite", who == "guest", who == "silent"


def _model_in(dialect: str, body: dict[str, Any]) -> Any:
    return body.get("modelVersion") if dialect == "gemini" else body.get("served_model")


def _events(text: str) -> list[dict[str, Any]]:
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _told(dialect: str, events: list[dict[str, Any]]) -> list[Any]:
    """Whom the events of a stream name, in their order."""
    whole = {"responses": "response", "interactions": "interaction"}.get(dialect, "")
    bodies = [event.get(whole, event) for event in events]
    return [name for name in (_model_in(dialect, body) for body in bodies) if name]


def _failed(events: list[dict[str, Any]]) -> str:
    """What the last event of a stream says of its failure, "" for a good end."""
    last = events[-1]
    last = last.get("response", last)
    return json.dumps(last["error"]) if last.get("error") else ""


@pytest.mark.parametrize("who", list(WHO))
@pytest.mark.parametrize("policy", ["report", "require"])
@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_who_served_is_told_as_it_was(
    sim: Simulator, tmp_path: Path, dialect: str, policy: str, who: str, streamed: bool
) -> None:
    whole, stream, body = DIALECTS[dialect]
    wrong = policy == "require" and who in ("lite", "guest")
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        _become(sim, who)
        sent = {**body, "stream": True} if streamed and dialect != "gemini" else body
        headers = {"x-gemgate-model-policy": policy}
        async with http.post(stream if streamed else whole, json=sent, headers=headers) as answer:
            text = await answer.text()
            told = answer.headers.get("x-gemgate-served-model")
        if streamed:
            assert answer.status == 200, text
            events = _events(text)
            assert told is None  # the head goes out before Google says it
            assert ("not with" in _failed(events)) is wrong
            assert _told(dialect, events) == ([] if wrong else [WHO[who]])
        elif wrong:
            assert answer.status == 422, text
            assert WHO[who] in text
            assert dialect in ("gemini", "interactions") or "model_not_served" in text
            assert answer.headers["x-gemgate-generated"] == "maybe"
        else:
            assert answer.status == 200, text
            assert told == WHO[who] == _model_in(dialect, json.loads(text))
        assert sim.record.generations == 1  # never sent again by itself

        request_id = answer.headers["x-request-id"]
        async with http.get(f"/api/requests/{request_id}") as shown:
            explained = await shown.json()
        assert explained["model"]["served"] == WHO[who]
        assert explained["generations"] == 1
        (attempt,) = explained["attempts"]
        assert attempt["lowered"] == {"lite": "unknown", "guest": "guest"}.get(who)
        async with http.get("/metrics") as answer:
            metrics = await answer.text()
        assert f'gen_ai_response_model="{WHO[who]}"' in metrics
        assert ("gemgate_models_lowered_total{" in metrics) is (who in ("lite", "guest"))
        _judged(gate, who)


def _judged(gate: Served, who: str) -> None:
    """Only what Google's word speaks against rests: a guest altogether, a lowered account for Pro alone."""
    (account,) = gate.service.pool.accounts
    states = {need: account.status(need).state for need in ("pro", "text", "image")}
    if who == "guest":
        assert set(states.values()) == {"needs_login"}
    else:
        assert states == {"pro": "cooling" if who == "lite" else "ready", "text": "ready", "image": "ready"}


async def test_a_spent_account_rests_for_pro_until_its_reset_and_another_one_goes_on(
    sim: Simulator, tmp_path: Path
) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        account = sim.google.account("alice")
        account.used, account.spent_by = (1.0, 0.4), "downgrade"
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2]) as answer:
            assert answer.headers["x-gemgate-served-model"] == "3.1 Flash Lite"
        async with http.get(f"/api/requests/{answer.headers['x-request-id']}") as shown:
            explained = await shown.json()
        assert explained["attempts"][0]["lowered"] == "spent"
        assert any("usage window is full" in line["en"] for line in explained["story"])
        (member,) = gate.service.pool.accounts
        left = member.circuits["pro"].until - gate.service.clock.now()
        assert 5 * 3600 - 60 < left < 5 * 3600 * 1.1 + 60  # until the reset that Google names, and the jitter
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2]) as answer:
            assert answer.status == 429
            assert "lower model" in (await answer.json())["error"]["message"]
        async with http.post("/v1/chat/completions", json={"messages": [SAID]}) as answer:
            assert answer.status == 200
            assert answer.headers["x-gemgate-served-model"] == "3 Flash"
        assert sim.record.generations == 2
        cookies = sim.google.cookies("bob")
        async with http.post("/api/accounts", json={"name": "bob", "cookies": cookies}) as answer:
            assert answer.status == 200
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2]) as answer:
            assert answer.headers["x-gemgate-served-model"] == "3.1 Pro"


async def test_a_name_that_changes_under_its_id_is_told_as_it_is_now(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        account = sim.google.account("alice")
        account.renamed[account.models[1].id] = "4 Pro"
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2]) as answer:
            assert answer.headers["x-gemgate-served-model"] == "4 Pro"
        account.renamed[account.models[1].id] = "Something Else"  # of no known family: told, and never an error
        headers = {"x-gemgate-model-policy": "require"}
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2], headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["x-gemgate-served-model"] == "Something Else"


@pytest.mark.parametrize(("model", "granted"), [(PRO, True), ("gemini-flash-latest", False)])
async def test_longer_thinking_that_was_not_granted_is_named(
    sim: Simulator, tmp_path: Path, model: str, granted: bool
) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"model": model, "messages": [SAID], "reasoning_effort": "high"}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            assert answer.headers["x-gemgate-served-model"].endswith("Extended") is granted
            assert answer.headers.get("x-gemgate-ignored", "") == ("" if granted else "reasoning_effort")


FLASH = "gemini-flash-latest"
THOUGHT_OF: dict[str, tuple[str, dict[str, Any]]] = {
    "reasoning_effort": ("/v1/chat/completions", {"messages": [SAID], "reasoning_effort": "high"}),
    "reasoning.effort": ("/v1/chat/completions", {"messages": [SAID], "reasoning": {"effort": "high"}}),
    "reasoning.enabled": ("/v1/chat/completions", {"messages": [SAID], "reasoning": {"enabled": True}}),
    "reasoning.effort ": ("/v1/responses", {"input": "say hello", "reasoning": {"effort": "high"}}),
    "generation_config.thinking_level": (
        "/v1beta/interactions",
        {"input": "say hello", "generation_config": {"thinking_level": "high"}},
    ),
    "thinking": (
        "/v1/messages",
        {"max_tokens": -1, "messages": [SAID], "thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    "output_config.effort": (
        "/v1/messages",
        {"max_tokens": -1, "messages": [SAID], "output_config": {"effort": "high"}},
    ),
    "generationConfig.thinkingConfig.thinkingLevel": (
        f"/v1beta/models/{FLASH}:generateContent",
        {"contents": [CONTENT], "generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}},
    ),
    "generationConfig.thinkingConfig.thinkingBudget": (
        f"/v1beta/models/{FLASH}:generateContent",
        {"contents": [CONTENT], "generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}},
    ),
}


@pytest.mark.parametrize("field", THOUGHT_OF)
async def test_longer_thinking_that_was_not_granted_is_named_by_the_field_that_asked_for_it(
    sim: Simulator, tmp_path: Path, field: str
) -> None:
    path, body = THOUGHT_OF[field]
    given = body if ":" in path else {"model": FLASH, **body}
    async with (
        served(settings_for(sim, tmp_path)) as gate,
        aiohttp.ClientSession(gate.url) as http,
        http.post(path, json=given) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.headers["x-gemgate-ignored"] == field.strip()


async def test_the_policy_is_a_setting_and_a_wrong_word_is_refused(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, model_policy="require")
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        _become(sim, "lite")
        async with http.post("/v1/chat/completions", json=DIALECTS["openai"][2]) as answer:
            assert answer.status == 422
        headers = {"x-gemgate-model-policy": "perhaps"}
        async with http.post("/v1/chat/completions", json={"messages": [SAID]}, headers=headers) as answer:
            assert answer.status == 400
        assert sim.record.generations == 1


async def test_who_painted_is_told_and_stands_in_the_gallery(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"model": "gemini-3-pro-image-preview", "prompt": "a picture of a red fox", "n": 1}
        async with http.post("/v1/images/generations", json=body) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["x-gemgate-served-model"] == "Nano Banana 2"
        (kept,) = await gate.service.gallery.page(None, 5)
        assert kept.image.painter == "Nano Banana 2"
        assert kept.image.model == "gemini-3-pro-image-preview"
        headers = {"x-gemgate-model-policy": "require"}
        async with http.post("/v1/images/generations", json=body, headers=headers) as answer:
            assert answer.status == 422
            assert "Nano Banana 2" in await answer.text()
        body["model"] = "gemini-2.5-flash-image"
        async with http.post("/v1/images/generations", json=body, headers=headers) as answer:
            assert answer.status == 200
        assert sim.record.generations == 3


async def test_of_two_rows_of_a_family_the_first_is_asked_and_google_says_who_answered(
    sim: Simulator, tmp_path: Path
) -> None:
    """The id that stands for an older Flash is listed behind the family's own (docs/google-wire.md 2.3)."""
    account = sim.google.account("alice")
    older = Model("797f3d0293f288ad", "Flash", "3.5 Flash", "An older one", 1)
    account.models = (*account.models, older)
    flash = account.models[0]
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/chat/completions", json={"messages": [SAID]}) as answer:
            assert answer.headers["x-gemgate-served-model"] == flash.display
        assert gate.service.pool.accounts[0].models[0].id == flash.id
