"""What Google's clients ask beside plain contents, and how they live through silence and loss."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from gemgate.web import sse
from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
PAINTER = "gemini-3-pro-image-preview"


@pytest.fixture
async def http(gate: Served) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gate.url, timeout=30) as client:
        yield client


def client_of(gate: Served) -> Any:
    options = types.HttpOptions(base_url=gate.url, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key="x", http_options=options).aio


async def test_an_image_model_is_asked_for_a_image(sim: Simulator, http: httpx2.AsyncClient) -> None:
    sim.google.images()
    body = {"contents": [{"parts": [{"text": "a heron"}]}]}
    answer = (await http.post(f"/v1beta/models/{PAINTER}:generateContent", json=body)).json()
    assert any("inlineData" in part for part in answer["candidates"][0]["content"]["parts"])
    assert sim.record.calls[0].prompt == "Generate an image.\n\na heron"
    assert sim.record.generations == 1


async def test_words_are_not_held_back_for_a_image_that_is_only_welcome(
    sim: Simulator, http: httpx2.AsyncClient
) -> None:
    """Nor is an account blamed for what they say."""
    prose = "You have reached your usage limit for images, says the service when its client paints too much."
    sim.google.reply("errors", prose)
    config = {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1"}}
    body = {"contents": [{"parts": [{"text": "Explain the errors"}]}], "generationConfig": config}
    for _ in range(2):
        response = await http.post(f"/v1beta/models/{MODEL}:generateContent", json=body)
        assert response.status_code == 200, response.text
        assert response.json()["candidates"][0]["content"]["parts"][0]["text"] == prose
    assert (await http.get("/ready")).status_code == 200
    assert sim.record.generations == 2


@pytest.mark.parametrize("prefix", ["/v1beta", "/gemini/v1beta", "/v1"])
async def test_images_are_predicted(sim: Simulator, http: httpx2.AsyncClient, prefix: str) -> None:
    sim.google.images()
    body = {
        "instances": [{"prompt": "a heron"}],
        "parameters": {"sampleCount": 2, "aspectRatio": "16:9", "personGeneration": "ALLOW_ADULT"},
    }
    response = await http.post(f"{prefix}/models/gemini-2.5-flash-image:predict", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["x-gemgate-ignored"] == "parameters.personGeneration"
    predictions = response.json()["predictions"]
    assert len(predictions) == sim.record.generations == 2
    for prediction in predictions:
        assert prediction["mimeType"].startswith("image/")
        assert len(base64.b64decode(prediction["bytesBase64Encoded"])) > 1000
    assert "16:9" in sim.record.calls[0].prompt


@pytest.mark.parametrize(
    ("path", "there_is"),
    [
        ("/v1beta/models/imagen-4.0-generate-001:predict", "generateContent"),
        (f"/v1beta/models/{MODEL}:embedContent", "a model for embeddings"),
        (f"/v1/models/{MODEL}:predictLongRunning", "generateContent"),
        (f"/gemini/v1/models/{MODEL}:batchGenerateContent", "/v1/batches"),
    ],
)
async def test_what_there_is_not_is_a_404_that_names_what_there_is(
    sim: Simulator, http: httpx2.AsyncClient, path: str, there_is: str
) -> None:
    response = await http.post(path, json={"instances": [{"prompt": "a heron"}]})
    error = response.json()["error"]
    assert (response.status_code, error["status"]) == (404, "NOT_FOUND")
    assert there_is in error["message"]
    assert sim.record.generations == 0


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", f"/v1beta/models/{MODEL}"])
async def test_a_head_is_a_get_without_its_body(http: httpx2.AsyncClient, path: str) -> None:
    head, get = await http.head(path), await http.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("form", ["?alt=sse", ""])
async def test_silence_is_filled_and_nobody_minds(
    sim: Simulator, gate: Served, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(sse, "OPEN_SECONDS", 0.1)
    sim.google.reply("slow", "one two three", delay=0.6, chars=4, pace=0.2)
    body = {"contents": [{"parts": [{"text": "slow, please"}]}]}
    url = f"/v1beta/models/{MODEL}:streamGenerateContent{form}"
    async with http.stream("POST", url, json=body) as response:
        raw = b"".join([piece async for piece in response.aiter_bytes()])
    assert raw.startswith(b"\r\n")
    if form:
        chunks = [json.loads(line[6:]) for line in raw.decode().splitlines() if line]
        assert raw.count(b"\r\n") > 2 * len(chunks) + 4
    else:
        chunks = json.loads(raw)
    told = "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])
    assert told == "one two three"
    stream = await client_of(gate).models.generate_content_stream(model=MODEL, contents="slow, please")
    pieces = [chunk.text async for chunk in stream]
    assert "".join(pieces) == "one two three"
    assert None not in pieces
    assert sim.record.generations == 2


async def test_a_loss_in_mid_stream_is_heard_of(sim: Simulator, gate: Served, http: httpx2.AsyncClient) -> None:
    """Bare and in a write of its own as well: that is what releases 1 of @google/genai look for."""
    sim.google.reply("long", "word " * 200, chars=20, pace=0.01)
    sim.google.fault("generate", "code", code=1013, after_frames=8, finished=False, times=-1)
    body = {"contents": [{"parts": [{"text": "something long"}]}]}
    url = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    async with http.stream("POST", url, json=body) as response:
        pieces = [piece async for piece in response.aiter_raw()]
    assert "error" in json.loads(pieces[-1])
    assert b"data: " + pieces[-1] + b"\r\n\r\n" in b"".join(pieces)
    stream = await client_of(gate).models.generate_content_stream(model=MODEL, contents="something long")
    with pytest.raises(errors.APIError):
        [chunk async for chunk in stream]


async def test_a_streamed_chat_of_the_sdk_is_one_conversation(sim: Simulator, gate: Served) -> None:
    """It keeps every chunk of an answer as a turn of its own."""
    sim.google.reply("tide", "It is low tide in Brest.", chars=5, pace=0.01)
    chat = client_of(gate).chats.create(model=MODEL)
    for question in ("Which tide?", "And the tide tomorrow?", "No tide at all?"):
        stream = await chat.send_message_stream(question)
        assert "".join([chunk.text async for chunk in stream]) == "It is low tide in Brest."
    assert [call.prompt for call in sim.record.calls] == ["Which tide?", "And the tide tomorrow?", "No tide at all?"]
    assert len({call.cid for call in sim.record.calls}) == 1
