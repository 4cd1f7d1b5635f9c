"""Google's Interactions API judged by google-genai: create, stream, follow again, tools, images, continue, delete.

The simulator counts what each of it generated.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import types
from PIL import Image
from pydantic import BaseModel

from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

MODEL = "gemini-3-flash-preview"
PAINTER = "gemini-2.5-flash-image"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
POEM = "Roses are red,\nviolets are blue."


class Solution(BaseModel):
    steps: list[str]
    final_answer: int


def made(url: str, key: str = "any", **options: Any) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url, **options))


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[Any]:
    client = made(gate.url)
    yield client.aio.interactions
    await client.aio.aclose()


def text_of(events: list[Any]) -> str:
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text")


@pytest.mark.parametrize("version", [None, "v1", "v1beta"])
@pytest.mark.parametrize("base", ["", "/gemini"])
async def test_whole_and_streamed_under_every_prefix_by_the_synchronous_client(
    gate: Served, sim: Simulator, base: str, version: str | None
) -> None:
    sim.google.reply("poem", POEM, chars=5)

    def use() -> None:
        options = {"api_version": version} if version else {}
        with made(gate.url + base, **options) as client:
            whole = client.interactions.create(model=MODEL, input="a poem")
            assert (whole.status, whole.output_text, whole.model) == ("completed", POEM, MODEL)
            events = list(client.interactions.create(model=MODEL, input="a poem", stream=True))
            assert text_of(events) == POEM
            assert events[0].event_type == "interaction.created"
            assert events[-1].event_type == "interaction.completed"
            assert events[-1].interaction.status == "completed"
            assert events[-1].interaction.usage.total_tokens > 0
            again = client.interactions.get(id=whole.id)
            assert again.output_text == POEM
            client.interactions.delete(id=whole.id)

    await asyncio.to_thread(use)
    assert sim.record.generations == 2


async def test_one_is_kept_continued_and_deleted(client: Any, sim: Simulator) -> None:
    first = await client.create(model=MODEL, input="say hello", system_instruction="Be brief.")
    assert (first.output_text, first.status) == ("hello", "completed")
    again = await client.get(id=first.id)
    assert again.steps == first.steps
    assert (again.id, again.system_instruction, again.created) == (first.id, "Be brief.", first.created)
    assert again.input is None
    assert (await client.get(id=first.id, include_input=True)).input == "say hello"
    second = await client.create(model=MODEL, input="what did I say first", previous_interaction_id=first.id)
    prompt = sim.record.calls[-1].prompt
    assert "say hello" in prompt
    assert "Be brief." not in prompt, "an instruction is of one interaction, not of those that go on from it"
    assert second.previous_interaction_id == first.id
    assert sim.record.generations == 2
    await client.delete(id=first.id)
    for gone in (client.get(id=first.id), client.delete(id=first.id), client.cancel(id=first.id)):
        with pytest.raises(errors_of("NotFoundError")):
            await gone
    with pytest.raises(errors_of("BadRequestError")) as caught:
        await client.create(model=MODEL, input="and now", previous_interaction_id=first.id)
    assert "previous_interaction_id" in str(caught.value.body)
    third = await client.create(model=MODEL, input="still there?", previous_interaction_id=second.id)
    assert third.status == "completed"
    assert sim.record.generations == 3


def errors_of(name: str) -> type[Exception]:
    """A class of the SDK's errors for interactions; the module is not public yet."""
    from google.genai._gaos.lib import compat_errors

    found: type[Exception] = getattr(compat_errors, name)
    return found


async def test_what_is_not_stored_cannot_be_had_again(client: Any) -> None:
    kept = await client.create(model=MODEL, input="hi", store=False)
    with pytest.raises(errors_of("NotFoundError")):
        await client.get(id=kept.id)


async def test_a_broken_stream_goes_on_from_its_last_event(client: Any, sim: Simulator) -> None:
    sim.google.reply("poem", POEM, chars=5, thoughts="rhyme")
    config = {"thinking_summaries": "auto", "thinking_level": "high"}
    stream = await client.create(model=MODEL, input="a poem", stream=True, generation_config=config)
    events = [event async for event in stream]
    interaction_id = events[0].interaction.id
    assert text_of(events) == POEM
    thoughts = [event.delta for event in events if event.event_type == "step.delta" and event.index == 0]
    assert "".join(delta.content.text for delta in thoughts) == "rhyme"
    for at in (0, 3, len(events) // 2, len(events) - 2):
        rest = await client.get(id=interaction_id, stream=True, last_event_id=events[at].event_id)
        joined = [*events[: at + 1], *[event async for event in rest]]
        assert text_of(joined) == POEM
        assert joined[-1].event_type == "interaction.completed"
    whole = await client.get(id=interaction_id, stream=True)
    assert text_of([event async for event in whole]) == POEM
    with pytest.raises(errors_of("BadRequestError")):
        await client.get(id=interaction_id, stream=True, last_event_id="nonsense")
    assert sim.record.generations == 1


async def test_a_round_of_tools_from_the_store_and_told_again(client: Any, sim: Simulator) -> None:
    asked = "Weather in Paris and London?"
    first = await client.create(model=MODEL, input=asked, tools=[WEATHER])
    assert first.status == "requires_action"
    calls = [step for step in first.steps if step.type == "function_call"]
    assert [call.arguments for call in calls] == [{"city": "Paris"}, {"city": "London"}]
    results = [{"type": "function_result", "call_id": call.id, "result": "25 °C"} for call in calls]
    second = await client.create(model=MODEL, input=results, tools=[WEATHER], previous_interaction_id=first.id)
    assert second.output_text == "The result is: 25 °C; 25 °C"
    history = [{"type": "user_input", "content": [{"type": "text", "text": asked}]}, *first.steps, *results]
    third = await client.create(model=MODEL, input=history, tools=[WEATHER], store=False)
    assert third.output_text == second.output_text
    config = {"tool_choice": {"allowed_tools": {"mode": "any", "tools": ["get_weather"]}}}
    forced = await client.create(model=MODEL, input="Hello", tools=[WEATHER], generation_config=config)
    assert [step.type for step in forced.steps] == ["function_call"]
    assert sim.record.generations == 4


async def test_calls_stream_as_pieces_of_arguments(client: Any, sim: Simulator) -> None:
    events = [
        event
        async for event in await client.create(model=MODEL, input="Weather in Paris?", tools=[WEATHER], stream=True)
    ]
    (start,) = [event for event in events if event.event_type == "step.start"]
    assert (start.step.type, start.step.name, start.step.arguments) == ("function_call", "get_weather", {})
    deltas = [event.delta.arguments for event in events if event.event_type == "step.delta"]
    assert json.loads("".join(deltas)) == {"city": "Paris"}
    assert events[-1].interaction.status == "requires_action"
    assert sim.record.generations == 1


@pytest.mark.parametrize(
    "form",
    [
        {"response_format": {"type": "text", "mime_type": "application/json", "schema": Solution.model_json_schema()}},
        {
            "response_format": [
                {"type": "text", "mime_type": "application/json", "schema": Solution.model_json_schema()}
            ]
        },
        {"response_format": Solution.model_json_schema(), "response_mime_type": "application/json"},
    ],
    ids=["one", "list", "bare"],
)
async def test_an_answer_in_the_form_of_a_schema(client: Any, sim: Simulator, form: dict[str, Any]) -> None:
    reply = await client.create(model=MODEL, input="Solve x + 1 = 8", **form)
    assert isinstance(Solution.model_validate_json(reply.output_text), Solution)
    assert sim.record.generations == 1


async def test_images_go_in_and_come_out_and_are_edited(client: Any, sim: Simulator, png: bytes) -> None:
    image = {"type": "image", "data": base64.b64encode(png).decode(), "mime_type": "image/png"}
    seen = await client.create(model=MODEL, input=[{"type": "text", "text": "What is this?"}, image])
    assert f"image/png, {len(png)} bytes" in seen.output_text
    wide = {"type": "image", "aspect_ratio": "16:9"}
    drawn = await client.create(model=PAINTER, input="Draw a red fox", response_format=wide)
    width, height = Image.open(io.BytesIO(base64.b64decode(drawn.output_image.data))).size
    assert width > height > 100
    edited = await client.create(model=PAINTER, input="Make the fox blue", previous_interaction_id=drawn.id)
    assert edited.output_image is not None
    stream = await client.create(model=PAINTER, input="Draw a red fox", response_format=wide, stream=True)
    deltas = [event.delta async for event in stream if event.event_type == "step.delta"]
    assert [delta.mime_type for delta in deltas if delta.type == "image" and delta.data]
    assert sim.record.generations == 4


async def test_an_image_as_a_link(client: Any, gate: Served, sim: Simulator) -> None:
    drawn = await client.create(
        model=PAINTER, input="Draw a red fox", response_format={"type": "image", "delivery": "uri"}
    )
    assert drawn.output_image.data is None
    async with aiohttp.ClientSession() as http, http.get(drawn.output_image.uri) as answer:
        assert answer.status == 200
        assert answer.content_type == drawn.output_image.mime_type
    assert sim.record.generations == 1


async def test_an_upload_of_the_same_sdk_is_read(gate: Served, sim: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"note " * 24_000)

    def use() -> str:
        with made(gate.url) as client:
            file = client.files.upload(file=path, config={"mime_type": "text/plain", "display_name": "notes.txt"})
            parts: Any = [
                {"type": "text", "text": "What is in it?"},
                {"type": "document", "uri": file.uri, "mime_type": "text/plain"},
            ]
            return client.interactions.create(model=MODEL, input=parts).output_text or ""

    assert "(text/plain, 120000 bytes)" in await asyncio.to_thread(use)
    assert sim.record.generations == 1


async def test_a_failure_that_may_have_generated_is_not_tried_again_by_the_sdk(
    client: Any, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.upstreams.web.upstream.READ_BACK_AFTER", (0.05,))
    sim.google.fault("generate", "code", code=1013, times=-1)
    for stream in (False, True):
        with pytest.raises(errors_of("APIStatusError")) as caught:
            await client.create(model=MODEL, input="doomed", stream=stream)
        assert caught.value.status_code == 424
    assert sim.record.generations == 2


async def test_a_failure_in_mid_stream_is_its_last_event(
    client: Any, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemgate.upstreams.web.upstream.READ_BACK_AFTER", (0.05,))
    sim.google.reply("doomed", "a long answer " * 40, chars=20)
    sim.google.fault("generate", "code", code=1013, after_frames=8, finished=False)
    events = [event async for event in await client.create(model=MODEL, input="doomed", stream=True)]
    assert text_of(events).startswith("a long answer a long answer")
    assert events[-1].event_type == "error"
    assert "broke off" in events[-1].error.message
    with pytest.raises(errors_of("NotFoundError")):
        await client.get(id=events[0].interaction.id)
    assert sim.record.generations == 1


@pytest.mark.parametrize(
    "body",
    [
        {"background": True, "store": False},
        {"input": []},
        {"model": None, "agent": "deep-research-preview-04-2026"},
        {"model": "gemini-9"},
    ],
    ids=["background", "empty", "agent", "model"],
)
async def test_what_cannot_be_had_is_refused_before_anything_is_generated(
    client: Any, sim: Simulator, body: dict[str, Any]
) -> None:
    given = {name: value for name, value in {"model": MODEL, "input": "hi", **body}.items() if value is not None}
    with pytest.raises((errors_of("BadRequestError"), errors_of("NotFoundError"))) as caught:
        await client.create(**given)
    assert isinstance(caught.value.body["error"]["code"], str)
    assert sim.record.generations == 0


async def test_what_has_ended_cannot_be_cancelled(client: Any) -> None:
    ended = await client.create(model=MODEL, input="hi")
    with pytest.raises(errors_of("BadRequestError")) as caught:
        await client.cancel(id=ended.id)
    assert "has ended" in caught.value.body["error"]["message"]


async def test_wishes_that_change_nothing_are_named(gate: Served) -> None:
    body = {
        "model": MODEL,
        "input": "hi",
        "tools": [{"type": "google_search"}],
        "generation_config": {"temperature": 0.1, "thinking_level": "low"},
        "service_tier": "priority",
    }
    async with aiohttp.ClientSession(gate.url) as http, http.post("/v1beta/interactions", json=body) as answer:
        assert answer.status == 200
        named = answer.headers["x-gemgate-ignored"].split(", ")
        assert set(named) == {"service_tier", "generation_config.temperature"}
        assert answer.headers["x-gemgate-served-model"]


async def test_what_goes_on_stays_in_its_web_chat(gate: Served, sim: Simulator) -> None:
    """By its id and told again alike: nothing is told to Google twice."""
    ways = []

    async def ask(http: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
        async with http.post("/v1beta/interactions", json={"model": MODEL, **body}) as answer:
            assert answer.status == 200
            ways.append(answer.headers["x-gemgate-conversation"])
            said: dict[str, Any] = await answer.json()
            return said

    async with aiohttp.ClientSession(gate.url) as http:
        first = await ask(http, {"input": "say hello"})
        second = await ask(http, {"input": "and again", "previous_interaction_id": first["id"]})
        told = [{"type": "user_input", "content": [{"type": "text", "text": "say hello"}]}, *first["steps"]]
        again = [{"type": "user_input", "content": "and again"}, *second["steps"]]
        await ask(http, {"input": [*told, *again, {"type": "text", "text": "a third"}], "store": False})
    assert ways == ["miss", "hit", "hit"]
    assert sim.record.calls[-1].prompt.strip().endswith("a third")
    assert "say hello" not in sim.record.calls[-1].prompt
    assert sim.record.generations == 3


async def test_tenants_and_dialects_are_kept_apart(sim: Simulator, tmp_path: Path) -> None:
    async with (
        served(settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b")) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        ann, ben = {"x-goog-api-key": "secret-a"}, {"x-goog-api-key": "secret-b"}
        body = {"model": MODEL, "input": "hi"}
        async with http.post("/v1/interactions", json=body, headers=ann) as answer:
            mine = (await answer.json())["id"]
        async with http.post("/v1/responses", json=body, headers=ann) as answer:
            response = (await answer.json())["id"]
        generated = sim.record.generations
        for path, headers, status in (
            (f"/v1/interactions/{mine}", ann, 200),
            (f"/v1/interactions/{mine}", ben, 404),
            (f"/v1/interactions/{mine}", {}, 401),
            (f"/v1/interactions/{response}", ann, 404),
            (f"/v1/responses/{mine}", ann, 404),
        ):
            async with http.get(path, headers=headers) as answer:
                assert answer.status == status, (path, headers)
        for path, field, other, key in (
            ("/v1/interactions", "previous_interaction_id", mine, ben),
            ("/v1/interactions", "previous_interaction_id", response, ann),
            ("/v1/responses", "previous_response_id", mine, ann),
        ):
            async with http.post(path, json={**body, field: other}, headers=key) as answer:
                assert answer.status == 400
        for headers, status in ((ben, 404), (ann, 200)):
            async with http.delete(f"/v1/interactions/{mine}", headers=headers) as answer:
                assert answer.status == status
        assert sim.record.generations == generated


async def test_a_key_for_images_alone_opens_none_of_it(sim: Simulator, tmp_path: Path) -> None:
    admin = {"x-api-key": "admin-key-of-this-test"}
    async with (
        served(settings_for(sim, tmp_path, admin_key=admin["x-api-key"])) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        for group, status in (("images", 403), ("chat", 200)):
            async with http.post("/api/keys", json={"name": group, "operations": [group]}, headers=admin) as answer:
                key = {"x-goog-api-key": (await answer.json())["key"]}
            body = {"model": MODEL, "input": "hi"}
            async with http.post("/gemini/v1/interactions", json=body, headers=key) as answer:
                assert answer.status == status
                told = await answer.json()
            if status == 403:
                assert told["error"]["code"] == "permission_denied"
            for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
                async with http.request(method, f"/v1beta/interactions/int_1{path}", headers=key) as answer:
                    assert answer.status == (403 if status == 403 else 404)
    assert sim.record.generations == 1
