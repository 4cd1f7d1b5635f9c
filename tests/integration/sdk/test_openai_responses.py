"""The Responses API judged by OpenAI's SDK: create, stream, tools, parse, continue, ask again, delete, paint, count."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from PIL import Image
from pydantic import BaseModel, TypeAdapter

from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


class Solution(BaseModel):
    steps: list[str]
    final_answer: int


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


async def test_one_is_made_kept_continued_and_deleted(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    first = await client.responses.create(model=MODEL, input="say hello", instructions="Be brief.")
    assert (first.output_text, first.status) == ("hello", "completed")
    assert first.usage is not None
    assert first.usage.total_tokens == first.usage.input_tokens + first.usage.output_tokens > 0
    again = await client.responses.retrieve(first.id)
    assert again.model_dump() == first.model_dump()
    second = await client.responses.create(model=MODEL, input="what did I say first", previous_response_id=first.id)
    told = [*sim.record.calls][-1].prompt
    assert "say hello" in told
    assert "Be brief." not in told, "instructions are of one response, not of those that continue it"
    assert second.previous_response_id == first.id
    assert sim.record.generations == 2
    await client.responses.delete(first.id)
    for gone in (client.responses.retrieve(first.id), client.responses.delete(first.id)):
        with pytest.raises(openai.NotFoundError):
            await gone
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model=MODEL, input="and now", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"
    third = await client.responses.create(model=MODEL, input="still there?", previous_response_id=second.id)
    assert third.status == "completed"
    assert sim.record.generations == 3


async def test_what_is_not_stored_cannot_be_had_again(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(model=MODEL, input="hi", store=False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_stream_builds_the_same_response(client: openai.AsyncOpenAI, gate: Served, sim: Simulator) -> None:
    sim.google.reply("poem", "Roses are red,\nviolets are blue.", chars=5, thoughts="rhyme")
    async with client.responses.stream(model=MODEL, input="a poem", reasoning={"effort": "high"}) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "Roses are red,\nviolets are blue."
    assert [kinds[0], kinds[1], kinds[-1]] == ["response.created", "response.in_progress", "response.completed"]
    assert kinds.count("response.output_text.delta") >= 5

    def use() -> str:
        with openai.OpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as sync:
            events = sync.responses.create(model=MODEL, input="a poem", stream=True)
            return "".join(event.delta for event in events if event.type == "response.output_text.delta")

    assert await asyncio.to_thread(use) == final.output_text
    assert sim.record.generations == 2


async def test_a_round_of_tools(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    first = await client.responses.create(model=MODEL, input="Weather in Paris and London?", tools=[WEATHER])
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "London"]
    results: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "25 °C"} for call in calls]
    second = await client.responses.create(model=MODEL, input=results, tools=[WEATHER], previous_response_id=first.id)
    assert second.output_text == "The result is: 25 °C; 25 °C"
    history: Any = [{"role": "user", "content": "Weather in Paris and London?"}, *first.output, *results]
    third = await client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    assert third.output_text == second.output_text
    forced = await client.responses.create(
        model=MODEL, input="Hello", tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"}
    )
    assert [item.type for item in forced.output] == ["function_call"]
    assert sim.record.generations == 4


async def test_tools_stream(client: openai.AsyncOpenAI) -> None:
    async with client.responses.stream(model=MODEL, input="Weather in Paris?", tools=[WEATHER]) as stream:
        done = [event async for event in stream if event.type == "response.function_call_arguments.done"]
    assert [(event.name, json.loads(event.arguments)) for event in done] == [("get_weather", {"city": "Paris"})]


async def test_parse_gives_the_model_class(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    reply = await client.responses.parse(model=MODEL, input="Solve x + 1 = 8", text_format=Solution)
    assert isinstance(reply.output_parsed, Solution)
    async with client.responses.stream(model=MODEL, input="Solve x + 1 = 8", text_format=Solution) as stream:
        assert isinstance((await stream.get_final_response()).output_parsed, Solution)
    assert sim.record.generations == 2


async def test_images_and_files_of_a_message(client: openai.AsyncOpenAI, sim: Simulator, png: bytes) -> None:
    uploaded = await client.files.create(file=("report.pdf", b"%PDF-1.4 uploaded"), purpose="user_data")
    parts: Any = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64," + base64.b64encode(png).decode()},
        {"type": "input_file", "file_id": uploaded.id},
        {
            "type": "input_file",
            "filename": "notes.txt",
            "file_data": "data:text/plain;base64," + base64.b64encode(b"hi").decode(),
        },
    ]
    reply = await client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}])
    assert [(file.mime, file.data) for file in [*sim.record.calls][-1].files] == [
        ("image/png", png),
        ("application/pdf", b"%PDF-1.4 uploaded"),
        ("text/plain", b"hi"),
    ]
    assert "report.pdf" in reply.output_text
    assert sim.record.generations == 1


async def test_a_image_is_made_by_the_hosted_tool(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    paint: Any = {"type": "image_generation"}
    reply = await client.responses.create(model=MODEL, input="Draw a red fox", tools=[paint])
    (image,) = [item for item in reply.output if item.type == "image_generation_call"]
    assert Image.open(io.BytesIO(base64.b64decode(image.result or ""))).size[0] > 100
    assert sim.record.generations == 1
    kinds = []
    async with client.responses.stream(model=MODEL, input="Draw a red fox", tools=[paint]) as stream:
        kinds = [event.type async for event in stream]
    assert "response.image_generation_call.completed" in kinds
    edited = await client.responses.create(
        model=MODEL, input="Make the fox blue", tools=[paint], previous_response_id=reply.id
    )
    assert [item.type for item in edited.output if item.type == "image_generation_call"]
    assert sim.record.generations == 3


async def test_tokens_are_counted_without_asking_anybody(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    count = await client.responses.input_tokens.count(model=MODEL, input="How long is this?", tools=[WEATHER])
    assert count.input_tokens > 20
    assert sim.record.generations == 0


@pytest.mark.parametrize(
    "body",
    [
        {"background": True, "store": False},
        {"conversation": "conv_1"},
        {"input": [{"type": "item_reference", "id": "msg_unknown"}]},
        {"input": []},
    ],
    ids=["background", "conversation", "reference", "empty"],
)
async def test_what_cannot_be_had_is_refused(client: openai.AsyncOpenAI, sim: Simulator, body: Any) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        await client.responses.create(**{"model": MODEL, "input": "hi", **body})
    assert sim.record.generations == 0


REQUIRED = {
    "id", "object", "created_at", "status", "error", "incomplete_details", "instructions", "metadata", "model",
    "output", "parallel_tool_calls", "temperature", "top_p", "tool_choice", "tools", "usage", "text", "reasoning",
    "previous_response_id", "max_output_tokens", "store", "truncation", "service_tier",
}  # fmt: skip


async def test_answers_hold_every_required_key_strictly_typed(gate: Served) -> None:
    """docs/client-contracts.md 3: what may be null has to be there."""
    bodies: list[Any] = [
        {"input": "Hello"},
        {"input": "Weather in Rome?", "tools": [WEATHER]},
        {"input": "Draw a fox", "tools": [{"type": "image_generation"}]},
        {"input": "Solve", "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}},
    ]
    events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    async with aiohttp.ClientSession(gate.url) as session:
        for body in bodies:
            async with session.post("/v1/responses", json={"model": MODEL, **body}) as response:
                raw = await response.read()
            Response.model_validate_json(raw, strict=True)
            made = json.loads(raw)
            assert made.keys() >= REQUIRED, REQUIRED - made.keys()
            assert {"cached_tokens", "cache_write_tokens"} <= made["usage"]["input_tokens_details"].keys()
            async with session.post("/v1/responses", json={"model": MODEL, "stream": True, **body}) as response:
                frames = (await response.read()).decode().strip().split("\n\n")
            for number, frame in enumerate(frames):
                name, _, data = frame.partition("\n")
                event = json.loads(data.removeprefix("data: "))
                events.validate_json(data.removeprefix("data: "), strict=True)
                assert name == f"event: {event['type']}"
                assert event["sequence_number"] == number
            assert event["response"].keys() >= REQUIRED
