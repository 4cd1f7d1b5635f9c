"""Background interactions judged by google-genai: polled, followed, followed again, cancelled, continued, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai._gaos.lib import compat_errors

from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
STORY = " ".join(f"Sentence {number} of the story." for number in range(60))
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[Any]:
    made = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=gate.url))
    yield made.aio.interactions
    await made.aio.aclose()


async def over(client: Any, interaction: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        while interaction.status == "in_progress":
            await asyncio.sleep(0.05)
            interaction = await client.get(id=interaction.id)
    return interaction


async def read(stream: Any, most: int = 10**6) -> list[Any]:
    events = []
    async for event in stream:
        events.append(event)
        if len(events) == most:
            break
    await stream.close()
    return events


def text_of(events: list[Any]) -> str:
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text")


async def test_it_answers_at_once_and_is_polled_to_its_end(client: Any, sim: Simulator) -> None:
    sim.google.reply("hello", "Hello to you", delay=3)
    begun = await client.create(model=MODEL, input="say hello", background=True, labels={"a": "b"})
    assert (begun.status, begun.steps, begun.labels) == ("in_progress", None, {"a": "b"})
    await until(lambda: sim.record.open_streams == 1)
    assert (await client.get(id=begun.id)).status == "in_progress"
    done = await over(client, begun)
    assert (done.status, done.output_text, done.id, done.created) == (
        "completed",
        "Hello to you",
        begun.id,
        begun.created,
    )
    assert done.usage.total_tokens > 0
    assert done.input is None
    assert (await client.get(id=begun.id, include_input=True)).input == "say hello"
    with pytest.raises(compat_errors.BadRequestError, match="has ended"):
        await client.cancel(id=begun.id)
    assert sim.record.generations == 1


async def test_a_stream_that_is_left_is_gone_on_with_from_any_event(client: Any, sim: Simulator) -> None:
    sim.google.reply("story", STORY, pace=0.05)
    first = await read(await client.create(model=MODEL, input="a story", background=True, stream=True), 5)
    assert [event.event_type for event in first[:2]] == ["interaction.created", "step.start"]
    assert first[0].interaction.status == "in_progress"
    name = first[0].interaction.id
    second = await read(await client.get(id=name, stream=True, last_event_id=first[-1].event_id), 4)
    rest = await read(await client.get(id=name, stream=True, last_event_id=second[-1].event_id))
    events = [*first, *second, *rest]
    assert text_of(events) == STORY
    assert rest[-1].event_type == "interaction.completed"
    assert len({event.event_id for event in events}) == len(events)
    whole = await read(await client.get(id=name, stream=True))
    assert [event.model_dump() for event in whole] == [event.model_dump() for event in events]
    done = await client.get(id=name)
    assert (done.status, done.output_text) == ("completed", STORY)
    with pytest.raises(compat_errors.BadRequestError):
        await client.get(id=name, stream=True, last_event_id="nonsense")
    assert sim.record.generations == 1


async def test_one_is_cancelled_while_it_runs_and_its_stream_says_so(client: Any, sim: Simulator) -> None:
    sim.google.reply("story", STORY, pace=0.2)
    events = []
    async for event in await client.create(model=MODEL, input="a story", background=True, stream=True):
        events.append(event)
        if len(events) == 5:
            assert (await client.cancel(id=events[0].interaction.id)).status == "cancelled"
    assert events[-1].event_type == "interaction.completed"
    assert events[-1].interaction.status == "cancelled"
    cancelled = await client.cancel(id=events[0].interaction.id)
    assert cancelled.status == "cancelled"
    assert cancelled.output_text == text_of(events)
    assert 0 < len(cancelled.output_text) < len(STORY)
    await until(lambda: sim.record.open_streams == 0)
    assert sim.record.generations == 1


async def test_what_fails_says_why_in_both_languages(gate: Served, client: Any, sim: Simulator) -> None:
    wrong = [{"type": "image", "uri": "http://127.0.0.1:9/x.png", "mime_type": "image/png"}]
    failed = await over(client, await client.create(model=MODEL, input=wrong, background=True))
    assert failed.status == "failed"
    (error,) = failed.errors
    chinese = genai.Client(
        api_key="any", http_options=types.HttpOptions(base_url=gate.url, headers={"accept-language": "zh"})
    )
    async with chinese.aio as made:
        (told,) = (await made.interactions.get(id=failed.id)).errors
    assert told.code == error.code
    assert told.message != error.message
    events = await read(await client.get(id=failed.id, stream=True))
    assert [event.event_type for event in events] == ["interaction.created", "error"]
    assert events[-1].error.message == error.message
    assert sim.record.generations == 0


async def test_it_is_continued_and_continues_whichever_way_the_others_were_made(client: Any, sim: Simulator) -> None:
    sim.google.reply("name is Ada", "Pleased to meet you")
    sim.google.reply("second", "You are Ada")
    first = await client.create(model=MODEL, input="my name is Ada", background=True, system_instruction="Be brief.")
    with pytest.raises(compat_errors.BadRequestError, match="no whole answer"):
        await client.create(model=MODEL, input="second", previous_interaction_id=first.id)
    first = await over(client, first)
    second = await client.create(model=MODEL, input="second: who am I", previous_interaction_id=first.id)
    assert second.output_text == "You are Ada"
    third = await client.create(model=MODEL, input="second again", previous_interaction_id=second.id, background=True)
    assert (await over(client, third)).output_text == "You are Ada"
    told = [*sim.record.calls][-1].prompt
    assert "my name is Ada" in told
    assert "Pleased to meet you" in told
    assert "Be brief." not in told
    assert sim.record.generations == 3


async def test_tools_and_images_come_as_they_do_in_the_foreground(client: Any, sim: Simulator) -> None:
    sim.google.images(cheap=True)
    sim.google.reply("fox", "", image=Painting())
    painted = await over(
        client, await client.create(model="gemini-2.5-flash-image", input="Draw a red fox", background=True)
    )
    assert painted.output_image.data
    asked = await over(
        client, await client.create(model=MODEL, input="Weather in Paris?", tools=[WEATHER], background=True)
    )
    assert asked.status == "requires_action"
    (call,) = asked.steps
    result = [{"type": "function_result", "call_id": call.id, "result": "25 °C"}]
    told = await client.create(model=MODEL, input=result, tools=[WEATHER], previous_interaction_id=asked.id)
    assert "25 °C" in told.output_text
    assert sim.record.generations == 3


async def test_it_is_deleted_also_while_it_runs(client: Any, sim: Simulator) -> None:
    sim.google.reply("story", STORY, pace=0.2)
    begun = await client.create(model=MODEL, input="a story", background=True)
    await until(lambda: sim.record.open_streams == 1)
    await client.delete(id=begun.id)
    for gone in (client.get(id=begun.id), client.cancel(id=begun.id), client.delete(id=begun.id)):
        with pytest.raises(compat_errors.NotFoundError):
            await gone
    await until(lambda: sim.record.open_streams == 0)
    assert sim.record.generations == 1


async def test_one_that_is_not_kept_cannot_be_in_the_background(client: Any, sim: Simulator) -> None:
    with pytest.raises(compat_errors.BadRequestError, match="has to be stored"):
        await client.create(model=MODEL, input="hello", background=True, store=False)
    assert sim.record.generations == 0
