"""Nothing waits in silence: streams open and beat while they wait, behind a real nginx, and fail in-band afterwards."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from PIL import Image

from gemgate_simulator import Painting, Simulator
from tests.support.nginx import nginx
from tests.support.patience import until
from tests.support.serving import served, settings_for

FAST = {"first_byte_timeout_seconds": 30, "idle_timeout_seconds": 30, "request_timeout_seconds": 120}
PATIENT = {**FAST, "first_byte_timeout_seconds": 110, "idle_timeout_seconds": 110}
IMAGE = "gemini-2.5-flash-image"
WISH = "a red fox"
TURN = [{"role": "user", "content": WISH}]
CONTENTS = [{"role": "user", "parts": [{"text": WISH}]}]


def dot() -> str:
    """A small image as a data: URL."""
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": IMAGE, "stream": True, "messages": TURN}),
    "responses": ("/v1/responses", {"model": IMAGE, "stream": True, "store": False, "input": WISH}),
    "interactions": ("/v1beta/interactions", {"model": IMAGE, "stream": True, "store": False, "input": WISH}),
    "messages": ("/v1/messages", {"model": IMAGE, "stream": True, "max_tokens": 99, "messages": TURN}),
    "gemini": (f"/v1beta/models/{IMAGE}:streamGenerateContent?alt=sse", {"contents": CONTENTS}),
    "gemini array": (f"/v1beta/models/{IMAGE}:streamGenerateContent", {"contents": CONTENTS}),
    "images": ("/v1/images/generations", {"model": IMAGE, "stream": True, "prompt": WISH, "response_format": "url"}),
    "edits": (
        "/v1/images/edits",
        {"model": IMAGE, "stream": True, "prompt": WISH, "response_format": "url", "images": [{"image_url": dot()}]},
    ),
}
ENDS = {
    "chat": "data: [DONE]",
    "responses": "event: response.completed",
    "interactions": "event: interaction.completed",
    "messages": "event: message_stop",
    "gemini": '"finishReason":"STOP"',
    "gemini array": '"finishReason":"STOP"',
    "images": "event: image_generation.completed",
    "edits": "event: image_edit.completed",
}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


def hurry(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3) -> None:
    monkeypatch.setattr("gemgate.web.sse.OPEN_SECONDS", seconds)
    monkeypatch.setattr("gemgate.web.sse.HEARTBEAT_SECONDS", seconds)


async def told(url: str, name: str) -> tuple[int, str, float]:
    """Status, everything that came, and the seconds until the status line."""
    path, body = STREAMS[name]
    began = time.monotonic()
    async with aiohttp.ClientSession(url) as http, http.post(path, json=body) as answer:
        opened = time.monotonic() - began
        return answer.status, await answer.text(), opened


@pytest.mark.parametrize("name", STREAMS)
async def test_a_slow_image_comes_through_an_nginx_that_would_not_wait_for_it(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """nginx gives up after two seconds of silence (60 by default); the image takes five."""
    hurry(monkeypatch)
    sim.google.reply("fox", "here", image=Painting(), delay=5.0)
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with nginx(tmp_path, f"proxy_pass {gate.url}; proxy_read_timeout 2s;") as front:
            status, text, opened = await told(front, name)
    assert status == 200
    assert opened < 4
    assert ENDS[name] in text
    assert sim.record.generations == 1


@pytest.mark.parametrize("name", STREAMS)
async def test_the_control_a_silent_stream_is_a_504_there(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hurry(monkeypatch, 60)
    sim.google.reply("fox", "here", image=Painting(), delay=4.0)
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        with nginx(tmp_path, f"proxy_pass {gate.url}; proxy_read_timeout 2s;") as front:
            status, _, _ = await told(front, name)
    assert status == 504


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_a_image_of_75_seconds_arrives_through_nginx_with_its_defaults(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("fox", "here", image=Painting(), delay=75.0)
    async with served(settings_for(sim, tmp_path, **PATIENT)) as gate:
        with nginx(tmp_path, f"proxy_pass {gate.url};") as front:
            all_told = await asyncio.gather(*(told(front, name) for name in STREAMS))
    for name, (status, text, opened) in zip(STREAMS, all_told, strict=True):
        assert status == 200, name
        assert opened < 10, name
        assert ENDS[name] in text, name
    assert sim.record.generations == len(STREAMS)


@pytest.mark.parametrize("name", STREAMS)
async def test_what_fails_after_the_200_is_told_in_the_dialects_own_form(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hurry(monkeypatch, 0.2)
    sim.google.reply("fox", "I cannot draw that.", delay=1.0)
    body = STREAMS[name][1]
    async with served(settings_for(sim, tmp_path, **FAST)) as gate:
        async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="x", max_retries=0) as client:
            body = {key: value for key, value in body.items() if key != "stream"}
            if name == "images":
                with pytest.raises(openai.APIError):
                    async for _ in await client.images.generate(**body, stream=True):
                        pass
        status, text, _ = await told(gate.url, name)
    assert status == 200
    if name in ("images", "edits"):
        assert text.startswith(": still painting\n\n")
        last = text.strip().rpartition("\n\n")[2]
        assert last.startswith("event: error\ndata: ")
        assert json.loads(last.partition("data: ")[2])["error"]["code"]
    else:
        assert text.startswith((": ping", "event: ping", "\r\n"))
        assert "I cannot" in text
    assert sim.record.generations == (2 if name == "images" else 1)


async def test_another_account_takes_over_while_only_heartbeats_went_out(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.web.sse.OPEN_SECONDS", 0.0)
    sim.google.reply("hello", "Late.")
    sim.google.fault("generate", "code", code=1037)
    lines = []
    for name in ("alice", "bob"):
        (tmp_path / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
        lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{tmp_path}/{name}.json"\n')
    (tmp_path / "accounts.toml").write_text("".join(lines))
    settings = settings_for(None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, **FAST)
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        body = {"model": "gemini-3-flash-preview", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            text = await answer.text()
    assert text.startswith(": ping\n\n")
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "Late."
    assert (sim.record.received, sim.record.generations) == (2, 1)


async def test_what_came_too_late_for_the_headers_stands_in_the_explanation(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.1)
    sim.google.reply("fox", "late words", delay=1.5)
    body = {"model": "gemini-3-flash-preview", "stream": True, "messages": TURN, "temperature": 1}
    async with served(settings_for(sim, tmp_path, **FAST)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert "[DONE]" in await answer.text()
            assert answer.headers["x-gemgate-ignored"] == "temperature"
            assert not {"x-gemgate-conversation", "x-gemgate-attempts"} & {name.lower() for name in answer.headers}
            request_id = answer.headers["x-request-id"]
        async with http.get(f"/api/requests/{request_id}") as told:
            story = await told.json()
    assert (story["reuse"], len(story["attempts"]), story["ignored"]) == ("miss", 1, ["temperature"])


async def test_a_failure_before_the_200_keeps_its_status(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"model": "no-such-model", "stream": True, "messages": TURN}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 404


async def test_the_anthropic_client_skips_a_ping_before_the_message(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, 0.1)
    sim.google.reply("fox", "late words", delay=1.5)
    async with (
        served(settings_for(sim, tmp_path, **FAST)) as gate,
        anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0) as client,
        client.messages.stream(model="gemini-3-flash-preview", max_tokens=99, messages=TURN) as stream,  # type: ignore[arg-type]
    ):
        message = await stream.get_final_message()
    assert "late words" in str(message.content)
