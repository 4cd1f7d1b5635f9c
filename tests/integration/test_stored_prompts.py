"""OpenAI's stored prompts are gems: the id names one, the variables stand in the text that is sent."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects import wire
from gemgate.dialects.responses import ResponsesRequest, read_request, stored_prompt
from gemgate.errors import BadRequest
from gemgate_simulator import Simulator
from tests.support.patience import until
from tests.support.serving import served, settings_for

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        google = simulator.google
        google.account("alice").gems["g_poet"] = ("Sea Poet", "Verses", "You write of {{theme}}.")
        google.reply("", lambda prompt: f"as {prompt.gem or 'itself'}")
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def client(sim: Simulator, tmp_path: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    async with served(settings_for(sim, tmp_path)) as gate:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as made:
            yield made


@pytest.mark.parametrize("prompt_id", ["Sea Poet", "gem:sea-poet", "g_poet"])
async def test_the_id_is_a_gems_name_or_id(client: openai.AsyncOpenAI, sim: Simulator, prompt_id: str) -> None:
    answer = await client.responses.create(
        prompt={"id": prompt_id, "variables": {"city": "Oslo", "theme": "ice"}},
        input="a poem on {{city}} and {{ city }}, not {{nobody}}",
    )
    assert answer.output_text == "as g_poet"
    told = [*sim.record.calls][-1].prompt
    assert "a poem on Oslo and Oslo, not {{nobody}}" in told
    assert told.index("theme: ice") < told.index("a poem on")
    assert "city: " not in told
    assert answer.prompt is not None
    assert answer.prompt.id == prompt_id


async def test_without_input_the_values_are_told_and_a_chat_goes_on(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    first = await client.responses.create(
        prompt={"id": "g_poet", "variables": {"customer": {"type": "input_text", "text": "Jane"}}}
    )
    assert first.output_text == "as g_poet"
    assert "customer: Jane" in [*sim.record.calls][-1].prompt
    async with await client.responses.create(
        prompt={"id": "g_poet"}, input="go on", previous_response_id=first.id, stream=True
    ) as stream:
        events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    assert len({call.cid for call in sim.record.calls}) == 1, "the first answer was whole, so its chat was stored"
    assert sim.record.generations == 2


async def test_what_is_not_a_gem_is_not_found_and_nothing_is_asked(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    for more in ({}, {"background": True}, {"stream": True}):
        with pytest.raises(openai.NotFoundError) as caught:
            await client.responses.create(prompt={"id": "pmpt_abc"}, input="hello", **more)  # type: ignore[call-overload]
        assert (caught.value.code, caught.value.param) == ("prompt_not_found", "prompt.id")
        assert "gem:Sea-Poet" in caught.value.message
    with pytest.raises(openai.BadRequestError):
        await client.responses.create(prompt={"id": "g_poet"})
    assert sim.record.generations == 0


async def test_in_the_background_and_what_is_not_honoured_is_named(client: openai.AsyncOpenAI) -> None:
    raw = await client.responses.with_raw_response.create(
        model="gemini-3.0-pro", prompt={"id": "g_poet", "version": "2"}, input="hello", background=True
    )
    assert raw.headers["x-gemgate-ignored"] == "model, prompt.version"
    found = raw.parse()
    for _ in range(600):
        if found.status == "completed":
            break
        found = await client.responses.retrieve(found.id)
    assert found.output_text == "as g_poet"


def read(body: dict[str, Any]) -> Any:
    return read_request(wire.read(ResponsesRequest, body))


def test_images_and_files_are_values_too() -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    chat = read({"prompt": {"id": "x", "variables": {"photo": image, "name": "fox"}}, "input": "what is {{name}}"})
    assert [type(part).__name__ for part in chat.messages[0].parts] == ["Text", "Image"]
    assert chat.model == "gem:x"


def test_a_value_is_not_filled_again_and_the_models_words_stay() -> None:
    said = {"role": "assistant", "content": "{{a}}"}
    chat = read(
        {
            "prompt": {"id": "x", "variables": {"a": "{{b}}", "b": "no"}},
            "input": [said, {"role": "user", "content": "{{a}}"}],
        }
    )
    assert [message.text for message in chat.messages] == ["b: no", "{{a}}", "{{b}}"]


@pytest.mark.parametrize(
    "prompt", ["x", {}, {"id": 5}, {"id": ""}, {"id": "x", "variables": []}, {"id": "x", "variables": {"a": 5}},
               {"id": "x", "variables": {str(n): "" for n in range(101)}}]
)  # fmt: skip
def test_what_is_no_prompt_is_a_bad_request(prompt: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read({"prompt": prompt, "input": "hello"})
    assert str(caught.value.param).startswith("prompt")


def test_a_text_cannot_be_blown_up() -> None:
    with pytest.raises(BadRequest, match="longer"):
        read({"prompt": {"id": "x", "variables": {"a": "b" * 100_000}}, "input": "{{a}}" * 100_000})


@given(st.text("a{} b", max_size=40), st.dictionaries(st.sampled_from("ab"), st.text("{}a", max_size=5)))
def test_filling_changes_places_and_nothing_else(text: str, values: dict[str, str]) -> None:
    body = stored_prompt.filled({"prompt": {"id": "x", "variables": values}, "input": text})
    told = body["input"] if isinstance(body["input"], str) else body["input"][-1]["content"]
    if "{{" not in text or not values:
        assert told in (text, [{"type": "input_text", "text": "\n".join(f"{k}: {v}" for k, v in values.items())}])
