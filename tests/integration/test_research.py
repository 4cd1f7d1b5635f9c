"""Deep research over real sockets, judged by OpenAI's and Google's own SDKs; plans, starts and generations counted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from google import genai
from google.genai import types
from google.genai._gaos.lib import compat_errors
from sqlalchemy import update

from gemgate.jobs.research_story import Story
from gemgate.research import ResearchState
from gemgate.stores.sql.schema import batch
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import RemoteSimulator, Simulator
from gemgate_simulator.research import CONFIRM
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for
from tests.support.webhooks import listening

AGENT = "deep-research-preview-04-2026"
RULES = replace(QUICK, research_look=0.1)
REPORT = (
    "# Foxes in snow\n\nArctic foxes turn white in winter.\n\n## Why\n\n"
    "White fur hides them from prey and from bears.\n\nIt took a long cold time.\n"
)
PAGES = ["https://example.org/foxes", "https://example.com/snow", "https://example.net/ice"]


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=4), job_rules=RULES) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0, timeout=30) as one:
        yield one


@pytest.fixture
async def google(gate: Served) -> AsyncIterator[Any]:
    one = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=gate.url))
    yield one.aio.interactions
    await one.aio.aclose()


def turns(sim: Simulator) -> list[str]:
    """The turns of research that Google got."""
    return [call.research for call in sim.record.calls]


async def answered(client: openai.AsyncOpenAI, response: Any, seconds: float = PATIENCE) -> Any:
    async with asyncio.timeout(seconds):
        while response.status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
            response = await client.responses.retrieve(response.id)
    return response


async def ended(google: Any, interaction: Any, seconds: float = PATIENCE) -> Any:
    async with asyncio.timeout(seconds):
        while interaction.status == "in_progress":
            await asyncio.sleep(0.05)
            interaction = await google.get(id=interaction.id)
    return interaction


async def test_an_unknown_model_is_told_the_models_of_the_list(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert "gemini-deep-research" in listed
    with pytest.raises(openai.NotFoundError) as caught:
        await client.responses.create(model="qqqq", input="foxes")
    assert caught.value.body["message"].partition(" Available: ")[2].split(", ") == listed  # type: ignore[index]


async def test_a_response_is_planned_started_and_read_once(
    client: openai.AsyncOpenAI, gate: Served, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.research(looks=4)
    response = await client.responses.create(
        model="o3-deep-research",
        input="Why are foxes white?",
        background=True,
        tools=[{"type": "web_search_preview"}],
    )
    assert response.status in ("queued", "in_progress")
    done = await answered(client, response)
    assert (done.status, done.model, done.output_text) == ("completed", "o3-deep-research", REPORT)
    (message,) = [item for item in done.output if item.type == "message"]
    notes = message.content[0].annotations
    assert [note.url for note in notes] == [PAGES[0], PAGES[0], PAGES[1], PAGES[2]]
    assert REPORT[notes[0].start_index : notes[0].end_index] == "Arctic foxes turn white in winter."
    (thoughts,) = [item for item in done.output if item.type == "reasoning"]
    told = "".join(part.text for part in thoughts.summary)
    assert told.index("Compare what they say") < told.index("Researching websites") < told.index(PAGES[2])
    assert all(told.count(page) == 1 for page in PAGES)
    assert turns(sim) == ["plan", "start"]
    assert sim.record.calls[1].prompt == CONFIRM
    assert sim.record.generations == 2
    async with http.get(f"/api/jobs/{response.id}/results") as answer:
        (result,) = (await answer.json())["data"]
    (file,) = result["files"]
    async with http.get(file["url"].removeprefix(gate.url)) as answer:
        data = await answer.read()
        assert answer.content_type == "text/markdown"
    assert data.decode() == REPORT
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    async with http.get(f"/api/jobs/{response.id}") as answer:
        job = await answer.json()
    assert (job["kind"], job["status"], job["prompts_sent"]) == ("research", "completed", 2)
    assert not sim.record.violations
    await client.responses.delete(response.id)
    async with http.get(file["url"].removeprefix(gate.url)) as answer:
        assert answer.status == 404


async def test_a_response_is_followed_and_followed_again(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.research(looks=4)
    stream = await client.responses.create(model="gemini-deep-research", input="foxes", background=True, stream=True)
    events = [event async for event in stream]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == REPORT
    kinds = [event.type for event in events]
    assert kinds.index("response.reasoning_summary_text.delta") < kinds.index("response.output_text.delta")
    assert kinds.count("response.output_text.annotation.added") == 4
    assert kinds[-1] == "response.completed"
    half = events[len(events) // 2].sequence_number
    response_id = events[0].response.id
    again = await client.responses.retrieve(response_id, stream=True, starting_after=half)
    assert [e.sequence_number async for e in again] == [e.sequence_number for e in events if e.sequence_number > half]
    assert turns(sim) == ["plan", "start"]
    assert not sim.record.violations


async def test_an_interaction_with_an_agent(google: Any, sim: Simulator) -> None:
    sim.google.research(looks=3)
    one = await google.create(agent=AGENT, input="Why are foxes white?", background=True)
    assert (one.status, one.agent, one.model) == ("in_progress", AGENT, None)
    done = await ended(google, one)
    assert (done.status, done.output_text, done.agent) == ("completed", REPORT, AGENT)
    assert [step.type for step in done.steps] == ["thought", "model_output"]
    notes = done.steps[-1].content[0].annotations
    assert [note.url for note in notes] == [PAGES[0], PAGES[0], PAGES[1], PAGES[2]]
    events = [event async for event in await google.get(id=one.id, stream=True)]
    told = [event.delta for event in events if event.event_type == "step.delta"]
    assert "".join(delta.text for delta in told if delta.type == "text") == REPORT
    assert any(delta.type == "thought_summary" for delta in told)
    assert events[-1].interaction.status == "completed"
    follow_up = await google.create(
        model="gemini-3-flash-preview", input="And foxes of the desert?", previous_interaction_id=one.id
    )
    assert follow_up.status == "completed"
    assert "Arctic foxes" in sim.record.calls[-1].prompt
    assert turns(sim) == ["plan", "start", ""]
    assert not sim.record.violations


async def test_a_plan_is_changed_accepted_and_used_once(google: Any, sim: Simulator) -> None:
    wants_plan = {"type": "deep-research", "collaborative_planning": True}
    plan = await ended(
        google, await google.create(agent=AGENT, input="foxes", background=True, agent_config=wants_plan)
    )
    assert plan.status == "completed"
    assert "Compare what they say" in plan.output_text
    assert turns(sim) == ["plan"]
    changed = {"agent": AGENT, "input": "only arctic ones", "background": True, "agent_config": wants_plan}
    other = await ended(google, await google.create(**changed, previous_interaction_id=plan.id))
    assert "revised" in other.output_text
    assert "only arctic ones" in other.output_text
    assert turns(sim) == ["plan", "plan"]
    accepted = {"agent": AGENT, "input": "Looks good", "background": True, "previous_interaction_id": other.id}
    first, second = await asyncio.gather(google.create(**accepted), google.create(**accepted))
    assert first.id == second.id
    with pytest.raises(compat_errors.APIError) as caught:
        await google.create(**changed, previous_interaction_id=other.id)
    assert caught.value.body["error"]["message"].startswith("The plan was accepted")
    done = await ended(google, first)
    assert (done.status, done.output_text) == ("completed", REPORT)
    assert (await google.create(**accepted)).id == first.id
    assert turns(sim) == ["plan", "plan", "start"]
    assert len({call.cid for call in sim.record.calls}) == 1
    assert not sim.record.violations


async def test_nothing_is_kept_of_one_that_is_given_up_while_its_report_comes(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process: this one hears of it at its next heartbeat."""
    progress = Story.progress

    async def progresses(self: Story, state: ResearchState) -> None:
        await progress(self, state)
        if state.report is not None:
            await gate.service.jobs.store.change(response.id, "cancelled")

    monkeypatch.setattr(Story, "progress", progresses)
    response = await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    async with asyncio.timeout(PATIENCE):
        while (now := await client.responses.retrieve(response.id)).status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
        await until(lambda: not gate.service.jobs.worker.running)
    assert (now.status, now.output_text) == ("cancelled", "")
    assert not (await client.files.list()).data


@pytest.mark.parametrize("broken", ["plan", "start"])
async def test_a_turn_that_breaks_off_is_looked_for_and_not_sent_again(
    client: openai.AsyncOpenAI, sim: Simulator, broken: str
) -> None:
    match = CONFIRM if broken == "start" else "foxes"
    sim.google.fault("generate", "reset", after_frames=1, match=match)
    done = await answered(
        client, await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    )
    assert (done.status, done.output_text) == ("completed", REPORT)
    assert turns(sim) == ["plan", "start"]
    assert not sim.record.violations


@pytest.mark.parametrize("broken", ["plan", "start"])
async def test_a_turn_of_which_nothing_was_heard_is_found_in_the_list(
    client: openai.AsyncOpenAI, sim: Simulator, broken: str
) -> None:
    match = CONFIRM if broken == "start" else "foxes"
    sim.google.fault("generate", "reset", match=match, finished=True)
    done = await answered(
        client, await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    )
    assert (done.status, done.output_text) == ("completed", REPORT)
    assert turns(sim) == ["plan", "start"]
    assert not sim.record.violations


async def test_the_same_words_twice_are_two_researches(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator
) -> None:
    """Nothing was heard of either prompt: each is found in the list of chats, in a chat of its own."""
    sim.google.fault("generate", "reset", times=2, match="foxes", finished=True)
    asked = [client.responses.create(model="gemini-deep-research", input="foxes", background=True) for _ in range(2)]
    done = [await answered(client, one) for one in await asyncio.gather(*asked)]
    assert [one.status for one in done] == ["completed"] * 2, [one.error for one in done]
    assert sorted(turns(sim)) == ["plan", "plan", "start", "start"]
    assert len({call.cid for call in sim.record.calls if call.research == "start"}) == 2
    assert set(sim.record.violations) <= {"the same plan was asked for twice"}  # it goes by the words


async def test_the_wait_for_an_account_is_no_doubt_of_the_plan(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order of an hour ago whose prompt left now, in a process that died before it heard of it: it is looked for
    as long as any other, and not only once.
    """
    find, looks = WebUpstream.find_chats, 0

    async def finds(self: WebUpstream, prompt: str, since: float) -> Any:
        nonlocal looks
        looks += 1
        return await find(self, prompt, since) if looks > 2 else []

    monkeypatch.setattr(WebUpstream, "find_chats", finds)
    sim.google.fault("generate", "stall", match="foxes", seconds=10, finished=True)
    response = await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    await until(lambda: sim.record.received == 1)
    async with gate.service.database.writing() as connection:
        await connection.execute(update(batch).values(started_at=batch.c.started_at - 3600))
    assert await gate.service.jobs.store.free() == 1
    gate.service.jobs.worker.wake()
    done = await answered(client, response)
    assert (done.status, done.error) == ("completed", None)
    assert turns(sim) == ["plan", "start"]


async def test_a_report_that_comes_after_its_response_was_deleted_is_deleted_too(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = gate.service.files
    begun, may_end = asyncio.Event(), asyncio.Event()
    add = type(files).add

    async def slowly(self: Any, *which: Any) -> None:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await may_end.wait()
        await add(self, *which)

    monkeypatch.setattr(type(files), "add", slowly)
    response = await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        await client.responses.delete(response.id)
        may_end.set()
        await until(lambda: not gate.service.jobs.worker.running)
    assert not (await client.files.list()).data


async def test_words_of_a_research_are_its_keys_alone(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="one:secret-one-1234567890", admin_key="an-admin-key-for-tests")
    async with (
        served(settings, job_rules=RULES) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="secret-one-1234567890") as one,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="an-admin-key-for-tests", max_retries=0) as admin,
    ):
        done = await answered(
            one, await one.responses.create(model="gemini-deep-research", input="foxes", background=True)
        )
        for call in (admin.responses.retrieve, admin.responses.cancel, admin.responses.delete):
            with pytest.raises(openai.NotFoundError):
                await call(done.id)
        assert (await one.responses.retrieve(done.id)).output_text == REPORT


async def test_who_follows_one_holds_up_no_end_of_the_process(tmp_path: Path) -> None:
    """They can come back; a container gets ten seconds to end."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.research(looks=1000)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        try:
            await node.start()
            async with openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", max_retries=0) as client:
                stream = await client.responses.create(
                    model="gemini-deep-research", input="foxes", background=True, stream=True
                )
                assert (await anext(aiter(stream))).type == "response.created"
                assert node.process is not None
                node.process.terminate()
                assert [event async for event in stream][-1].type != "response.completed"
                assert await asyncio.to_thread(node.process.wait, 8) == 0
        finally:
            node.end()


async def test_a_turn_that_is_nowhere_has_failed(sim: Simulator, tmp_path: Path) -> None:
    sim.google.fault("generate", "reset", match="foxes", finished=False)
    rules = replace(RULES, research_doubt=0.5)
    async with (
        served(settings_for(sim, tmp_path), job_rules=rules) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
    ):
        done = await answered(
            client, await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
        )
    assert done.status == "failed"
    assert "broke off" in done.error.message
    assert sim.record.received == 1


async def test_what_is_used_up_is_said_with_its_reset_and_costs_nothing(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.research(budget=0)
    done = await answered(
        client, await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    )
    assert done.status == "failed"
    assert "used up" in done.error.message
    assert "until 20" in done.error.message
    with pytest.raises(openai.APIStatusError) as caught:
        await client.responses.create(model="gemini-deep-research", input="more foxes", background=True)
    assert caught.value.status_code in (429, 503)
    assert "retry-after" in caught.value.response.headers
    text = await client.chat.completions.create(
        model="gemini-3-flash-preview", messages=[{"role": "user", "content": "Say hello"}]
    )
    assert text.choices[0].message.content
    assert turns(sim) == [""]
    assert not sim.record.violations


async def test_words_in_place_of_a_report_are_its_error(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.research(looks=1, failing="I can't help with that request.")
    done = await answered(
        client, await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
    )
    assert done.status == "failed"
    assert "can't help" in done.error.message
    assert turns(sim) == ["plan", "start"]
    assert not sim.record.violations


async def test_who_gives_one_up_has_google_stop(google: Any, sim: Simulator) -> None:
    sim.google.research(looks=1000)
    one = await google.create(agent=AGENT, input="foxes", background=True)
    await until(lambda: turns(sim) == ["plan", "start"] and sim.record.requests_of("hNvQHb") > 1)
    gone = await google.cancel(id=one.id)
    assert gone.status == "cancelled"
    await until(lambda: sim.record.requests_of("NkpXw") > 0)
    assert not sim.record.violations


async def test_without_background_it_is_refused_in_every_dialect(
    client: openai.AsyncOpenAI, google: Any, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    for model in ("o3-deep-research", "o4-mini-deep-research-2025-06-26", "gemini-deep-research"):
        for options in ({}, {"stream": True}, {"background": False}):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.responses.create(model=model, input="foxes", **options)
            assert (caught.value.code, caught.value.param) == ("background_required", "background")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="o3-deep-research", messages=[{"role": "user", "content": "foxes"}])
    assert "/v1/responses" in caught.value.message
    with pytest.raises(compat_errors.BadRequestError) as told:
        await google.create(agent=AGENT, input="foxes")
    assert "background" in told.value.body["error"]["message"]
    body: dict[str, Any] = {"model": "gemini-deep-research", "max_tokens": 10}
    async with http.post("/v1/messages", json=body | {"messages": [{"role": "user", "content": "foxes"}]}) as answer:
        assert answer.status == 400
        assert "background" in await answer.text()
    assert sim.record.generations == 0


async def test_it_is_listed_where_an_account_can(client: openai.AsyncOpenAI) -> None:
    assert "gemini-deep-research" in [model.id async for model in client.models.list()]


SECRET = "whsec_" + base64.b64encode(b"a secret of 24 characters").decode()


async def killed(tmp_path: Path, moments: list[float], looks: int) -> tuple[Any, Any, list[str]]:
    """A research whose gateway is killed so many seconds after each of its starts; it, what Google saw, what the
    webhook heard.
    """
    async with RemoteSimulator.spawn(("alice",)) as sim, listening() as hook:
        await sim.google.research(looks=looks)
        more = {"RESPONSES_WEBHOOK_URL": hook.url, "RESPONSES_WEBHOOK_SECRET": SECRET}
        node = Node("solo", {**environment(sim, "alice", tmp_path), **more}, tmp_path, lease=1.0)
        try:
            await node.start()
            async with openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", timeout=60) as client:
                response = await client.responses.create(model="gemini-deep-research", input="foxes", background=True)
                for moment in moments:
                    await asyncio.sleep(moment)
                    node.kill()
                    await node.start()
                response = await answered(client, await client.responses.retrieve(response.id), 120)
                await until(lambda: hook.heard)
                await asyncio.sleep(1)  # a second one would come at once
            return response, await sim.google.record(), [json.loads(body)["type"] for body, _ in hook.heard]
        finally:
            node.end()


async def test_a_killed_gateway_reads_its_research_back(tmp_path: Path) -> None:
    response, record, told = await killed(tmp_path, [1.0], 4)
    assert (response.status, response.output_text) == ("completed", REPORT)
    assert [call.research for call in record.calls] == ["plan", "start"]
    assert told == ["response.completed"]
    assert not record.violations


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_ten_kills_one_plan_one_start_and_one_report(tmp_path: Path) -> None:
    response, record, told = await killed(tmp_path, [1.0] * 10, 25)
    assert (response.status, response.output_text) == ("completed", REPORT)
    assert [call.research for call in record.calls] == ["plan", "start"]
    assert record.generations == 2
    assert told == ["response.completed"]
    assert not record.violations


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
async def test_a_kill_at_any_moment_never_asks_twice(tmp_path: Path, seed: int) -> None:
    """Between the note that a turn leaves and its leaving there is a moment in which nobody can know: then it has
    failed, and was sent once at most.
    """
    response, record, told = await killed(tmp_path, [random.Random(seed).uniform(0.0, 0.25)], 2)
    print(seed, response.status, response.error, [call.research for call in record.calls])
    sent = [call.research for call in record.calls]
    assert sent in (["plan"], ["plan", "start"], [])
    assert response.status == "completed" or "broke off" in response.error.message
    assert len(told) == 1
    assert not record.violations
