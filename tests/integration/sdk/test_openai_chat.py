"""Chat completions judged by OpenAI's SDK: tools, structured output, images, files. Plain chat is in test_chat.py."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from gemgate import outbound
from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": True,
    },
}


class Step(BaseModel):
    explanation: str
    output: str


class Solution(BaseModel):
    steps: list[Step]
    final_answer: int


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


def ask(text: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


async def test_a_round_of_tools_ends_in_an_answer(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    first = await client.chat.completions.create(**ask("Weather in Paris and London?", tools=[WEATHER]))
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [json.loads(call.function.arguments)["city"] for call in choice.message.tool_calls] == ["Paris", "London"]
    assert len({call.id for call in choice.message.tool_calls}) == 2
    results: Any = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{temperature} °C"}
        for call, temperature in zip(choice.message.tool_calls, (25, 15), strict=True)
    ]
    history: Any = [{"role": "user", "content": "Weather in Paris and London?"}, choice.message, *results]
    second = await client.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])
    assert second.choices[0].message.content == "The result is: 25 °C; 15 °C"
    assert second.choices[0].finish_reason == "stop"
    assert sim.record.generations == 2


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", []),
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ],
    ids=["auto", "none", "required", "named"],
)
async def test_tool_choice_is_kept(client: openai.AsyncOpenAI, sim: Simulator, choice: Any, called: list[str]) -> None:
    reply = await client.chat.completions.create(**ask("Good morning", tools=[WEATHER], tool_choice=choice))
    assert [call.function.name for call in reply.choices[0].message.tool_calls or []] == called
    assert sim.record.generations == 1


async def test_parallel_calls_can_be_forbidden(client: openai.AsyncOpenAI) -> None:
    body = ask("Weather in Paris and London?", tools=[WEATHER], parallel_tool_calls=False)
    assert len((await client.chat.completions.create(**body)).choices[0].message.tool_calls or []) == 1


async def test_tools_stream_through_the_helper(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    async with client.chat.completions.stream(**ask("Weather in Paris and London?", tools=[WEATHER])) as stream:
        done = [event async for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = await stream.get_final_completion()
    assert [event.parsed_arguments for event in done] == [{"city": "Paris"}, {"city": "London"}]
    assert final.choices[0].finish_reason == "tool_calls"
    assert sim.record.generations == 1


async def test_parse_gives_the_model_class(client: openai.AsyncOpenAI, gate: Served, sim: Simulator) -> None:
    reply = await client.chat.completions.parse(**ask("Solve x + 1 = 8", response_format=Solution))
    assert isinstance(reply.choices[0].message.parsed, Solution)
    async with client.chat.completions.stream(**ask("Solve x + 1 = 8", response_format=Solution)) as stream:
        assert isinstance((await stream.get_final_completion()).choices[0].message.parsed, Solution)

    def use() -> Solution | None:
        with openai.OpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as sync:
            return sync.chat.completions.parse(**ask("Solve it", response_format=Solution)).choices[0].message.parsed

    assert isinstance(await asyncio.to_thread(use), Solution)
    assert sim.record.generations == 3


async def test_json_is_repaired_once_and_then_an_error(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("Solve", 'Sure!\n```json\n{"steps": [], "final_answer": "many"}\n```', times=1)
    reply = await client.chat.completions.parse(**ask("Solve", response_format=Solution))
    assert isinstance(reply.choices[0].message.parsed, Solution)
    assert sim.record.generations == 2
    sim.google.reply("", "I would rather not.")
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        await client.chat.completions.parse(**ask("Solve", response_format=Solution))
    assert (caught.value.status_code, caught.value.code) == (422, "structured_output_failed")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert sim.record.generations == 4


async def test_json_object_mode(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        **ask("As JSON with the key `name`", response_format={"type": "json_object"})
    )
    assert json.loads(reply.choices[0].message.content or "").keys() == {"name"}


async def test_images_and_files_of_a_message_arrive_whole(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded = await client.files.create(file=("report.pdf", b"%PDF-1.4 uploaded"), purpose="user_data")

    async def image(_: web.Request) -> web.Response:
        return web.Response(body=png, content_type="image/png")

    app = web.Application()
    app.router.add_get("/cat.png", image)
    monkeypatch.setattr(gate.service.gateway._attachments._fetcher, "_allowed", lambda _: True)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(png).decode()}},
        {"type": "image_url", "image_url": {"url": f"http://127.0.0.1:{port}/cat.png", "detail": "low"}},
        {"type": "file", "file": {"file_id": uploaded.id}},
        {
            "type": "file",
            "file": {
                "filename": "notes.txt",
                "file_data": "data:text/plain;base64," + base64.b64encode(b"hi").decode(),
            },
        },
    ]
    reply = await client.chat.completions.create(**ask(parts))
    await runner.cleanup()
    files = [*sim.record.calls][-1].files
    assert [(file.name, file.mime, file.data) for file in files][2:] == [
        ("report.pdf", "application/pdf", b"%PDF-1.4 uploaded"),
        ("notes.txt", "text/plain", b"hi"),
    ]
    assert [file.data for file in files[:2]] == [png, png]
    assert "report.pdf" in (reply.choices[0].message.content or "")
    assert sim.record.generations == 1


async def test_files_live_and_die(client: openai.AsyncOpenAI) -> None:
    made = await client.files.create(file=("a b/../c.txt", b"text"), purpose="assistants")
    assert (made.filename, made.bytes, made.purpose, made.status) == ("c.txt", 4, "assistants", "processed")
    assert made.id in [file.id async for file in client.files.list()]
    assert (await client.files.retrieve(made.id)).id == made.id
    assert (await client.files.content(made.id)).read() == b"text"
    assert (await client.files.delete(made.id)).deleted is True
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)


async def test_a_image_asked_for_in_words_comes_as_markdown(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    reply = await client.chat.completions.create(
        model="gemini-2.5-flash-image", messages=[{"role": "user", "content": "Draw a red fox"}]
    )
    text = reply.choices[0].message.content or ""
    address = text.partition("](")[2].partition(")")[0]
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        assert response.status == 200
        assert response.content_type.startswith("image/")
    assert sim.record.generations == 1


async def test_models_are_listed_and_unknown_ones_are_not_found(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    listed = {model.id: model async for model in client.models.list()}
    assert len(listed) >= 8
    assert (await client.models.retrieve(MODEL)).owned_by == "google"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(**{**ask("hi"), "model": "gpt-4o"})
    assert sim.record.generations == 0


NULLABLE = ("content", "refusal")


async def test_answers_hold_every_required_key_strictly_typed(gate: Served) -> None:
    """docs/client-contracts.md 0.9 and 2: what may be null has to be there."""
    async with aiohttp.ClientSession(gate.url) as session:
        for more in ({}, {"tools": [WEATHER], "tool_choice": "required"}, {"n": 2}):
            async with session.post("/v1/chat/completions", json=ask("Hello", **more)) as response:
                raw = await response.read()
            ChatCompletion.model_validate_json(raw, strict=True)
            body = json.loads(raw)
            assert {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"} <= body.keys()
            for choice in body["choices"]:
                assert {"index", "message", "logprobs", "finish_reason"} <= choice.keys()
                assert {"role", *NULLABLE} <= choice["message"].keys()
            usage = body["usage"]
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
            assert "cached_tokens" in usage["prompt_tokens_details"]
            assert "reasoning_tokens" in usage["completion_tokens_details"]
        stream = ask("Weather in Rome?", tools=[WEATHER], stream=True, stream_options={"include_usage": True})
        async with session.post("/v1/chat/completions", json=stream) as response:
            lines = (await response.read()).decode().split("\n\n")
        assert lines[-2:] == ["data: [DONE]", ""]
        chunks = [line.removeprefix("data: ") for line in lines[:-2]]
        for raw_chunk in chunks:
            ChatCompletionChunk.model_validate_json(raw_chunk, strict=True)
            chunk = json.loads(raw_chunk)
            assert {"id", "object", "created", "model", "choices", "usage"} <= chunk.keys()
            assert all({"index", "delta", "finish_reason"} <= choice.keys() for choice in chunk["choices"])
        async with session.post("/v1/chat/completions", json={"messages": []}) as response:
            error = (await response.json())["error"]
        assert {"message", "type", "param", "code"} <= error.keys()


def test_only_tests_may_open_the_fetcher() -> None:
    assert not outbound.is_public("127.0.0.1")
