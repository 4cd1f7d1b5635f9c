"""Calls for words under an idempotency key, in every dialect: generated once, whole, streamed and after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from gemgate_simulator import Painting, RemoteSimulator, Simulator
from gemgate_simulator.web_results import listed
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
GEMINI = f"/v1beta/models/{MODEL}"
MESSAGES = [{"role": "user", "content": "say hello"}]
CONTENTS = [{"role": "user", "parts": [{"text": "say hello"}]}]
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": MODEL, "messages": MESSAGES}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "say hello"}),
    "messages": ("/v1/messages", {"model": MODEL, "max_tokens": 100, "messages": MESSAGES}),
    "gemini": (f"{GEMINI}:generateContent", {"contents": CONTENTS}),
    "interactions": ("/v1beta/interactions", {"model": MODEL, "input": "say hello"}),
    "generate": ("/v1/generate", {"prompt": "say hello"}),
}
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    name: (path, {**body, "stream": True}) for name, (path, body) in WAYS.items() if name not in ("gemini", "generate")
} | {
    "gemini": (f"{GEMINI}:streamGenerateContent?alt=sse", {"contents": CONTENTS}),
    "gemini array": (f"{GEMINI}:streamGenerateContent", {"contents": CONTENTS}),
}
CONFLICT: dict[str, Any] = {
    "chat": lambda told: told["error"]["code"],
    "responses": lambda told: told["error"]["code"],
    "messages": lambda told: told["error"]["type"],
    "gemini": lambda told: told["error"]["status"],
    "interactions": lambda told: told["error"]["code"],
    "generate": lambda told: told["code"],
}
REUSED = {"messages": "invalid_request_error", "gemini": "ABORTED", "interactions": "aborted"}


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


async def posted(http: aiohttp.ClientSession, path: str, body: Any, key: str, *, status: int = 200) -> Any:
    async with http.post(path, json=body, headers={"Idempotency-Key": key}) as answer:
        told = await answer.read()
        assert answer.status == status, told
        return told


@pytest.mark.parametrize("way", WAYS)
async def test_one_key_generates_once_in_every_dialect(http: aiohttp.ClientSession, sim: Simulator, way: str) -> None:
    path, body = WAYS[way]
    sim.google.reply("hello", "Hello to you", delay=0.3)
    answers = await asyncio.gather(*(posted(http, path, body, "once") for _ in range(4)))
    answers.append(await posted(http, path, body, "once"))
    assert len(set(answers)) == 1, "whoever asks is told the same, ids and all"
    assert b"Hello to you" in answers[0]
    assert sim.record.generations == 1
    told = json.loads(await posted(http, path, {**body, "model": "gemini-3-pro-preview"}, "once", status=409))
    assert CONFLICT[way](told) == REUSED.get(way, "idempotency_key_reused"), told
    await posted(http, path, body, "k" * 201, status=400)
    assert b"Hello to you" in await posted(http, path, body, "another")
    assert sim.record.generations == 2


@pytest.mark.parametrize("way", STREAMS)
async def test_a_stream_under_a_key_is_told_again_byte_for_byte(
    http: aiohttp.ClientSession, sim: Simulator, way: str
) -> None:
    path, body = STREAMS[way]
    sim.google.reply("hello", "Hello to you and to all the others", chars=5, pace=0.02)
    first, second = await asyncio.gather(posted(http, path, body, "once"), posted(http, path, body, "once"))
    assert first == second == await posted(http, path, body, "once")
    async with http.post(path, json=body) as answer:
        plain = await answer.text()
    assert events_of(first.decode()) == events_of(plain), "the same events as without a key"
    assert sim.record.generations == 2


def events_of(stream: str) -> list[str]:
    """The kinds of its events or chunks in their order, neighbours once: how a text is cut is nobody's word."""
    kinds: list[str] = []
    for line in stream.splitlines():
        kind = line if line.startswith("event: ") else "data" if line.startswith(("data: {", "[{", ",{")) else ""
        if kind and kind not in kinds[-2:]:
            kinds.append(kind)
    return kinds


async def test_several_answers_of_a_call_are_made_once_each(http: aiohttp.ClientSession, sim: Simulator) -> None:
    body = {"model": MODEL, "messages": MESSAGES, "n": 3}
    first = await posted(http, "/v1/chat/completions", body, "three")
    assert first == await posted(http, "/v1/chat/completions", body, "three")
    assert [choice["index"] for choice in json.loads(first)["choices"]] == [0, 1, 2]
    assert sim.record.generations == 3


async def test_a_call_goes_on_without_its_caller_and_is_there_when_he_is_back(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.reply("hello", "Hello to you", delay=0.5)
    for path, body in (WAYS["chat"], STREAMS["responses"]):
        gone = asyncio.create_task(posted(http, path, body, "left " + path))
        before = sim.record.generations
        await until(lambda now=before: sim.record.generations > now or sim.record.open_streams)
        gone.cancel()
        assert b"Hello to you" in await posted(http, path, body, "left " + path)
    assert sim.record.generations == 2


async def test_sdks_send_their_keys(gate: Served, sim: Simulator) -> None:
    headers = {"Idempotency-Key": "order-7"}
    said: Any = MESSAGES
    async with (
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
        anthropic.AsyncAnthropic(base_url=gate.url, api_key="any", max_retries=0) as claude,
    ):
        chats = [
            await client.chat.completions.create(model=MODEL, messages=said, extra_headers=headers) for _ in range(2)
        ]
        assert chats[0] == chats[1]
        with pytest.raises(openai.ConflictError) as caught:
            await client.chat.completions.create(model=MODEL, messages=said, temperature=1, extra_headers=headers)
        assert caught.value.code == "idempotency_key_reused"
        key = {"Idempotency-Key": "order-8"}
        told = []
        for _ in range(2):
            async with claude.messages.stream(model=MODEL, max_tokens=100, messages=said, extra_headers=key) as stream:
                told.append(await stream.get_final_message())
        assert told[0] == told[1]
        kept = await client.responses.create(model=MODEL, input="say hello", extra_headers={"Idempotency-Key": "r"})
        again = await client.responses.create(model=MODEL, input="say hello", extra_headers={"Idempotency-Key": "r"})
        assert kept.id == again.id
        assert (await client.responses.retrieve(kept.id)).output_text == kept.output_text
        following = await client.responses.create(model=MODEL, input="and again", previous_response_id=kept.id)
        assert following.output_text
    assert sim.record.generations == 4


async def test_what_certainly_cost_nothing_is_tried_anew_under_its_key(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    path, body = WAYS["chat"]
    sim.google.fault("generate", "code", code=1037)
    await posted(http, path, body, "again", status=429)
    gate.service.pool.accounts[0].reset()
    assert json.loads(await posted(http, path, body, "again"))["choices"]
    assert sim.record.generations == 1


async def test_what_is_wrong_stays_so_under_its_key(http: aiohttp.ClientSession, sim: Simulator) -> None:
    path = WAYS["chat"][0]
    link = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}
    wrong = {"model": MODEL, "messages": [{"role": "user", "content": [link]}]}
    refused = [json.loads(await posted(http, path, wrong, "never", status=400))["error"] for _ in range(2)]
    assert refused[0]["message"] == refused[1]["message"]
    assert refused[0]["code"] == refused[1]["code"]
    assert sim.record.generations == 0


async def test_a_broken_answer_is_an_error_at_once_and_stays_one(
    http: aiohttp.ClientSession, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.upstreams.web.upstream.READ_BACK_AFTER", (0.05,))
    sim.google.fault("generate", "code", code=1013)
    statuses = []
    for _ in range(2):
        async with http.post(WAYS["chat"][0], json=WAYS["chat"][1], headers={"Idempotency-Key": "b"}) as answer:
            statuses.append((answer.status, answer.headers.get("x-gemgate-generated")))
    assert statuses == [(502, "maybe")] * 2
    assert sim.record.generations == 1


async def test_predict_under_a_key_paints_once(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.images(cheap=True)
    sim.google.reply("cat", "", image=Painting(), delay=0.2)
    path = "/v1beta/models/gemini-2.5-flash-image:predict"
    body = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}
    first, second = await asyncio.gather(posted(http, path, body, "cat"), posted(http, path, body, "cat"))
    assert first == second
    assert len(json.loads(first)["predictions"]) == 2
    assert sim.record.generations == 2
    told = json.loads(await posted(http, path, {"instances": [{"prompt": "a dog"}]}, "cat", status=409))
    assert told["error"]["status"] == "ABORTED"


async def test_images_in_chats_are_told_again_with_their_bytes(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.images(cheap=True)
    sim.google.reply("fox", "", image=Painting())
    path = "/v1beta/models/gemini-2.5-flash-image:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "a fox"}]}]}
    first = await posted(http, path, body, "fox")
    assert json.loads(first)["candidates"][0]["content"]["parts"][-1]["inlineData"]["data"]
    assert first == await posted(http, path, body, "fox")
    assert sim.record.generations == 1


@pytest.mark.parametrize("way", ["chat", "responses", "messages", "gemini", "interactions"])
async def test_sources_are_told_again_with_the_answer(http: aiohttp.ClientSession, sim: Simulator, way: str) -> None:
    path, body = WAYS[way]
    pages = [("https://example.org/tides", "How tides work", "The moon pulls.")]
    sim.google.reply("hello", "The moon does it.", rich=listed(pages))
    first = await posted(http, path, body, "once")
    assert b"https://example.org/tides" in first
    assert first == await posted(http, path, body, "once")
    assert sim.record.generations == 1


async def test_keys_are_each_clients_own_and_nothing_of_a_call_is_readable(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("unheard-of", "A secret-answer of mine")
    settings = settings_for(sim, tmp_path, api_key="ann:key-of-ann-000,ben:key-of-ben-000")
    body = {"prompt": "an unheard-of wish"}
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        for name in ("ann", "ben", "ann"):
            headers = {"Authorization": f"Bearer key-of-{name}-000", "Idempotency-Key": "same"}
            async with http.post("/v1/generate", json=body, headers=headers) as answer:
                assert "secret-answer" in await answer.text()
                task = answer.headers["x-gemgate-task"]
    assert sim.record.generations == 2
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("gemgate.sqlite3*"))
    assert task.encode() in stored
    assert b"secret-answer" not in stored
    assert b"unheard-of" not in stored


async def test_what_is_over_is_forgotten_in_time(http: aiohttp.ClientSession, sim: Simulator, gate: Served) -> None:
    path, body = WAYS["chat"]
    await posted(http, path, body, "old")
    jobs = gate.service.jobs
    await until(lambda: not sim.record.open_streams)
    async with asyncio.timeout(PATIENCE):
        while not await jobs.forget_before(gate.service.clock.now() + 1, ("answer",)):
            await asyncio.sleep(0.05)
    await posted(http, path, body, "old")
    assert sim.record.generations == 2


@pytest.mark.parametrize("way", ["responses", "interactions"])
async def test_what_was_deleted_is_not_told_again(http: aiohttp.ClientSession, sim: Simulator, way: str) -> None:
    path, body = WAYS[way]
    made = json.loads(await posted(http, path, body, "once"))["id"]
    async with http.delete(f"{path}/{made}") as answer:
        assert answer.status == 200
    assert json.loads(await posted(http, path, body, "once"))["id"] != made
    assert sim.record.generations == 2


async def test_a_repeated_call_is_one_of_the_limits(sim: Simulator, tmp_path: Path) -> None:
    path, body = WAYS["chat"]
    settings = settings_for(sim, tmp_path, rate_limit_per_hour=2)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        for _ in range(3):
            await posted(http, path, body, "one")
        await posted(http, path, body, "two")
        await posted(http, path, body, "three", status=429)


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    """Whatever is started is ended."""
    started: list[Node] = []
    yield started
    for node in started:
        node.end()


@pytest.mark.timeout(600)
async def test_the_answer_of_a_gateway_that_was_killed_is_had_under_its_key(nodes: list[Node], tmp_path: Path) -> None:
    """`kill -9` while it is streamed: the same call is told all of it by the next process, and it is made once."""
    story = " ".join(f"Sentence {number} of a long story, with umlauts (ä) and 中文." for number in range(40))
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.world(carries_on=True)
        await sim.google.reply("hello", story, chars=40, pace=0.1)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        nodes.append(node)
        await node.start()
        path, body = STREAMS["chat"]
        headers = {"Idempotency-Key": "night"}
        async with aiohttp.ClientSession(node.url) as http:
            async with http.post(path, json=body, headers=headers) as answer:
                beginning = await answer.content.readexactly(2_000)
            node.kill()
        await node.start()
        async with aiohttp.ClientSession(node.url) as http, asyncio.timeout(PATIENCE):
            whole = await posted(http, path, body, "night")
            assert whole.startswith(beginning)
            chunks = [json.loads(line[6:]) for line in whole.decode().splitlines() if line.startswith("data: {")]
            text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
            assert text == story
            assert whole == await posted(http, path, body, "night")
        record = await sim.record()
        assert record.generations == 1
        assert not record.violations


@pytest.mark.timeout(600)
async def test_what_cannot_be_read_back_after_a_kill_is_not_made_again(nodes: list[Node], tmp_path: Path) -> None:
    """A temporary chat is not to be seen afterwards: who asks is told that it may have been answered."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.reply("hello", "Hello to you", delay=30)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        nodes.append(node)
        await node.start()
        path, body = WAYS["generate"]
        async with aiohttp.ClientSession(node.url) as http:
            asked = asyncio.create_task(posted(http, path, body, "night"))
            async with asyncio.timeout(PATIENCE):
                while not (await sim.record()).received:
                    await asyncio.sleep(0.05)
            node.kill()
            with pytest.raises(aiohttp.ClientError):
                await asked
        await node.start()
        async with aiohttp.ClientSession(node.url) as http, asyncio.timeout(PATIENCE):
            for _ in range(2):
                async with http.post(path, json=body, headers={"Idempotency-Key": "night"}) as answer:
                    assert (answer.status, answer.headers["x-gemgate-generated"]) == (502, "maybe")
                    assert (await answer.json())["code"] == "response_interrupted"
        assert (await sim.record()).received == 1
