"""Background responses judged by OpenAI's SDK: polled, followed, followed again, cancelled, continued, deleted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from gemgate.chat import Ended, Event, Reason
from gemgate.gateway.gateway import Gateway
from gemgate.testing import Facts
from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for
from tests.support.webhooks import listening

MODEL = "gemini-3-flash-preview"
STORY = " ".join(f"Sentence {number} of the story." for number in range(60))


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


async def over(client: openai.AsyncOpenAI, response: Response) -> Response:
    async with asyncio.timeout(PATIENCE):
        while response.status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
            response = await client.responses.retrieve(response.id)
    return response


async def test_it_answers_at_once_and_is_polled_to_its_end(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("hello", "Hello to you", delay=3)
    response = await client.responses.create(model=MODEL, input="say hello", background=True, metadata={"a": "b"})
    assert (response.status, response.background, response.output) == ("queued", True, [])
    await until(lambda: sim.record.open_streams == 1)
    assert (await client.responses.retrieve(response.id)).status == "in_progress"
    done = await over(client, response)
    assert (done.status, done.output_text, done.id, done.metadata) == (
        "completed",
        "Hello to you",
        response.id,
        {"a": "b"},
    )
    assert done.usage is not None
    assert done.usage.total_tokens > 0
    assert done.created_at == response.created_at
    assert (await client.responses.cancel(response.id)).status == "completed"
    assert sim.record.generations == 1


async def numbered(stream: Any, most: int = 10**6) -> list[Any]:
    events = []
    async for event in stream:
        events.append(event)
        if len(events) == most:
            break
    await stream.close()
    return events


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_a_stream_that_is_left_is_gone_on_with_from_any_number(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.reply("story", STORY, pace=0.05)
    stream = await client.responses.create(model=MODEL, input="a story", background=True, stream=True)
    first = await numbered(stream, 8)
    assert [event.type for event in first[:3]] == ["response.created", "response.queued", "response.in_progress"]
    response_id = first[0].response.id
    second = await numbered(
        await client.responses.retrieve(response_id, stream=True, starting_after=first[-1].sequence_number), 4
    )
    rest = await numbered(
        await client.responses.retrieve(response_id, stream=True, starting_after=second[-1].sequence_number)
    )
    events = [*first, *second, *rest]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert text_of(events) == STORY
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == STORY
    whole = await numbered(await client.responses.retrieve(response_id, stream=True))
    assert [event.model_dump() for event in whole] == [event.model_dump() for event in events]
    assert (await client.responses.retrieve(response_id)).model_dump() == rest[-1].response.model_dump()
    assert sim.record.generations == 1


async def test_one_is_cancelled_while_it_runs_and_its_stream_says_so(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.reply("story", STORY, pace=0.2)
    stream = await client.responses.create(model=MODEL, input="a story", background=True, stream=True)
    events = []
    async for event in stream:
        events.append(event)
        if len(events) == 7:
            assert (await client.responses.cancel(events[0].response.id)).status == "cancelled"
    assert events[-1].type == "response.cancelled"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    cancelled = await client.responses.cancel(events[0].response.id)
    assert cancelled.status == "cancelled"
    assert STORY.startswith(cancelled.output_text)
    assert cancelled.output_text
    await until(lambda: sim.record.open_streams == 0)
    assert sim.record.generations == 1


async def test_what_fails_says_why_in_both_languages(client: openai.AsyncOpenAI, sim: Simulator, gate: Served) -> None:
    wrong: Any = [{"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:9/x.png"}]}]
    failed = await over(client, await client.responses.create(model=MODEL, input=wrong, background=True))
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "invalid_prompt"
    chinese = client.with_options(default_headers={"accept-language": "zh"})
    told = (await chinese.responses.retrieve(failed.id)).error
    assert told is not None
    assert told.message != failed.error.message
    events = await numbered(await client.responses.retrieve(failed.id, stream=True))
    assert [event.type for event in events] == ["response.created", "response.queued", "response.failed"]
    assert sim.record.generations == 0


SECRET = "whsec_" + base64.b64encode(b"a secret of 24 characters").decode()


async def test_its_end_is_told_to_the_webhook_in_openais_words(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("story", STORY, pace=0.2)
    async with listening() as hook:
        settings = settings_for(sim, tmp_path, responses_webhook_url=hook.url, responses_webhook_secret=SECRET)
        async with (
            served(settings, job_rules=QUICK) as gate,
            openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
        ):
            done = await client.responses.create(model=MODEL, input="hello", background=True)
            await until(lambda: len(hook.heard) == 1)
            given_up = await client.responses.create(model=MODEL, input="a story", background=True)
            await client.responses.cancel(given_up.id)
            await until(lambda: len(hook.heard) == 2)
            told = [client.webhooks.unwrap(body, headers, secret=SECRET) for body, headers in hook.heard]
    ends = [(event.type, getattr(event.data, "id", "")) for event in told]
    assert ends == [("response.completed", done.id), ("response.cancelled", given_up.id)]


@pytest.mark.parametrize(("reason", "named"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_one_that_was_cut_off_is_incomplete_whichever_way_it_is_told(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Reason, named: str
) -> None:
    """Nothing cuts an answer of the web app off so far: the end of a whole one is told as such a one's."""

    whole = Gateway.chat

    async def cut(*args: Any, **more: Any) -> AsyncIterator[Event]:
        async for event in whole(*args, **more):
            yield replace(event, reason=reason) if isinstance(event, Ended) else event

    monkeypatch.setattr(Gateway, "chat", cut)
    async with listening() as hook:
        settings = settings_for(sim, tmp_path, responses_webhook_url=hook.url, responses_webhook_secret=SECRET)
        async with (
            served(settings, job_rules=QUICK) as gate,
            openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
        ):
            plain = await client.responses.create(model=MODEL, input="say hello")
            events = await numbered(await client.responses.create(model=MODEL, input="say hello", stream=True))
            behind = await over(client, await client.responses.create(model=MODEL, input="say hello", background=True))
            followed = await numbered(await client.responses.retrieve(behind.id, stream=True))
            await until(lambda: len(hook.heard) == 1)
            ((body, headers),) = hook.heard
            told = client.webhooks.unwrap(body, headers, secret=SECRET)
            following = await client.responses.create(model=MODEL, input="go on", previous_response_id=behind.id)
    assert (told.type, getattr(told.data, "id", "")) == ("response.incomplete", behind.id)
    assert events[-1].type == followed[-1].type == "response.incomplete"
    for one in (plain, events[-1].response, behind, followed[-1].response, following):
        assert one.status == "incomplete"
        assert one.incomplete_details.reason == named
        assert one.output[-1].status == "incomplete"
    assert sim.record.generations == 4


async def test_it_is_continued_and_continues_whichever_way_the_others_were_made(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.reply("name is Ada", "Pleased to meet you")
    sim.google.reply("second", "You are Ada")
    first = await client.responses.create(model=MODEL, input="my name is Ada", background=True)
    with pytest.raises(openai.BadRequestError, match="no whole answer"):
        await client.responses.create(model=MODEL, input="second", previous_response_id=first.id)
    first = await over(client, first)
    second = await client.responses.create(model=MODEL, input="second: who am I", previous_response_id=first.id)
    assert second.output_text == "You are Ada"
    third = await client.responses.create(
        model=MODEL, input="second again", previous_response_id=second.id, background=True
    )
    assert (await over(client, third)).output_text == "You are Ada"
    told = [*sim.record.calls][-1].prompt
    assert "my name is Ada" in told
    assert "Pleased to meet you" in told
    item = first.output[0].id
    fourth = await client.responses.create(
        model=MODEL,
        input=[{"type": "item_reference", "id": item or ""}, {"role": "user", "content": "second"}],
    )
    assert fourth.output_text == "You are Ada"
    assert sim.record.generations == 4


async def test_tools_and_images_come_as_they_do_in_the_foreground(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.images(cheap=True)
    sim.google.reply("fox", "", image=Painting())
    image: Any = {"type": "image_generation"}
    painted = await over(
        client,
        await client.responses.create(
            model=MODEL, input="a fox", tools=[image], tool_choice={"type": "image_generation"}, background=True
        ),
    )
    (call,) = painted.output
    assert call.type == "image_generation_call"
    assert call.result
    events = await numbered(await client.responses.retrieve(painted.id, stream=True))
    assert [event.type for event in events if "image_generation" in event.type] == [
        f"response.image_generation_call.{step}" for step in ("in_progress", "generating", "completed")
    ]
    assert sim.record.generations == 1


async def test_it_is_deleted_also_while_it_runs(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("story", STORY, pace=0.2)
    response = await client.responses.create(model=MODEL, input="a story", background=True)
    await until(lambda: sim.record.open_streams == 1)
    await client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.cancel(response.id)
    await until(lambda: sim.record.open_streams == 0)


async def test_what_only_the_background_has_is_refused_elsewhere(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    with pytest.raises(openai.BadRequestError, match="has to be stored") as caught:
        await client.responses.create(model=MODEL, input="hello", background=True, store=False)
    assert caught.value.param == "store"
    plain = await client.responses.create(model=MODEL, input="hello")
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.cancel(plain.id)
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.retrieve(plain.id, stream=True)
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="no-such-model", input="hello", background=True)
    assert sim.record.generations == 1


async def test_one_idempotency_key_makes_one_response(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    key = {"Idempotency-Key": "night-1"}
    made = [
        await client.responses.create(model=MODEL, input="hello", background=True, extra_headers=key) for _ in range(3)
    ]
    assert len({response.id for response in made}) == 1
    with pytest.raises(openai.ConflictError):
        await client.responses.create(model=MODEL, input="other", background=True, extra_headers=key)
    await over(client, made[0])
    assert sim.record.generations == 1


async def test_a_fleet_hears_of_one_that_is_entered_unless_a_key_finds_it_again(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served
) -> None:
    """Its front must not have another node enter it as well when this one dies before it has answered."""
    ear = Facts()
    gate.service.observer.add(ear)
    plain = await client.responses.create(model=MODEL, input="hello", background=True)
    heard = [fact.name for fact in ear.facts]
    assert heard.index("task.entering") < heard.index("request.task")
    ear.facts.clear()
    keyed = await client.responses.create(
        model=MODEL, input="hello", background=True, extra_headers={"Idempotency-Key": "k"}
    )
    assert "task.entering" not in [fact.name for fact in ear.facts]
    for one in (plain, keyed):
        await over(client, one)
    assert sim.record.generations == 2


async def test_of_two_calls_that_meet_under_one_key_one_is_refused(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    key = {"Idempotency-Key": "night-2"}
    calls = (
        client.responses.create(model=MODEL, input=text, background=True, extra_headers=key) for text in ("one", "two")
    )
    met = await asyncio.gather(*calls, return_exceptions=True)
    (made,) = [one for one in met if isinstance(one, Response)]
    assert [type(one) for one in met if one is not made] == [openai.ConflictError]
    await over(client, made)
    assert sim.record.generations == 1


async def test_what_is_stored_of_it_says_nothing_without_the_key(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served, tmp_path: Path
) -> None:
    sim.google.reply("unheard-of", "A secret-answer of mine")
    response = await client.responses.create(model=MODEL, input="an unheard-of wish", background=True)
    assert "secret-answer" in (await over(client, response)).output_text
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("gemgate.sqlite3*"))
    assert response.id.encode() in stored
    assert b"unheard-of" not in stored
    assert b"secret-answer" not in stored
