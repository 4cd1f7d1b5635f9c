"""What front ends and gateways send, as they send it, and what they look for in the answer (docs/front-ends.md).

The requests are in tests/corpus/front_ends: fields, headers and order as in the sources of each program.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gemgate_simulator import Answer, Simulator
from tests.support.serving import Served, served, settings_for

CORPUS = Path(__file__).parents[1] / "corpus" / "front_ends"
REPLAYS = [
    pytest.param(entry, id=f"{file.stem}: {entry['name']}")
    for file in sorted(CORPUS.glob("*.json"))
    for entry in json.loads(file.read_text())
]
PAGE = "https://chat.example.com"
HELLO = "Hello & <b>you</b> *there*"
THOUGHTS = "they want a greeting"
TITLE = '{ "title": "👋 A Short Greeting" }'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        google = simulator.google
        google.reply("say hello", lambda p: Answer(HELLO, chars=5, thoughts=THOUGHTS if p.thinking else ""))
        google.reply("Invent a title", TITLE)
        google.reply("look at this", lambda prompt: "seen " + ", ".join(file.name for file in prompt.files))
        yield simulator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(sim: Simulator, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("gate")
    async with served(settings_for(sim, folder, api_key="front:secret", cors_origins=PAGE)) as running:
        yield running


def chunks(text: str) -> list[dict[str, Any]]:
    """The events of a stream as these programs read them: lines that begin with `data: `, up to [DONE]."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def joined(found: list[dict[str, Any]], field: str = "content") -> str:
    return "".join(choice["delta"].get(field) or "" for chunk in found for choice in chunk["choices"])


def judge(expect: str, status: int, headers: Any, text: str) -> None:
    """What the program shows of this answer is what Google said."""
    if expect == "preflight":
        assert (status, headers["access-control-allow-origin"]) == (204, PAGE)
        assert "POST" in headers["access-control-allow-methods"]
        assert "authorization" in headers["access-control-allow-headers"]
        return
    if expect == "refused":
        assert 400 <= status < 500
        said = json.loads(text)
        assert said["error"]["message"] if "error" in said else said["detail"]  # what is no route of a dialect
        return
    assert status == 200, text
    match expect:
        case "models":
            listed = json.loads(text)
            assert listed["object"] == "list"
            assert all(one["object"] == "model" and one["id"] for one in listed["data"])
            assert "gemini-3-flash-preview" in [one["id"] for one in listed["data"]]
        case "text":
            done = json.loads(text)
            assert done["choices"][0]["message"]["content"] == HELLO
            assert done["usage"]["completion_tokens"] > 0  # a channel test takes 0 for a failure
        case "chunks" | "thoughts":
            found = chunks(text)
            assert text.endswith("data: [DONE]\n\n")
            assert headers["content-type"].startswith("text/event-stream")
            assert joined(found) == HELLO
            assert joined(found, "reasoning_content") == (THOUGHTS if expect == "thoughts" else "")
            assert [c["finish_reason"] for chunk in found for c in chunk["choices"]][-1] == "stop"
        case "title":
            assert json.loads(json.loads(text)["choices"][0]["message"]["content"]) == json.loads(TITLE)
        case "picture seen":
            assert joined(chunks(text)) == "seen file-1.png"
        case "document seen":
            assert json.loads(text)["choices"][0]["message"]["content"] == "seen menu.pdf"
        case "call":
            calls = [call for c in chunks(text) for o in c["choices"] for call in o["delta"].get("tool_calls", [])]
            assert calls[0]["id"]
            assert calls[0]["function"]["name"] == "get_weather"
            assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"city": "Paris"}
        case "picture":
            (made,) = json.loads(text)["data"]
            assert base64.b64decode(made["b64_json"])[1:4] == b"PNG"
        case "google text" | "google chunks":
            found = [json.loads(text)] if expect == "google text" else chunks(text)
            parts = [p for one in found for p in one["candidates"][0]["content"]["parts"] if not p.get("thought")]
            assert "".join(part["text"] for part in parts) == HELLO
        case "anthropic text":
            assert json.loads(text)["content"][-1]["text"] == HELLO
        case "anthropic chunks":
            assert "".join(one["delta"].get("text", "") for one in chunks(text) if "delta" in one) == HELLO
        case _:
            raise AssertionError(f"unknown expectation {expect}")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("entry", REPLAYS)
async def test_what_it_sends_is_answered_as_it_expects(gate: Served, sim: Simulator, entry: dict[str, Any]) -> None:
    before = sim.record.received
    headers = entry.get("headers", {})
    async with aiohttp.ClientSession() as http:
        answer = await http.request(entry["method"], gate.url + entry["path"], headers=headers, json=entry.get("body"))
        text = await answer.text()
    judge(entry["expect"], answer.status, answer.headers, text)
    if headers.get("Origin") == PAGE:
        assert answer.headers["access-control-allow-origin"] == PAGE
    assert sim.record.received - before == (entry["expect"] not in ("models", "preflight", "refused"))
    assert not sim.record.violations


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_that_are_not_named_may_not_read(gate: Served) -> None:
    asked = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    async with aiohttp.ClientSession(gate.url) as http, http.options("/v1/chat/completions", headers=asked) as answer:
        assert "access-control-allow-origin" not in answer.headers
