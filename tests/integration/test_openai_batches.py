"""OpenAI's batch API by OpenAI's own client, from the uploaded file to the downloaded answers."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch
from openai.types.responses import Response
from PIL import Image

from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.images(cheap=True)
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


def line(custom_id: str, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def chat(custom_id: str, words: str, **more: Any) -> dict[str, Any]:
    return line(custom_id, model="gemini-3-flash-preview", messages=[{"role": "user", "content": words}], **more)


async def ordered(
    client: openai.AsyncOpenAI, lines: list[dict[str, Any]], endpoint: Any = "/v1/chat/completions", **more: Any
) -> Batch:
    data = "\n".join(json.dumps(each) for each in lines).encode()
    file = await client.files.create(file=("orders.jsonl", data), purpose="batch")
    return await client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


async def over(client: openai.AsyncOpenAI, batch: Batch) -> Batch:
    async with asyncio.timeout(PATIENCE):
        while batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
            await asyncio.sleep(0.05)
            batch = await client.batches.retrieve(batch.id)
    return batch


async def answers(client: openai.AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    text = (await client.files.content(file_id)).text
    return {row["custom_id"]: row for row in map(json.loads, text.splitlines())}


async def test_chats_are_answered_in_a_file_each_under_its_own_id(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("hello", "Hello to you")
    lines = [chat("first", "hello 1"), chat("second", "hello 2", n=2)]
    lines += [line("bad", model="gemini-3-flash-preview", messages=[])]
    batch = await ordered(client, lines, metadata={"night": "1"})
    assert batch.object == "batch"
    assert batch.request_counts is not None
    batch = await over(client, batch)
    assert (batch.status, batch.metadata) == ("completed", {"night": "1"})
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed) == (3, 2)
    found = await answers(client, batch.output_file_id)
    assert set(found) == {"first", "second"}
    body = found["first"]["response"]["body"]
    assert found["first"]["response"]["status_code"] == 200
    assert body["choices"][0]["message"]["content"] == "Hello to you"
    assert len(found["second"]["response"]["body"]["choices"]) == 2
    assert body["usage"]["total_tokens"] > 0
    bad = (await answers(client, batch.error_file_id))["bad"]
    assert (bad["response"]["status_code"], bad["response"]["body"]["error"]["param"]) == (400, "messages")
    assert bad["response"]["body"]["error"]["request_id"] == bad["response"]["request_id"]
    assert sim.record.generations == 3
    assert all(call.temporary for call in sim.record.calls)
    assert not sim.record.violations


async def test_images_come_in_the_file_and_what_was_refused_in_the_other(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.reply("cat", "", image=Painting())
    sim.google.refuse("celebrity", "refusal")
    url = "/v1/images/generations"
    lines = [
        line("cat", url, model="gemini-2.5-flash-image", prompt="a cat", n=2, response_format="b64_json"),
        line("no", url, model="gemini-2.5-flash-image", prompt="a celebrity"),
    ]
    batch = await over(client, await ordered(client, lines, url))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    found = await answers(client, batch.output_file_id)
    images = found["cat"]["response"]["body"]["data"]
    assert len(images) == 2
    assert all(Image.open(io.BytesIO(base64.b64decode(one["b64_json"]))).size == (256, 256) for one in images)
    refused = (await answers(client, batch.error_file_id))["no"]
    assert refused["response"]["status_code"] == 400
    assert refused["response"]["body"]["error"]["code"] == "content_policy_violation"
    assert sim.record.generations == 3


async def test_batches_are_listed_and_cancelled(client: openai.AsyncOpenAI, sim: Simulator, gate: Served) -> None:
    sim.google.reply("slow", "late", delay=30)
    batches = [await ordered(client, [chat("a", f"slow {number}")]) for number in range(3)]
    await until(lambda: sim.record.open_streams == 3)
    listed = [batch.id async for batch in client.batches.list(limit=2)]
    assert listed == [batch.id for batch in reversed(batches)]
    cancelled = await over(client, await client.batches.cancel(batches[0].id))
    assert cancelled.status == "cancelled"
    row = (await answers(client, cancelled.error_file_id))["a"]
    assert row["error"]["code"] == "batch_cancelled"
    await until(lambda: sim.record.open_streams == 2)


async def test_wrong_orders_are_refused_in_words_of_the_sdk(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/responses, /v1/images/generations, /v1/images/edits"):
        await ordered(client, [chat("a", "hello")], "/v1/embeddings")
    with pytest.raises(openai.NotFoundError, match="batch_0000"):
        await client.batches.retrieve("batch_0000")
    file = await client.files.create(file=("a.txt", b"hello"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose=batch"):
        await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    twice = await over(client, await ordered(client, [chat("a", "hello"), chat("a", "hello")]))
    assert twice.status == "failed"
    assert twice.errors is not None
    assert sim.record.received == 0


async def test_links_of_ours_and_ignored_wishes_in_lines(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    """A link is known by the address under which the order came; what a line asks for in vain stands in its answer."""
    made = await client.images.generate(model="gemini-2.5-flash-image", prompt="a pond", response_format="url")
    assert made.data is not None
    link = str(made.data[0].url)
    parts = [{"type": "text", "text": "what pond?"}, {"type": "image_url", "image_url": {"url": link}}]
    lines = [line("look", model="gemini-3-flash-preview", messages=[{"role": "user", "content": parts}], seed=3)]
    told = await over(client, await ordered(client, lines))
    answer = (await answers(client, told.output_file_id))["look"]["response"]
    assert answer["status_code"] == 200, answer
    assert answer["body"]["ignored"] == ["seed"]
    assert len(sim.record.calls[-1].files) == 1
    url: Any = "/v1/images/generations"
    wish = {"prompt": "the pond at night", "image": link, "style": "vivid", "response_format": "url"}
    told = await over(client, await ordered(client, [line("paint", url, **wish)], url))
    answer = (await answers(client, told.output_file_id))["paint"]["response"]
    assert answer["status_code"] == 200, answer
    assert answer["body"]["ignored"] == ["style"]
    assert len(sim.record.calls[-1].files) == 1


def png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "PNG")
    return data.getvalue()


async def test_edits_start_from_files_and_data_of_their_lines(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("night", "", image=Painting())
    file = await client.files.create(file=("fox.png", png("red")), purpose="vision")
    data = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    url: Any = "/v1/images/edits"
    lines = [
        line("file", url, prompt="make it night", images=[{"file_id": file.id}]),
        line("data", url, prompt="the night again", images=[{"image_url": data}, {"file_id": file.id}], n=2),
        line("none", url, prompt="a night of nothing"),
        line("mask", url, prompt="a night in parts", images=[{"file_id": file.id}], mask={"file_id": file.id}),
    ]
    batch = await over(client, await ordered(client, lines, url))
    assert (batch.status, batch.endpoint) == ("completed", url)
    found = await answers(client, batch.output_file_id)
    assert {name: len(row["response"]["body"]["data"]) for name, row in found.items()} == {"file": 1, "data": 2}
    assert found["data"]["response"]["body"]["usage"]["input_tokens_details"]["image_tokens"] > 0
    wrong = await answers(client, batch.error_file_id)
    assert {name: row["response"]["body"]["error"]["param"] for name, row in wrong.items()} == {
        "none": "image", "mask": "mask",
    }  # fmt: skip
    assert sorted(len(call.files) for call in sim.record.calls) == [1, 2, 2]
    assert sim.record.generations == 3
    assert batch.usage is not None
    spent = [row["response"]["body"]["usage"] for row in found.values()]
    assert batch.usage.input_tokens == sum(one["input_tokens"] for one in spent)
    assert batch.usage.output_tokens == sum(one["output_tokens"] for one in spent)
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens
    assert batch.usage.output_tokens_details.reasoning_tokens == 0


async def test_responses_are_answered_kept_and_continued(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.reply("capital", "Paris")
    sim.google.reply("river", "The Seine")
    first = await client.responses.create(model="gemini-3-flash-preview", input="the capital of France?")
    url: Any = "/v1/responses"
    model = {"model": "gemini-3-flash-preview"}
    lines = [
        line("alone", url, **model, input="which river of Europe?", instructions="Be brief", temperature=0.2),
        line("on", url, **model, input="and its river?", previous_response_id=first.id, store=False),
        line("lost", url, **model, input="and its river?", previous_response_id="resp_0000"),
    ]
    batch = await over(client, await ordered(client, lines, url, output_expires_after=KEPT_A_DAY))
    assert (batch.status, batch.endpoint, batch.model) == ("completed", url, "gemini-3-flash-preview")
    found = await answers(client, batch.output_file_id)
    told = {name: Response.model_validate(row["response"]["body"]) for name, row in found.items()}
    assert {name: one.output_text for name, one in told.items()} == {"alone": "The Seine", "on": "The Seine"}
    assert found["alone"]["response"]["body"]["ignored"] == ["temperature"]
    lost = (await answers(client, batch.error_file_id))["lost"]["response"]
    assert (lost["status_code"], lost["body"]["error"]["code"]) == (400, "previous_response_not_found")
    assert (await client.responses.retrieve(told["alone"].id)).output_text == "The Seine"
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(told["on"].id)
    more = await client.responses.create(**model, input="and the river?", previous_response_id=told["alone"].id)
    assert more.output_text == "The Seine"
    went_on = [call.prompt for call in sim.record.calls if "and its river?" in call.prompt]
    assert len(went_on) == 1
    assert "the capital of France?" in went_on[0]
    assert "Paris" in went_on[0]
    assert sim.record.generations == 4
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(one.usage.total_tokens for one in told.values() if one.usage)
    output = await client.files.retrieve(str(batch.output_file_id))
    assert output.expires_at == pytest.approx(output.created_at + 86_400, abs=1)


KEPT_A_DAY: Any = {"anchor": "created_at", "seconds": 86_400}


async def test_an_order_whose_time_is_up_says_what_was_answered_and_what_was_not(
    client: openai.AsyncOpenAI, sim: Simulator, gate: Served
) -> None:
    sim.google.reply("quick", "Here")
    sim.google.reply("slow", "late", delay=60)
    batch = await ordered(client, [chat("done", "quick"), chat("late", "slow")])
    assert (batch.completion_window, batch.expires_at) == ("24h", batch.created_at + 86_400)

    async def answered() -> bool:
        counts = (await client.batches.retrieve(batch.id)).request_counts
        return counts is not None and counts.completed == 1

    async with asyncio.timeout(PATIENCE):
        while not await answered():
            await asyncio.sleep(0.05)
    jobs = gate.service.jobs
    assert batch.id in await jobs.store.overdue(float(batch.created_at + 86_401))
    await jobs.store.change(batch.id, "expired")
    batch = await over(client, batch)
    assert batch.status == "expired"
    assert batch.expired_at is not None
    assert set(await answers(client, batch.output_file_id)) == {"done"}
    late = (await answers(client, batch.error_file_id))["late"]
    assert (late["response"], late["error"]["code"]) == (None, "batch_expired")
    await until(lambda: sim.record.open_streams == 0)
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
