"""The Messages API judged by Anthropic's SDK: whole, streamed, tools, structured, images, documents, thinking."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Solution(BaseModel):
    steps: list[str]
    final_answer: int


def ask(content: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": content}], **more}


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="any", max_retries=0) as made:
        yield made


async def test_whole_and_streamed_say_the_same(client: anthropic.AsyncAnthropic, gate: Served, sim: Simulator) -> None:
    sim.google.reply("hello", "你好 & <b> 🚀", chars=3)
    whole = await client.messages.create(**ask("hello", system="Be brief."))
    assert whole.content[0].type == "text"
    assert whole.content[0].text == "你好 & <b> 🚀"
    assert (whole.stop_reason, whole.model, whole.role) == ("end_turn", MODEL, "assistant")
    assert whole.usage.input_tokens > 0 < whole.usage.output_tokens
    async with client.messages.stream(**ask("hello")) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert text == whole.content[0].text
    assert final.stop_reason == "end_turn"

    def use() -> tuple[str, str]:
        with anthropic.Anthropic(base_url=gate.url, api_key="any", max_retries=0) as sync:
            message = sync.messages.create(**ask("hello"))
            with sync.messages.stream(**ask("hello")) as told:
                return message.content[0].text, told.get_final_text()

    assert await asyncio.to_thread(use) == (text, text)
    assert sim.record.generations == 4
    assert "Be brief." in next(iter(sim.record.calls)).prompt


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_round_of_tools(client: anthropic.AsyncAnthropic, sim: Simulator, streamed: bool) -> None:
    async def said(**body: Any) -> Message:
        if not streamed:
            return await client.messages.create(**body)
        async with client.messages.stream(**body) as stream:
            return await stream.get_final_message()

    first = await said(**ask("Weather in Paris and London?", tools=[WEATHER]))
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert [call.input for call in calls] == [{"city": "Paris"}, {"city": "London"}]
    history: Any = [
        {"role": "user", "content": "Weather in Paris and London?"},
        {"role": "assistant", "content": first.content},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": calls[0].id, "content": "25 °C"},
                {
                    "type": "tool_result",
                    "tool_use_id": calls[1].id,
                    "content": [{"type": "text", "text": "no such place"}],
                    "is_error": True,
                },
            ],
        },
    ]
    second = await said(model=MODEL, max_tokens=100, messages=history, tools=[WEATHER])
    assert second.content[0].type == "text"
    assert second.content[0].text == "The result is: 25 °C; no such place"
    assert sim.record.generations == 2


@pytest.mark.parametrize(
    ("choice", "calls"),
    [({"type": "auto"}, 0), ({"type": "none"}, 0), ({"type": "any"}, 1), ({"type": "tool", "name": "get_weather"}, 1)],
    ids=["auto", "none", "any", "tool"],
)
async def test_tool_choice_is_kept(client: anthropic.AsyncAnthropic, choice: Any, calls: int) -> None:
    reply = await client.messages.create(**ask("Good morning", tools=[WEATHER], tool_choice=choice))
    assert sum(block.type == "tool_use" for block in reply.content) == calls
    one = {"type": "any", "disable_parallel_tool_use": True}
    reply = await client.messages.create(**ask("Weather in Paris and London?", tools=[WEATHER], tool_choice=one))
    assert sum(block.type == "tool_use" for block in reply.content) == 1


async def test_structured_output_is_parsed(client: anthropic.AsyncAnthropic, sim: Simulator) -> None:
    reply = await client.messages.parse(**ask("Solve x + 1 = 8", output_format=Solution))
    assert isinstance(reply.parsed_output, Solution)
    assert sim.record.generations == 1


async def test_images_and_documents_arrive_whole(client: anthropic.AsyncAnthropic, sim: Simulator, png: bytes) -> None:
    parts: Any = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()},
        },
        {
            "type": "document",
            "title": "report.pdf",
            "source": {
                "type": "base64",
                "media_type": "application/pdf",
                "data": base64.b64encode(b"%PDF-1.4").decode(),
            },
        },
        {"type": "text", "text": "What is this?"},
    ]
    reply = await client.messages.create(**ask(parts))
    assert [(file.mime, file.data) for file in [*sim.record.calls][-1].files] == [
        ("image/png", png),
        ("application/pdf", b"%PDF-1.4"),
    ]
    assert "application/pdf" in reply.content[0].text
    assert sim.record.generations == 1


async def test_thoughts_come_as_blocks_and_go_back_unharmed(client: anthropic.AsyncAnthropic, sim: Simulator) -> None:
    sim.google.reply("riddle", "42", thoughts="hmm, let me see")
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    whole = await client.messages.create(**ask("a riddle", thinking=thinking))
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert whole.content[0].thinking == "hmm, let me see"
    async with client.messages.stream(**ask("a riddle", thinking=thinking)) as stream:
        final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].signature
    assert [call.thinking for call in sim.record.calls] == [True, True]
    history: Any = [
        {"role": "user", "content": "a riddle"},
        {"role": "assistant", "content": final.content},
        {"role": "user", "content": "why?"},
    ]
    await client.messages.create(model=MODEL, max_tokens=100, messages=history, thinking={"type": "disabled"})
    assert "let me see" not in [*sim.record.calls][-1].prompt
    assert sim.record.generations == 3


async def test_stop_sequences_say_which(client: anthropic.AsyncAnthropic, sim: Simulator) -> None:
    sim.google.reply("list", "one two STOP three", chars=3)
    reply = await client.messages.create(**ask("list", stop_sequences=["STOP"]))
    assert (reply.content[0].text, reply.stop_reason, reply.stop_sequence) == ("one two ", "stop_sequence", "STOP")


async def test_tokens_and_models(client: anthropic.AsyncAnthropic, sim: Simulator) -> None:
    body = ask("How long is this?", tools=[WEATHER])
    del body["max_tokens"]
    assert (await client.messages.count_tokens(**body)).input_tokens > 20
    listed = [model async for model in client.models.list()]
    assert len(listed) >= 8
    assert (await client.models.retrieve(MODEL)).display_name
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("claude-3")
    assert sim.record.generations == 0


@pytest.mark.parametrize(
    "change",
    [
        {"tools": [{"type": "custom", "name": "half"}]},
        {"messages": []},
        {"max_tokens": -2},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "no id"}]}]},
        {"tool_choice": {"type": "tool", "name": "unknown"}, "tools": [WEATHER]},
    ],
    ids=["half-a-tool", "empty", "negative", "no-id", "unknown-tool"],
)
async def test_what_cannot_be_had_is_refused(client: anthropic.AsyncAnthropic, sim: Simulator, change: Any) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await client.messages.create(**{**ask("hi"), **change})
    assert caught.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
    assert caught.value.request_id
    assert sim.record.generations == 0


async def test_answers_hold_every_required_key_strictly_typed(gate: Served) -> None:
    events: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "any"}
    async with aiohttp.ClientSession(gate.url, headers=headers) as session:
        for body in (ask("Hello"), ask("Weather in Rome?", tools=[WEATHER])):
            async with session.post("/v1/messages", json=body) as response:
                raw = await response.read()
                assert response.headers["request-id"] == response.headers["x-request-id"]
            Message.model_validate_json(raw, strict=True)
            assert {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"} <= json.loads(
                raw
            ).keys()
            async with session.post("/v1/messages", json={**body, "stream": True}) as response:
                frames = (await response.read()).decode().strip().split("\n\n")
            for frame in frames:
                name, _, data = frame.partition("\n")
                events.validate_json(data.removeprefix("data: "), strict=True)
                assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
        async with session.get("/v1/models") as response:
            assert all(model["lifecycle"] == "active" for model in (await response.json())["data"])
