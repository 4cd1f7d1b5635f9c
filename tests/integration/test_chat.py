"""The first road, judged by the official OpenAI SDK: chat through the gateway to a simulated Google and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from gemgate import catalog
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

TEXT = '你好 & <b>"世界"</b> 🚀 \\*escaped\\* C:\\n `code` 1 < 2 && 3 > 2\n```python\nprint("x")\n```\nend'


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def test_the_async_sdk_gets_a_whole_answer(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("hello", TEXT, chars=7)
    reply = await client.chat.completions.create(model="gemini-2.5-flash", messages=ask("hello"))
    assert reply.choices[0].message.content == TEXT
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "gemini-2.5-flash"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0
    assert reply.usage.estimated is True
    assert reply._request_id
    assert sim.record.generations == 1
    assert not sim.record.violations


@pytest.mark.parametrize("chars", [7, 400])
async def test_the_async_sdk_streams_deltas_that_join_to_the_same_text(
    client: openai.AsyncOpenAI, sim: Simulator, chars: int
) -> None:
    sim.google.reply("hello", TEXT, chars=chars, thoughts="let me <think> & see")
    stream = await client.chat.completions.create(
        model="gemini-3-flash-preview",
        messages=ask("hello"),
        stream=True,
        stream_options={"include_usage": True},
        reasoning_effort="high",
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    reasoning = "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks if c.choices)
    assert text == TEXT
    assert reasoning == "let me <think> & see"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.total_tokens > 0
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1
    assert sim.record.generations == 1


async def test_the_sync_sdk_works_unchanged(gate: Served, sim: Simulator) -> None:
    sim.google.reply("hello", TEXT, chars=9)

    def use() -> tuple[str, str]:
        with openai.OpenAI(base_url=gate.url + "/v1", api_key="any") as client:
            whole = client.chat.completions.create(model="gemini-3.0-pro", messages=ask("hello"))
            parts = client.chat.completions.create(model="gemini-3.0-pro", messages=ask("hello"), stream=True)
            return whole.choices[0].message.content, "".join(p.choices[0].delta.content or "" for p in parts)

    assert await asyncio.to_thread(use) == (TEXT, TEXT)
    assert {call.model for call in sim.record.calls} == {"gemini-pro"}


async def test_the_whole_history_goes_up_in_order(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    messages = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": [{"type": "text", "text": "first question"}]},
        {"role": "assistant", "content": "first answer"},
        {"role": "developer", "content": "Answer in French."},
        {"role": "user", "content": "second question"},
    ]
    await client.chat.completions.create(model="gemini-3-flash-preview", messages=messages)
    sent = sim.record.calls[-1].prompt
    order = ["Be terse.", "first question", "first answer", "Answer in French.", "second question"]
    assert sorted(order, key=sent.index) == order


async def test_stop_sequences_and_several_answers(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("list", "one two STOP three", chars=3)
    reply = await client.chat.completions.create(
        model="gemini-3-flash-preview", messages=ask("list"), stop=["STOP"], n=3
    )
    assert [choice.message.content for choice in reply.choices] == ["one two ", "one two ", "one two "]
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert sim.record.generations == 3
    stream = await client.chat.completions.create(
        model="gemini-3-flash-preview", messages=ask("list"), stop="STOP", n=2, stream=True
    )
    texts = ["", ""]
    async for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == ["one two ", "one two "]


FAULTS = [
    ({"kind": "status", "status": 401}, 503, 2),
    ({"kind": "status", "status": 429}, 503, 1),
    ({"kind": "status", "status": 500}, 502, 1),
    ({"kind": "code", "code": 1013}, 502, 1),
    ({"kind": "code", "code": 1037}, 429, 1),
    ({"kind": "code", "code": 1052}, 400, 1),
    ({"kind": "code", "code": 1060}, 503, 1),
    ({"kind": "reset"}, 502, 1),
    ({"kind": "empty"}, 502, 1),
    ({"kind": "captcha"}, 503, 1),
    ({"kind": "stall"}, 504, 1),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "sent"), FAULTS, ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else None
)
async def test_a_failure_before_the_first_byte_is_a_plain_error_and_never_a_second_generation(
    client: openai.AsyncOpenAI, sim: Simulator, fault: dict, status: int, sent: int, stream: bool
) -> None:
    sim.google.fault("generate", times=-1, **fault)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model="gemini-3-flash-preview", messages=ask("hello"), stream=stream)
    error = caught.value
    assert error.status_code == status
    assert error.body["message"]
    assert set(error.body) >= {"message", "type", "param", "code"}
    assert error.response.headers["x-request-id"]
    assert sim.record.received == sent
    assert sim.record.generations <= 1
    if error.response.headers["x-gemgate-generated"] == "maybe":
        assert error.response.headers["x-should-retry"] == "false"
    if status == 429:
        assert int(error.response.headers["retry-after"]) > 3000
        assert error.response.headers["x-should-retry"] == "false"


async def test_the_sdk_s_own_retries_never_send_a_prompt_twice(gate: Served, sim: Simulator) -> None:
    sim.google.fault("generate", "status", status=503, times=-1)
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=3) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="gemini-3-flash-preview", messages=ask("hello"))
    assert sim.record.received == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["reset", "close", "stall"])
async def test_a_failure_in_mid_stream_ends_it_in_band_and_spares_the_neighbours(
    client: openai.AsyncOpenAI, sim: Simulator, kind: str
) -> None:
    sim.google.reply("steady", "word " * 40, chars=10, pace=0.05)
    sim.google.reply("doomed", "this will break off " * 20, chars=10, pace=0.02)
    sim.google.fault("generate", kind, after_frames=20, match="doomed", finished=False)

    async def read(text: str) -> str:
        stream = await client.chat.completions.create(model="gemini-3-flash-preview", messages=ask(text), stream=True)
        said = ""
        async for chunk in stream:
            said += chunk.choices[0].delta.content or ""
        return said

    steady = [asyncio.create_task(read(f"steady {i}")) for i in range(3)]
    with pytest.raises(openai.APIError) as caught:
        await read("doomed")
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert {await task for task in steady} == {"word " * 40}
    assert sim.record.received == 4


async def test_dead_cookies_are_said_everywhere_and_the_server_is_up(sim: Simulator, tmp_path: Path) -> None:
    sim.google.expire("alice")
    async with served(settings_for(sim, tmp_path), wait_ready=False) as gate, aiohttp.ClientSession(gate.url) as http:
        await until(lambda: gate.service.pool.accounts[0].status().state == "needs_login")
        async with http.get("/health") as answer:
            health = await answer.json()
            assert (answer.status, health["status"], health["client_ready"]) == (200, "ok", False)
        async with http.get("/ready") as answer:
            assert answer.status == 503
            assert "Sign in to gemini.google.com" in (await answer.json())["reasons"][0]
        async with http.post("/v1/chat/completions", json={"messages": ask("hi")}) as answer:
            assert answer.status == 503
            error = (await answer.json())["error"]
            assert error["code"] == "cookie_expired"
            assert "Sign in to gemini.google.com" in error["message"]
        async with http.post("/v1/generate", json={"prompt": "hi"}, headers={"accept-language": "zh-CN"}) as answer:
            assert answer.status == 503
            assert "请重新登录" in (await answer.json())["detail"]
    assert sim.record.received == 0


async def test_start_up_does_not_wait_for_google(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.fault("init", "stall", times=-1)
        async with (
            served(settings_for(sim, tmp_path), wait_ready=False) as gate,
            aiohttp.ClientSession(gate.url) as http,
            http.get("/health") as answer,
        ):
            assert answer.status == 200, "Google would be silent for ever"


async def test_a_client_that_leaves_frees_its_lane_and_stops_google(gate: Served, sim: Simulator) -> None:
    sim.google.reply("long", "x" * 5000, chars=10, pace=0.05)
    sim.google.reply("silent", "x", delay=15)
    for body in ({"messages": ask("long"), "stream": True}, {"messages": ask("silent")}):
        async with aiohttp.ClientSession(gate.url) as http:
            task = asyncio.create_task(_read(http, body))
            await until(lambda: sim.record.open_streams == 1)
            await asyncio.sleep(0.1)
            task.cancel()
        await until(lambda: gate.service.pool.accounts[0].busy == 0)
        if body.get("stream"):
            await until(lambda: sim.record.open_streams == 0)
    assert sim.record.calls[0].outcome == "complete", "told to stop: what was said is stored"
    assert sim.record.open_streams == 1, "nothing was said yet, so there is nothing that could be stopped"
    assert sim.record.cancelled == 0


async def _read(http: aiohttp.ClientSession, body: dict) -> None:
    async with http.post("/v1/chat/completions", json=body) as answer:
        async for _ in answer.content:
            pass


async def test_models_are_listed_and_unknown_ones_name_what_there_is(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert listed[:8] == [
        "gemini-3-flash-preview", "gemini-2.5-flash", "gemini-3.0-pro", "gemini-2.5-pro", "gemini-2.5-flash-image",
        "gemini-3-pro-image-preview", "gemini-3-pro-image-preview-2k", "gemini-3-pro-image-preview-4k",
    ]  # fmt: skip
    assert "gemini-flash" in listed
    assert (await client.models.retrieve("gemini-2.5-pro")).id == "gemini-2.5-pro"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="gpt-4o", messages=ask("hi"))
    assert caught.value.code == "model_not_found"
    assert "gemini-3-flash-preview" in str(caught.value)


@pytest.mark.parametrize("name", ["gemini-flash-lite", "cf41b0e0dd7d53e5", "8c46e95b1a07cecc"])
async def test_the_web_app_s_own_names_work(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served, name: str
) -> None:
    ids = {offer.id for offer in gate.service.pool.models()}
    if len(name) == 16 and name not in ids:
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model=name, messages=ask("hi"))
        return
    reply = await client.chat.completions.with_raw_response.create(model=name, messages=ask("hi"))
    assert reply.headers["x-gemgate-served-model"] == "3.1 Flash Lite"
    assert reply.parse().model == name
    assert sim.record.calls[-1].model == "gemini-flash-lite"


BAD = [
    (b"", 400),
    (b"not json", 400),
    (b"[1]", 400),
    (b'{"messages": []}', 400),
    (b'{"messages": "x"}', 400),
    (b'{"messages": [{"role": "wizard", "content": "x"}]}', 400),
    (b'{"messages": [{"role": "user", "content": 5}]}', 400),
    (b'{"messages": [{"role": "user"}]}', 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "temperature": 9}', 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "n": 0}', 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "stream": "maybe"}', 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "logprobs": true}', 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "metadata": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    (b'{"messages": [{"role": "user", "content": "x"}], "metadata": ' + b"[" * 500 + b"]" * 500 + b"}", 400),
    (b'\xff\xfe{"messages": []}', 400),
    (b'{"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}', 400),
    (
        b'{"messages": [{"role": "user", "content": [{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}',
        400,
    ),
]


@pytest.mark.parametrize(("body", "status"), BAD)
async def test_bad_bodies_are_clear_4xx(gate: Served, sim: Simulator, body: bytes, status: int) -> None:
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1/chat/completions", data=body) as answer:
        error = (await answer.json())["error"]
        assert answer.status == status
        assert error["type"] == "invalid_request_error"
        assert error["message"]
    assert sim.record.received == 0


async def test_too_large_a_body_is_refused_before_it_is_read(sim: Simulator, tmp_path: Path) -> None:
    async with served(settings_for(sim, tmp_path, max_body_mb=0.01)) as gate, aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/chat/completions", data=b"x" * 20_000) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "request_too_large"

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"y" * 1000

        async with http.post("/v1/chat/completions", data=endless()) as answer:
            assert answer.status == 413
        headers = {"content-encoding": "gzip"}
        async with http.post("/v1/chat/completions", data=b"x", headers=headers) as answer:
            assert answer.status == 415


async def test_heartbeats_fill_silence_after_the_first_event(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.web.sse.HEARTBEAT_SECONDS", 0.1)
    sim.google.reply("slow", "a first sentence. and a second one that follows later", chars=30, pace=0.6)
    async with served(settings_for(sim, tmp_path)) as gate, aiohttp.ClientSession(gate.url) as http:
        body = {"messages": ask("slow"), "stream": True}
        async with http.post("/v1/chat/completions", json=body) as answer:
            lines = (await answer.text()).split("\n\n")
    assert lines[0].startswith("data: ")  # nothing before the first event
    assert lines.count(": ping") >= 3
    assert [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


async def test_health_is_true_at_every_moment(gate: Served, sim: Simulator) -> None:
    sim.google.reply("wait", "x", delay=4)
    async with aiohttp.ClientSession(gate.url) as http:
        calls = [asyncio.create_task(_read(http, {"messages": ask("wait")})) for _ in range(3)]
        await until(lambda: sim.record.open_streams == 3)
        async with http.get("/health") as answer:
            health = await answer.json()
        assert health["concurrency"] == {"max": 64, "available": 61}
        assert health["rate_limiter"]["requests_last_minute"] == 3
        assert health["conversations"] == {"total": 0, "active_in_memory": 3}
        await asyncio.gather(*calls)
        async with http.post("/v1/images/generations", json={"prompt": "a boat", "response_format": "url"}) as answer:
            assert answer.status == 200
        async with http.get("/health") as answer:
            health = await answer.json()
        assert health["concurrency"]["available"] == 64
        assert health["conversations"] == {"total": 3, "active_in_memory": 0}
        assert health["storage"] == {"total_images": 1}


@pytest.mark.parametrize("model", [None, "gemini-3-flash-preview"])
async def test_a_chat_looks_up_its_model_once(gate: Served, monkeypatch: pytest.MonkeyPatch, model: str | None) -> None:
    asked: list[str] = []
    resolve = catalog.resolve

    def counted(model: str, *more: Any) -> catalog.ModelCard:
        asked.append(model)
        return resolve(model, *more)

    monkeypatch.setattr(catalog, "resolve", counted)
    body = {"messages": [{"role": "user", "content": "hi"}], **({"model": model} if model else {})}
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
    assert asked == ["gemini-3-flash-preview"]
