"""google-genai, of whichever release is installed, against a gateway at GEMGATE_URL; run by tests/integration/sdk/.

Every test states what it costs; the run outside compares that with what the simulator generated.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image
from pydantic import BaseModel

URL = os.environ["GEMGATE_URL"]
MODEL = "gemini-3-flash-preview"
PAINTER = "gemini-2.5-flash-image"
COUNTED = ", ".join(str(n) for n in range(1, 31))

WAYS = [("", None), ("/gemini", None), ("", "v1"), ("/gemini", "v1beta")]
"""Base URLs and API versions that people configure; None is the release's own version."""


@pytest.fixture(scope="module", params=WAYS, ids=["root", "gemini", "root-v1", "gemini-v1beta"])
def any_client(request: pytest.FixtureRequest) -> genai.Client:
    base, version = request.param
    return genai.Client(api_key="any", http_options=types.HttpOptions(base_url=URL + base, api_version=version))


@pytest.fixture(scope="module")
def client() -> genai.Client:
    return genai.Client(api_key="any", http_options=types.HttpOptions(base_url=URL + "/gemini"))


Costs = Callable[[int], None]


@pytest.fixture
def costs(record_property: Callable[[str, object], None]) -> Costs:
    return lambda generations: record_property("generations", generations)


class Solution(BaseModel):
    steps: list[str]
    final_answer: int


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: the city's name
    """
    return f"25 degrees in {city}"


DECLARED = types.FunctionDeclaration(
    name="get_weather",
    description="The weather of a city",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
    ),
)
TOOL = types.Tool(function_declarations=[DECLARED])


def test_whole_and_streamed_from_every_base(any_client: genai.Client, costs: Costs) -> None:
    costs(2)
    whole = any_client.models.generate_content(model=MODEL, contents="count to 30")
    assert whole.text == COUNTED
    assert whole.candidates[0].finish_reason == types.FinishReason.STOP
    assert whole.model_version == "3 Flash"  # Google's own word for what served
    assert whole.response_id
    usage = whole.usage_metadata
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count > 0
    chunks = list(any_client.models.generate_content_stream(model=MODEL, contents="count to 30"))
    assert "".join(chunk.text or "" for chunk in chunks) == COUNTED
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert len(chunks) >= 2


def test_async(client: genai.Client, costs: Costs) -> None:
    costs(2)

    async def use() -> tuple[str, str]:
        whole = await client.aio.models.generate_content(model=MODEL, contents="count to 30")
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents="count to 30")
        text = "".join([chunk.text or "" async for chunk in stream])
        await client.aio.aclose()
        return whole.text, text

    assert asyncio.run(use()) == (COUNTED, COUNTED)


def test_a_chat_remembers(client: genai.Client, costs: Costs) -> None:
    costs(3)
    chat = client.chats.create(model=MODEL)
    chat.send_message("my name is Ada")
    assert chat.send_message("what is my name?").text == "Your name is Ada."
    streamed = "".join(chunk.text or "" for chunk in chat.send_message_stream("what did I say first?"))
    assert streamed == "The first thing you said was: my name is Ada"


def test_a_round_of_tools(client: genai.Client, costs: Costs) -> None:
    costs(2)
    config = types.GenerateContentConfig(tools=[TOOL], system_instruction="Be brief.")
    first = client.models.generate_content(model=MODEL, contents="Weather in Paris and London?", config=config)
    assert [call.args for call in first.function_calls] == [{"city": "Paris"}, {"city": "London"}]
    answers = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": "25 °C"}))
        for call in first.function_calls
    ]
    history = [
        types.Content(role="user", parts=[types.Part(text="Weather in Paris and London?")]),
        first.candidates[0].content,
        types.Content(role="user", parts=answers),
    ]
    second = client.models.generate_content(model=MODEL, contents=history, config=config)
    assert second.text.startswith("The result is: ")
    assert second.text.count("25 °C") == 2


def test_functions_are_called_by_the_sdk_itself(client: genai.Client, costs: Costs) -> None:
    costs(2)
    config = types.GenerateContentConfig(tools=[get_weather])
    reply = client.models.generate_content(model=MODEL, contents="What is the weather in Paris?", config=config)
    assert "25 degrees in Paris" in reply.text


@pytest.mark.parametrize(("mode", "calls"), [("AUTO", 0), ("NONE", 0), ("ANY", 1)])
def test_the_calling_mode_is_kept(client: genai.Client, costs: Costs, mode: str, calls: int) -> None:
    costs(1)
    calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=["get_weather"] if calls else None)
    config = types.GenerateContentConfig(tools=[TOOL], tool_config=types.ToolConfig(function_calling_config=calling))
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="Good morning", config=config))
    assert sum(len(chunk.function_calls or []) for chunk in chunks) == calls


@pytest.mark.parametrize(
    "form",
    [
        {"response_schema": Solution},
        {"response_json_schema": Solution.model_json_schema()},
        {"response_schema": {"type": "OBJECT", "properties": {"final_answer": {"type": "INTEGER"}}}},
    ],
    ids=["class", "json-schema", "dict"],
)
def test_structured_output(client: genai.Client, costs: Costs, form: dict[str, Any]) -> None:
    costs(1)
    config = types.GenerateContentConfig(response_mime_type="application/json", **form)
    reply = client.models.generate_content(model=MODEL, contents="Solve x + 1 = 8", config=config)
    if form.get("response_schema") is Solution:
        assert isinstance(reply.parsed, Solution)
    else:
        assert isinstance(reply.parsed["final_answer"], int)


def test_thoughts_are_parts_of_their_own(client: genai.Client, costs: Costs) -> None:
    costs(2)
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    config = types.GenerateContentConfig(thinking_config=thinking)
    reply = client.models.generate_content(model=MODEL, contents="count to 3", config=config)
    assert [bool(part.thought) for part in reply.candidates[0].content.parts] == [True, False]
    assert reply.text == "1, 2, 3"
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="count to 3", config=config))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
    assert "".join(part.text for part in parts if not part.thought) == "1, 2, 3"
    assert any(part.thought for part in parts)


def test_files_are_uploaded_used_and_deleted(any_client: genai.Client, costs: Costs, tmp_path: Path) -> None:
    costs(1)
    path = tmp_path / "notes.txt"
    path.write_bytes(b"note " * 24_000)
    file = any_client.files.upload(file=path, config={"mime_type": "text/plain", "display_name": "notes.txt"})
    assert (file.size_bytes, file.mime_type, file.state) == (120_000, "text/plain", types.FileState.ACTIVE)
    assert any_client.files.get(name=file.name).sha256_hash == file.sha256_hash
    assert file.name in [listed.name for listed in any_client.files.list()]
    reply = any_client.models.generate_content(model=MODEL, contents=["What is in it?", file])
    assert "notes.txt (text/plain, 120000 bytes)" in reply.text
    any_client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as caught:
        any_client.files.get(name=file.name)
    assert caught.value.code in (403, 404)


def test_images_go_in_and_come_out(client: genai.Client, costs: Costs) -> None:
    costs(3)
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "PNG")
    image = types.Part.from_bytes(data=file.getvalue(), mime_type="image/png")
    reply = client.models.generate_content(model=MODEL, contents=["What is this?", image])
    assert f"image/png, {len(file.getvalue())} bytes" in reply.text
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="16:9")
    )
    drawn = client.models.generate_content(model=PAINTER, contents="Draw a red fox", config=config)
    data = next(part.inline_data.data for part in drawn.candidates[0].content.parts if part.inline_data)
    width, height = Image.open(io.BytesIO(data)).size
    assert width > height > 100
    chunks = client.models.generate_content_stream(model=PAINTER, contents=["Make it blue", image])
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
    assert any(part.inline_data for part in parts)


def test_tokens_and_models(any_client: genai.Client, costs: Costs) -> None:
    costs(0)
    assert any_client.models.count_tokens(model=MODEL, contents="How long is this?").total_tokens > 2
    listed = {model.name: model for model in any_client.models.list()}
    assert len(listed) >= 8
    assert "generateContent" in listed[f"models/{MODEL}"].supported_actions
    assert any_client.models.get(model=MODEL).input_token_limit


def test_what_cannot_be_had_is_refused(any_client: genai.Client, costs: Costs) -> None:
    costs(0)
    with pytest.raises(errors.ClientError) as caught:
        any_client.models.generate_content(model="gemini-9", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError) as caught:
        any_client.models.generate_content(
            model=MODEL, contents=types.Part.from_uri(file_uri="gs://x/y", mime_type="a/b")
        )
    assert caught.value.code in (400, 403)
    with pytest.raises(errors.ClientError) as caught:
        list(any_client.models.generate_content_stream(model="gemini-9", contents="hi"))
    assert caught.value.status == "NOT_FOUND"
