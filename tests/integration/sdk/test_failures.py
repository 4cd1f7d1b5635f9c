"""What official clients make of our errors: the class, the wait, whether they try again, and an end in mid-stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types

from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
CONTENT = {"parts": [{"text": "hi"}]}
ASKED: Any = [{"role": "user", "content": "doomed"}]


class Clients:
    """One client of each make, all with their own way of trying again."""

    def __init__(self, url: str, key: str = "any", retries: int = 2) -> None:
        self.openai = openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=retries)
        self.anthropic = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=retries)
        self.google = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url + "/gemini"))

    async def chat(self) -> None:
        await self.openai.chat.completions.create(model=MODEL, messages=ASKED)

    async def responses(self) -> None:
        await self.openai.responses.create(model=MODEL, input="doomed")

    async def messages(self) -> None:
        await self.anthropic.messages.create(model=MODEL, max_tokens=10, messages=ASKED)

    async def gemini(self) -> None:
        await self.google.aio.models.generate_content(model=MODEL, contents="doomed")

    async def chat_stream(self) -> AsyncIterator[str]:
        async for chunk in await self.openai.chat.completions.create(model=MODEL, messages=ASKED, stream=True):
            yield chunk.choices[0].delta.content or ""

    async def responses_stream(self) -> AsyncIterator[str]:
        async for event in await self.openai.responses.create(model=MODEL, input="doomed", stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta
            if event.type == "response.failed":
                assert event.response.status == "failed"
                assert event.response.error is not None
                raise openai.APIError(event.response.error.message, None, body=None)  # type: ignore[arg-type]

    async def messages_stream(self) -> AsyncIterator[str]:
        async with self.anthropic.messages.stream(model=MODEL, max_tokens=10, messages=ASKED) as stream:
            async for text in stream.text_stream:
                yield text

    async def gemini_stream(self) -> AsyncIterator[str]:
        async for chunk in await self.google.aio.models.generate_content_stream(model=MODEL, contents="doomed"):
            yield chunk.text or ""

    async def close(self) -> None:
        await self.openai.close()
        await self.anthropic.close()
        await self.google.aio.aclose()


Ask = Callable[[Clients], Awaitable[None]]
WHOLE = [Clients.chat, Clients.responses, Clients.messages, Clients.gemini]
STREAMS = [Clients.chat_stream, Clients.responses_stream, Clients.messages_stream, Clients.gemini_stream]
ANY_ERROR = (openai.APIError, anthropic.APIError, google_errors.APIError)


def name_of(value: Any) -> str:
    return str(value.__name__)


@pytest.fixture(autouse=True)
def _history_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken answer is looked for in the history, for seconds; here it is not there."""
    monkeypatch.setattr("gemgate.upstreams.web.upstream.READ_BACK_AFTER", (0.05,))


@pytest.fixture
async def clients(gate: Served) -> AsyncIterator[Clients]:
    made = Clients(gate.url)
    yield made
    await made.close()


def status_of(error: Exception) -> int:
    return int(getattr(error, "status_code", None) or getattr(error, "code", 0))


@pytest.mark.parametrize("stream", STREAMS, ids=name_of)
async def test_an_end_in_mid_stream_is_an_error_after_the_text(
    clients: Clients, sim: Simulator, stream: Callable[[Clients], AsyncIterator[str]]
) -> None:
    sim.google.reply("doomed", "a long answer " * 40, chars=20)
    sim.google.fault("generate", "code", code=1013, after_frames=8, finished=False)
    told: list[str] = []

    async def listen() -> None:
        async for text in stream(clients):
            told.append(text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ANY_ERROR) as caught:
        await listen()
    assert "".join(told).startswith("a long answer a long answer")
    assert "broke off" in str(caught.value)
    assert sim.record.generations == 1, "a client must not have sent it again"


@pytest.mark.parametrize("ask", WHOLE, ids=name_of)
async def test_a_failure_that_may_have_generated_is_not_tried_again_by_clients(
    clients: Clients, sim: Simulator, ask: Ask
) -> None:
    sim.google.fault("generate", "code", code=1013, times=-1)
    with pytest.raises(ANY_ERROR) as caught:
        await ask(clients)
    assert status_of(caught.value) == 502
    assert sim.record.generations == 1


@pytest.mark.parametrize("ask", WHOLE, ids=name_of)
async def test_an_hour_long_limit_is_told_and_not_slept_through(clients: Clients, sim: Simulator, ask: Ask) -> None:
    sim.google.fault("generate", "code", code=1037, times=-1)
    with pytest.raises(ANY_ERROR) as caught:
        await ask(clients)
    assert status_of(caught.value) == 429
    if not isinstance(caught.value, google_errors.APIError):
        headers = caught.value.response.headers  # type: ignore[union-attr]
        assert headers["x-should-retry"] == "false"
        assert int(headers["retry-after"]) > 60
        assert int(headers["retry-after"]) * 1000 >= int(headers["retry-after-ms"]) > 60_000
        assert headers["x-request-id"] == headers["request-id"]
    assert sim.record.generations == 0


async def test_a_short_limit_is_waited_out_by_clients(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path, model_interval_seconds=1)) as gate:
        clients = Clients(gate.url)
        for ask in (Clients.chat, Clients.responses, Clients.messages):
            await ask(clients)
        await clients.close()
        body = {"messages": ASKED}
        async with aiohttp.ClientSession(gate.url) as session:
            async with session.post("/v1/chat/completions", json=body) as answer:
                assert answer.status == 429
                assert answer.headers["x-ratelimit-limit-requests"]
                assert answer.headers["x-ratelimit-remaining-requests"] == "0"
                assert "x-should-retry" not in answer.headers
                wait = int(answer.headers["retry-after"])
                text = (await answer.json())["error"]["message"]
                assert f"{wait}" in text
            async with session.post(f"/v1beta/models/{MODEL}:generateContent", json={"contents": [CONTENT]}) as answer:
                details = (await answer.json())["error"]["details"]
                assert any("retryDelay" in detail for detail in details)
    assert sim.record.generations == 3


@pytest.mark.parametrize("key", ["wrong", ""], ids=["wrong", "none"])
async def test_a_wrong_key_is_an_authentication_error_everywhere(sim: Simulator, tmp_path: Path, key: str) -> None:
    async with served(settings_for(sim, tmp_path, api_key="right")) as gate:
        if key:
            clients = Clients(gate.url, key)
            for ask, kind in (
                (Clients.chat, openai.AuthenticationError),
                (Clients.responses, openai.AuthenticationError),
                (Clients.messages, anthropic.AuthenticationError),
            ):
                with pytest.raises(kind):
                    await ask(clients)
            with pytest.raises(google_errors.ClientError) as caught:
                await clients.gemini()
            assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
            await clients.close()
        async with aiohttp.ClientSession(gate.url) as session:
            for path in (
                "/v1/generate",
                "/upload",
                "/v1/messages",
                "/v1/chat/completions",
                "/gemini/v1/models/x:countTokens",
            ):
                async with session.post(path, json={}, headers={"x-api-key": key} if key else {}) as answer:
                    assert answer.status == 401, path
                    assert "right" not in await answer.text()
            for headers in ({"authorization": "Bearer right"}, {"x-api-key": "right"}, {"x-goog-api-key": "right"}):
                async with session.get("/v1/models", headers=headers) as answer:
                    assert answer.status == 200
            async with session.get("/v1beta/models?key=right") as answer:
                assert answer.status == 200
    assert sim.record.generations == 0


async def test_browsers_of_named_origins_may_call_and_others_may_not(sim: Simulator, tmp_path: Path) -> None:
    friend = {"origin": "https://chat.example"}
    wish = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}
    settings = settings_for(sim, tmp_path, cors_origins="https://chat.example", api_key="right")
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as session:
        for path in (
            "/v1/chat/completions",
            "/v1/messages",
            "/gemini/v1beta/models/x:generateContent",
            "/v1/models",
        ):
            async with session.options(path, headers={**friend, **wish}) as answer:
                assert answer.status == 204
                assert answer.headers["access-control-allow-origin"] == "https://chat.example"
                assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
            async with session.options(path, headers={"origin": "https://evil.example", **wish}) as answer:
                assert "access-control-allow-origin" not in answer.headers
        body = {"messages": [{"role": "user", "content": "hi"}]}
        async with session.post(
            "/v1/chat/completions", json=body, headers={**friend, "authorization": "Bearer right"}
        ) as answer:
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        async with session.post("/v1/chat/completions", json=body, headers=friend) as answer:
            assert answer.status == 401
            assert answer.headers["access-control-allow-origin"] == "https://chat.example", "pages can read why"


async def test_streams_have_the_headers_of_streams(gate: Served) -> None:
    async with aiohttp.ClientSession(gate.url) as session:
        for path, body in (
            ("/v1/chat/completions", {"messages": ASKED, "stream": True}),
            ("/v1/responses", {"input": "hi", "stream": True}),
            ("/v1/messages", {"model": MODEL, "max_tokens": 5, "messages": ASKED, "stream": True}),
            (f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", {"contents": [CONTENT]}),
        ):
            async with session.post(path, json=body, headers={"accept-encoding": "gzip, br"}) as answer:
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                assert answer.headers["cache-control"] == "no-cache"
                assert answer.headers["x-accel-buffering"] == "no"
                assert "content-encoding" not in answer.headers
                assert answer.headers["x-request-id"] == answer.headers["request-id"]
                assert "x-gemgate-served-model" not in answer.headers  # nobody knows it yet
                text = await answer.text()
            if "alt=sse" in path:
                assert all(line.startswith("data: ") for line in text.split("\r\n") if line)
                assert "[DONE]" not in text
        async with session.post(f"/v1/models/{MODEL}:streamGenerateContent", json={"contents": [CONTENT]}) as answer:
            assert answer.content_type == "application/json"
            assert isinstance(json.loads(await answer.text()), list)
