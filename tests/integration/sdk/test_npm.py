"""The official SDKs from npm and the Vercel AI SDK through each of its providers, as programs of their own.

The scripts in tests/judges/js use the SDKs as their manuals say and tell what came; here it is judged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gemgate.web import sse
from gemgate_simulator import Simulator
from gemgate_simulator.script import Upload
from tests.support.clients import npm, told
from tests.support.serving import served, settings_for

__all__ = ["npm"]

HELLO = 'Hello & <b>"世界"</b> 🚀 \\*escaped\\* `code`\n\n```js\n1 < 2 && 3 > 2\n```\nend'
THOUGHTS = "let me <think> & see"
FROGS = "It rains frogs."


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        google = simulator.google
        google.reply("say hello", HELLO, chars=7, thoughts=THOUGHTS)
        google.reply("look at this", lambda prompt: f"seen {described(prompt.files)}")
        google.reply("read this", lambda prompt: f"read {described(prompt.files)}")
        google.fault("generate", "code", code=1013, match="say trouble", times=-1)
        yield simulator


def described(files: tuple[Upload, ...]) -> str:
    return ", ".join(f"{file.name} {len(file.data)}" for file in files)


async def heard(sim: Simulator, folder: Path, npm: Path, script: str, *arguments: str) -> dict[str, Any]:
    """What the script found; no prompt may have been sent twice, and every rule of Google's was kept."""
    async with served(settings_for(sim, folder, api_key="js:secret")) as gate:
        found = await told(npm, script, gate.url, "secret", *arguments)
    assert not sim.record.violations
    troubles = [call for call in sim.record.calls if "say trouble" in call.prompt]
    assert len(troubles) == 1, "an answer that failed was asked for again"
    return found


def is_trip(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found["city"], str) and type(found["days"]) is int


@pytest.mark.timeout(300)
async def test_openai(sim: Simulator, tmp_path: Path, npm: Path) -> None:
    found = await heard(sim, tmp_path, npm, "openai")
    assert found["models"][0] == "gemini-3-flash-preview"
    assert found["chat"]["text"] == found["helper"]["text"] == HELLO
    assert found["chat"]["id"].startswith("req_")
    stream = found["stream"]
    assert (stream["text"], stream["thoughts"]) == (HELLO, THOUGHTS)
    assert stream["pieces"] > 3
    assert stream["tokens"] > 0
    assert found["tools"]["asked"] == [{"city": "Paris"}]
    assert FROGS in found["tools"]["text"]
    assert found["toolStream"]["name"] == "get_weather"
    assert found["toolStream"]["reason"] == "tool_calls"
    assert is_trip(found["structured"])
    assert found["see"] == "seen file-1.png 78"
    files = found["files"]
    assert (files["name"], files["bytes"], files["kept"], files["gone"]) == (
        "jam notes.txt", 23, "The word is marmalade.\n", True,
    )  # fmt: skip
    assert files["text"] == "read jam notes.txt 23"
    responses = found["responses"]
    assert responses["text"] == responses["kept"] == responses["deltas"] == HELLO
    assert responses["last"] == "response.completed"
    assert is_trip(responses["trip"])
    assert found["pictures"] == ["PNG", "PNG"]
    assert found["errors"] == [
        ["NotFoundError", 404, "model_not_found", True],
        ["AuthenticationError", 401, "invalid_api_key", True],
        ["BadRequestError", 400, None, True],
        ["InternalServerError", 502, "upstream_error", True],
        ["NotFoundError", 404, "file_not_found", True],
    ]


@pytest.mark.timeout(300)
async def test_google(sim: Simulator, tmp_path: Path, npm: Path) -> None:
    found = await heard(sim, tmp_path, npm, "genai")
    assert "models/gemini-3-flash-preview" in found["models"]
    assert found["chat"]["text"] == HELLO
    assert found["chat"]["reason"] == "STOP"
    assert found["stream"]["text"] == HELLO
    assert found["stream"]["thoughts"] == THOUGHTS
    assert found["stream"]["pieces"] > 3
    assert found["history"] == [HELLO, HELLO]
    assert found["tools"]["asked"] == [{"city": "Paris"}]
    assert FROGS in found["tools"]["text"]
    assert is_trip(found["structured"])
    assert found["see"] == "seen file-1.png 78"
    assert found["files"] == {
        "name": "jam notes.txt", "bytes": 23, "state": "ACTIVE", "text": "read jam notes.txt 23", "listed": True,
    }  # fmt: skip
    assert found["pictures"] == ["PNG"]
    assert found["count"] > 0
    assert found["errors"] == [
        [True, 404, "NOT_FOUND"],
        [True, 401, "UNAUTHENTICATED"],
        [True, 502, "INTERNAL"],
        [True, 404, "NOT_FOUND"],
    ]


@pytest.mark.timeout(300)
async def test_anthropic(sim: Simulator, tmp_path: Path, npm: Path) -> None:
    found = await heard(sim, tmp_path, npm, "anthropic")
    assert "gemini-3-flash-preview" in found["models"]
    assert found["chat"]["text"] == HELLO
    assert found["chat"]["reason"] == "end_turn"
    assert found["stream"]["text"] == HELLO
    assert found["stream"]["thoughts"] == THOUGHTS
    assert found["stream"]["pieces"] > 3
    assert found["tools"]["asked"] == [{"city": "Paris"}]
    assert found["tools"]["reason"] == found["toolStream"]["reason"] == "tool_use"
    assert FROGS in found["tools"]["text"]
    assert is_trip(found["structured"])
    assert found["see"] == "seen file-1.png 78"
    assert found["files"] == "read jam notes.pdf 15"
    assert "jam notes.txt" in found["document"]  # what came as text goes up as text, under its title
    assert "The word is marmalade." in found["document"]
    assert found["count"] > 0
    assert found["errors"] == [
        ["NotFoundError", 404, "not_found_error", True],
        ["AuthenticationError", 401, "authentication_error", True],
        ["BadRequestError", 400, "invalid_request_error", True],
        ["InternalServerError", 502, "api_error", True],
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["responses", "chat", "compatible", "anthropic", "google"])
async def test_the_vercel_ai_sdk(sim: Simulator, tmp_path: Path, npm: Path, way: str) -> None:
    found = await heard(sim, tmp_path, npm, "ai", way)
    assert found["chat"]["text"] == HELLO
    assert found["chat"]["reason"] == "stop"
    assert found["chat"]["tokens"] > 0
    assert found["stream"]["text"] == HELLO
    assert found["stream"]["pieces"] > 3
    assert found["stream"]["thoughts"] == ("" if way == "chat" else THOUGHTS)  # this provider reads no such field
    assert found["tools"]["asked"] == [{"city": "Paris"}] * 2
    assert FROGS in found["tools"]["text"]
    assert FROGS in found["tools"]["streamed"]
    assert is_trip(found["structured"])
    assert found["see"].startswith("seen ")
    assert found["see"].endswith(" 78")
    assert found["files"].startswith("read ")
    assert found["pictures"] == ("image/png" if way in ("responses", "compatible") else None)
    assert [error[:2] for error in found["errors"]] == [[True, 404], [True, 401], [True, 502]]
    assert all(error[2] for error in found["errors"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("package", ["@google/genai", "genai1"])
async def test_every_release_of_google_s_sdk_hears_of_silence_and_loss(
    sim: Simulator, tmp_path: Path, npm: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Blank lines before, between and behind the chunks say nothing; a cut answer is never taken for a whole one."""
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(sse, "OPEN_SECONDS", 0.1)
    sim.google.reply("say slowly", "one two three", delay=0.5, chars=4, pace=0.2)
    sim.google.reply("that is lost", "word " * 100, chars=20, pace=0.01)
    sim.google.fault("generate", "code", code=1013, after_frames=8, finished=False, match="that is lost", times=-1)
    async with served(settings_for(sim, tmp_path, api_key="js:secret")) as gate:
        found = await told(npm, "genai_streams", gate.url, "secret", package)
    assert found["slow"] == {"text": "one two three", "failed": ""}
    assert found["talk"] == ["one two three"] * 2
    assert [call.prompt for call in sim.record.calls][-1] == "now say slowly again"  # the SDK keeps chunks as turns
    assert found["lost"]["text"].startswith("word")
    assert found["lost"]["failed"]
    assert not sim.record.violations
