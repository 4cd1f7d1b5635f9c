"""Videos and music judged by google-genai: operations and their files, and Interactions with what they bring.

The third release asks the Developer API for no videos any more; it reads operations, and downloads files.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import types
from PIL import Image

from gemgate_simulator import Simulator
from gemgate_simulator.mp3 import Recording
from gemgate_simulator.mp4 import Movie
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENCE
from tests.support.serving import Served, served, settings_for

VEO = "veo-3.1-generate-preview"


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    sim.google.music(seconds=2.0)
    async with served(settings_for(sim, tmp_path, concurrency=4), job_rules=replace(QUICK, media_look=0.1)) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[Any]:
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=gate.url))
    yield client.aio
    await client.aio.aclose()


async def ordered(http: aiohttp.ClientSession, status: int = 200, **body: Any) -> Any:
    async with http.post(f"/v1beta/models/{VEO}:predictLongRunning", json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def done(client: Any, name: str) -> types.GenerateVideosOperation:
    operation = types.GenerateVideosOperation(name=name)
    async with asyncio.timeout(PATIENCE):
        while not operation.done:
            operation = await client.operations.get(operation)
            await asyncio.sleep(0.05)
    return operation


async def test_a_video_is_an_operation_and_its_file_is_downloaded(
    client: Any, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.videos(looks=2, nbytes=100_000)
    png = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(png, "PNG")
    image = {"bytesBase64Encoded": base64.b64encode(png.getvalue()).decode(), "mimeType": "image/png"}
    begun = await ordered(
        http,
        instances=[{"prompt": "a fox runs", "image": image}],
        parameters={"aspectRatio": "9:16", "durationSeconds": 8},
    )
    assert begun["name"].startswith(f"models/{VEO}/operations/video_")
    assert "done" not in begun
    operation = await done(client, begun["name"])
    assert operation.error is None
    assert operation.response
    (made,) = operation.response.generated_videos or []
    assert made.video
    assert made.video.mime_type == "video/mp4"
    data = Movie(720, 1280, 8.0, 100_000).data()
    uri = made.video.uri or ""
    name = uri.partition("files/")[2].partition(":")[0]
    made.video.uri = f"https://x/files/{name}"  # the SDK knows names in addresses of https only
    assert await client.files.download(file=made.video) == data
    async with http.get(uri, headers={"Range": "bytes=0-9"}) as answer:
        assert (answer.status, await answer.read()) == (206, data[:10])
    (call,) = sim.record.calls
    assert (call.aspect, [file.data for file in call.files]) == ("9:16", [png.getvalue()])
    assert not sim.record.violations


async def test_a_failed_operation_tells_why(client: Any, http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.videos(tiers=("pro",))
    begun = await ordered(http, instances=[{"prompt": "a fox"}])
    operation = await done(client, begun["name"])
    assert operation.error
    assert operation.error["code"] == 9
    assert operation.error["details"][-1]["reason"] == "VIDEO_NOT_AVAILABLE"
    assert not operation.response
    async with http.get("/v1beta/operations/" + begun["name"].rpartition("/")[2]) as answer:
        assert (await answer.json())["done"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"instances": [{"prompt": " "}]}, "instances[0].prompt"),
        ({"instances": [{"prompt": "x", "lastFrame": {}}]}, "instances[0].lastFrame"),
        ({"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 2}}, "parameters.sampleCount"),
        ({"instances": [{"prompt": "x", "image": {"gcsUri": "gs://x"}}]}, "instances[0].image.bytesBase64Encoded"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_asked(
    http: aiohttp.ClientSession, sim: Simulator, body: Any, param: str
) -> None:
    error = (await ordered(http, 400, **body))["error"]
    assert error["details"][0]["fieldViolations"][0]["field"] == param
    assert not sim.record.calls


async def test_other_models_and_files_are_refused(http: aiohttp.ClientSession) -> None:
    body = {"instances": [{"prompt": "x"}]}
    async with http.post("/v1beta/models/gemini-3-flash-preview:predictLongRunning", json=body) as answer:
        assert answer.status == 404
    for path in ("/v1beta/files/abc:download", f"/v1beta/files/video{'0' * 32}:download", "/v1beta/operations/none"):
        async with http.get(path) as answer:
            assert answer.status == 404, path


async def test_an_interaction_brings_its_music(client: Any, sim: Simulator) -> None:
    made = await client.interactions.create(model="lyria-3-clip-preview", input="a slow waltz")
    assert made.status == "completed"
    sound, film = Recording(8.0).data(), Movie(720, 720, 8.0).data()
    assert made.output_audio.mime_type == "audio/mpeg"
    assert base64.b64decode(made.output_audio.data) == sound
    assert base64.b64decode(made.output_video.data) == film
    assert ".mp3](" in made.output_text
    assert [one.type for one in made.steps[0].content] == ["text", "audio", "video"]
    again = await client.interactions.get(made.id)
    assert base64.b64decode(again.output_audio.data) == sound
    linked = await client.interactions.create(
        model="lyria-3-pro-preview", input="a march", response_format=[{"type": "audio", "delivery": "uri"}]
    )
    assert "/v1/music/music_" in linked.output_audio.uri
    assert linked.output_audio.data is None
    assert sim.record.generations == 2
    assert not sim.record.violations


async def test_an_interaction_brings_its_video_streamed(client: Any, sim: Simulator) -> None:
    stream = await client.interactions.create(model=VEO, input="a fox runs", stream=True, response_modalities=["video"])
    pieces = [event.delta async for event in stream if event.event_type == "step.delta"]
    (video,) = [piece for piece in pieces if piece.type == "video"]
    assert base64.b64decode(video.data) == Movie(1280, 720, 8.0).data()
    assert sim.record.generations == 1


async def test_generate_content_brings_its_music(client: Any, sim: Simulator) -> None:
    whole = await client.models.generate_content(model="lyria-3", contents="a slow waltz")
    kinds = {part.inline_data.mime_type: part.inline_data.data for part in whole.parts if part.inline_data}
    assert kinds == {"audio/mpeg": Recording(8.0).data(), "video/mp4": Movie(720, 720, 8.0).data()}
    stream = await client.models.generate_content_stream(model="lyria-3", contents="a march")
    parts = [part async for chunk in stream for part in chunk.parts or ()]
    assert sum(part.inline_data is not None for part in parts) == 2
    assert sim.record.generations == 2
