"""`kill -9` of a gateway while a background response streams: the streams join to the whole text, made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types

from gemgate.settings import Settings
from gemgate_simulator import RemoteSimulator, Simulator
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment
from tests.support.patience import PATIENCE, until
from tests.support.serving import served, settings_for

MODEL = "gemini-3-flash-preview"
STORY = " ".join(f"Sentence {number} of a long story, with umlauts (ä) and 中文." for number in range(80))


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    """Whatever is started is ended."""
    started: list[Node] = []
    yield started
    for node in started:
        node.end()


def sdk(node: Node) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", max_retries=0, timeout=120)


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def followed(stream: Any, events: list[Any], deltas: int = 10**6) -> None:
    """Read on until so many deltas came, or the connection broke."""
    with suppress(openai.APIError, openai.APIConnectionError, Exception):
        async for event in stream:
            events.append(event)
            if sum(event.type == "response.output_text.delta" for event in events) >= deltas:
                return


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_kills_while_it_streams_and_the_streams_join_to_the_whole(
    kills: int, nodes: list[Node], tmp_path: Path
) -> None:
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.world(carries_on=True)
        await sim.google.reply("story", STORY, chars=40, pace=0.1)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        nodes.append(node)
        await node.start()
        events: list[Any] = []
        async with sdk(node) as client:
            stream = await client.responses.create(model=MODEL, input="a story", background=True, stream=True)
            await followed(stream, events, deltas=8)
            node.kill()
        response_id = events[0].response.id
        assert 0 < len(text_of(events)) < len(STORY) / 2
        for _ in range(kills - 1):  # killed again while the stream that goes on waits for what Google holds
            await sim.google.fault("hNvQHb", "stall", seconds=60)
            await node.start()
            async with sdk(node) as client:
                after = events[-1].sequence_number
                stream = await client.responses.retrieve(response_id, stream=True, starting_after=after)
                following = asyncio.create_task(followed(stream, events))
                await asyncio.sleep(4)
                assert (await client.responses.retrieve(response_id)).status == "in_progress"
                node.kill()
                await following
            await sim.google.clear()
        await node.start()
        async with sdk(node) as client, asyncio.timeout(PATIENCE):
            after = events[-1].sequence_number
            await followed(await client.responses.retrieve(response_id, stream=True, starting_after=after), events)
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert text_of(events) == STORY
            assert events[-1].type == "response.completed"
            assert events[-1].response.output_text == STORY
            whole: list[Any] = []
            await followed(await client.responses.retrieve(response_id, stream=True), whole)
            assert [one.model_dump() for one in whole] == [one.model_dump() for one in events]
            assert (await client.responses.retrieve(response_id)).output_text == STORY
        record = await sim.record()
        assert record.generations == 1
        assert not record.violations


@pytest.mark.timeout(600)
async def test_a_kill_while_an_interaction_streams_and_the_streams_join_to_the_whole(
    nodes: list[Node], tmp_path: Path
) -> None:
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.world(carries_on=True)
        await sim.google.reply("story", STORY, chars=40, pace=0.1)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        nodes.append(node)
        await node.start()
        events: list[Any] = []

        google = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=node.url))
        client: Any = google.aio.interactions
        with suppress(Exception):  # of whichever client the SDK uses
            async for event in await client.create(model=MODEL, input="a story", background=True, stream=True):
                events.append(event)
                if len(events) == 8:
                    node.kill()
        name, last = events[0].interaction.id, events[-1].event_id
        assert events[-1].event_type == "step.delta"
        await node.start()
        async with asyncio.timeout(PATIENCE):
            events += [event async for event in await client.get(id=name, stream=True, last_event_id=last)]
        told = [event.delta.text for event in events if event.event_type == "step.delta"]
        assert "".join(told) == STORY
        assert events[-1].interaction.status == "completed"
        assert (await client.get(id=name)).output_text == STORY
        record = await sim.record()
        assert record.generations == 1
        assert not record.violations
        await google.aio.aclose()


@asynccontextmanager
async def asked(settings: Settings) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        served(settings, job_rules=QUICK) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


async def test_what_cannot_be_read_back_fails_and_is_not_made_again(tmp_path: Path) -> None:
    """Google threw the answer away that was cut off: what was told of it stays, and nothing else is put behind it."""
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.reply("story", STORY, chars=40, pace=0.1)
        settings = settings_for(sim, tmp_path)
        events: list[Any] = []
        async with asked(settings) as client:
            stream = await client.responses.create(model=MODEL, input="a story", background=True, stream=True)
            await followed(stream, events, deltas=5)
            await stream.close()
        async with asked(settings) as client, asyncio.timeout(PATIENCE):
            after, response_id = events[-1].sequence_number, events[0].response.id
            await followed(await client.responses.retrieve(response_id, stream=True, starting_after=after), events)
            assert events[-1].type == "response.failed"
            failed = await client.responses.retrieve(response_id)
            assert failed.error is not None
            assert (failed.status, failed.error.code) == ("failed", "server_error")
            assert failed.error.model_dump()["type"] == "response_interrupted"
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert failed.output_text == text_of(events)
            assert STORY.startswith(failed.output_text)
            assert failed.output_text
        assert sim.record.received == 1


WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def test_calls_are_read_back_by_the_word_that_marked_them(tmp_path: Path) -> None:
    """The code word of the tool grammar is the same in every run: the answer that is read back was written with it."""
    async with Simulator(accounts=("alice",), pace=0.3) as sim:
        sim.google.world.carries_on = True
        settings = settings_for(sim, tmp_path)
        async with asked(settings) as client:
            asking = {"model": MODEL, "input": "Weather in Rome?", "tools": [WEATHER], "tool_choice": "required"}
            response = await client.responses.create(**asking, background=True)
            await until(lambda: sim.record.open_streams == 1)
            await asyncio.sleep(0.5)
        async with asked(settings) as client, asyncio.timeout(PATIENCE):
            while response.status in ("queued", "in_progress"):
                await asyncio.sleep(0.1)
                response = await client.responses.retrieve(response.id)
            assert [item.type for item in response.output] == ["function_call"], response.model_dump()
        assert sim.record.received == 1
        assert sim.record.requests_of("hNvQHb") >= 1
