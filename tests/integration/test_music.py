"""Music over real sockets: asked for once, both files stored and measured, in its own shape and as a chat's answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import aiohttp
import openai
import pytest

from gemgate_simulator import RemoteSimulator, Simulator
from gemgate_simulator.films import NO_MUSIC, CardForm
from gemgate_simulator.mp3 import Recording
from gemgate_simulator.mp4 import Movie
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for

RULES = replace(QUICK, media_look=0.1)


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    sim.google.music(seconds=2.0)
    async with served(settings_for(sim, tmp_path, concurrency=4), job_rules=RULES) as running:
        yield running


@pytest.fixture
async def http(gate: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(gate.url) as session:
        yield session


async def called(http: aiohttp.ClientSession, method: str, path: str, status: int = 200, **more: Any) -> Any:
    async with http.request(method, path, **more) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def ended(http: aiohttp.ClientSession, music: Any, seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while music["status"] in ("queued", "in_progress"):
            music = await called(http, "GET", f"/v1/music/{music['id']}?wait=20")
    return music


async def made(http: aiohttp.ClientSession, prompt: str = "a slow waltz", **wishes: Any) -> Any:
    return await ended(http, await called(http, "POST", "/v1/music", json={"prompt": prompt, **wishes}))


@pytest.mark.parametrize("form", get_args(CardForm))
async def test_music_is_asked_for_once_and_both_files_are_measured(
    http: aiohttp.ClientSession, sim: Simulator, form: CardForm
) -> None:
    sim.google.world.switches.music_card = form
    sim.google.music(looks=2, seconds=2.0)
    music = await called(http, "POST", "/v1/music", json={"prompt": "a slow waltz", "length": "short"})
    assert music["id"].startswith("music_")
    assert (music["object"], music["files"], music["seconds"]) == ("music", [], None)
    music = await ended(http, music)
    sound, film = Recording(2.0), Movie(720, 720, 2.0)
    assert (music["status"], music["progress"], music["seconds"]) == ("completed", 100, sound.length)
    for file, data in zip(music["files"], (sound.data(), film.data()), strict=True):
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        async with http.get(file["url"]) as answer:
            assert answer.headers["content-type"] == file["mime_type"]
            assert await answer.read() == data
    assert [file["mime_type"] for file in music["files"]] == ["audio/mpeg", "video/mp4"]
    assert (music["files"][0]["sample_rate"], music["files"][0]["channels"]) == (44_100, 2)
    (call,) = sim.record.calls
    assert (call.tool, call.song, call.temporary) == (21, "short vocals", False)
    assert sim.record.generations == 1
    assert not sim.record.violations


@pytest.mark.parametrize(
    ("wishes", "song", "model"),
    [
        ({}, "standard vocals", "gemini-flash"),
        ({"instrumental": True, "model": "lyria-3-clip-preview"}, "standard instrumental", "gemini-flash"),
        ({"length": "short", "instrumental": True, "model": "lyria-3-pro"}, "short instrumental", "gemini-pro"),
    ],
)
async def test_wishes_reach_google(
    http: aiohttp.ClientSession, sim: Simulator, wishes: dict[str, Any], song: str, model: str
) -> None:
    assert (await made(http, **wishes))["status"] == "completed"
    (call,) = sim.record.calls
    assert call.song == song
    assert model in call.model
    assert not sim.record.violations


async def test_the_files_are_served_in_parts(http: aiohttp.ClientSession) -> None:
    music = await made(http)
    whole = Recording(8.0).data()
    path = f"/v1/music/{music['id']}/content"
    async with http.get(path, headers={"Range": "bytes=100-299"}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[100:300])
    async with http.head(path) as answer:
        assert (answer.headers["content-length"], answer.headers["content-type"]) == (str(len(whole)), "audio/mpeg")
    async with http.get(path + "?format=mp4", headers={"Range": "bytes=-7"}) as answer:
        assert (answer.status, await answer.read()) == (206, Movie(720, 720, 8.0).data()[-7:])
    await called(http, "GET", path + "?format=ogg", 400)


async def test_music_is_listed_as_a_job_and_deleted_with_its_files(
    http: aiohttp.ClientSession, gate: Served, sim: Simulator
) -> None:
    first, second = await made(http, "one"), await made(http, "two")
    listed = await called(http, "GET", "/v1/music?limit=1")
    assert ([one["id"] for one in listed["data"]], listed["has_more"]) == ([second["id"]], True)
    for one in (first, second):  # its files are there before the job is closed
        while (await called(http, "GET", f"/api/jobs/{one['id']}?wait=5"))["status"] == "finalizing":
            pass
    jobs = await called(http, "GET", "/api/jobs?kind=music")
    assert [(job["kind"], job["status"], job["prompts_sent"]) for job in jobs["data"]] == [
        ("music", "completed", 1)
    ] * 2
    results = await called(http, "GET", f"/api/jobs/{first['id']}/results")
    assert results["data"][0]["files"] == first["files"]
    keys = [f"music/{first['id']}.{ending}" for ending in ("mp3", "mp4")]
    assert all([await gate.service.blobs.stat(key) for key in keys])
    await called(http, "DELETE", f"/v1/music/{first['id']}")
    assert not any([await gate.service.blobs.stat(key) for key in keys])
    assert (await called(http, "GET", f"/v1/music/{first['id']}", 404))["error"]["code"] == "music_not_found"
    assert not (await called(http, "GET", "/v1/videos"))["data"]
    await called(http, "GET", f"/v1/videos/{second['id']}", 404)


async def test_no_access_a_refusal_and_a_quota_are_typed(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.refuse("bad", "refusal", wording=1)
    assert (await made(http, "a bad song"))["error"]["code"] == "music_refused"
    sim.google.music(tiers=("pro",))
    failed = await made(http)
    assert failed["error"]["code"] == "music_not_available"
    assert NO_MUSIC in failed["error"]["message"]
    refused = await called(http, "POST", "/v1/music", 429, json={"prompt": "another"})
    assert "may make no music" in refused["error"]["message"]
    assert (await called(http, "POST", "/v1/videos", json={"prompt": "a fox"}))["status"] == "queued"
    async with http.get("/metrics") as answer:
        text = await answer.text()
    assert 'gemgate_music_total{outcome="no_music"} 2.0' in text


async def test_metrics_count_music(http: aiohttp.ClientSession) -> None:
    music = await made(http)
    async with http.get("/metrics") as answer:
        text = await answer.text()
    assert 'gemgate_music_total{outcome="delivered"} 1.0' in text
    assert f"gemgate_music_bytes_total {float(sum(file['bytes'] for file in music['files']))}" in text


async def test_a_cut_file_is_fetched_again(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.music(seconds=2.0, announced=False, cut=10_000, cuts=2)
    assert (await made(http))["status"] == "completed"
    assert sim.record.generations == 1


async def test_files_inside_of_an_envelope_are_unwrapped(http: aiohttp.ClientSession, sim: Simulator) -> None:
    for announced in (True, False):
        sim.google.music(seconds=2.0, envelope=True, announced=announced)
        music = await made(http, f"a song {announced}", length="short")
        async with http.get(music["files"][0]["url"]) as answer:
            assert await answer.read() == Recording(2.0).data()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x", "length": "long"}, "length"),
        ({"prompt": "x", "model": "gemini-3-flash-preview"}, "model"),
        ({"prompt": "x", "model": "suno"}, "model"),
        ({"prompt": "x", "input_reference": 5}, "input_reference"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_asked(
    http: aiohttp.ClientSession, sim: Simulator, body: Any, param: str
) -> None:
    async with http.post("/v1/music", json=body) as answer:
        assert answer.status in (400, 404), await answer.text()
        assert (await answer.json())["error"]["param"] == param
    assert not sim.record.calls


async def test_one_idempotency_key_is_one_piece(http: aiohttp.ClientSession, sim: Simulator) -> None:
    more: Any = {"headers": {"Idempotency-Key": "k1"}}
    calls = [called(http, "POST", "/v1/music", json={"prompt": "a song"}, **more) for _ in range(3)]
    first, *others = await asyncio.gather(*calls)
    assert {one["id"] for one in others} == {first["id"]}
    await ended(http, first)
    await called(http, "POST", "/v1/music", 409, json={"prompt": "a song", "length": "short"}, **more)
    assert sim.record.generations == 1


async def test_lyria_in_a_chat_answers_with_links(gate: Served, sim: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "a slow waltz"}]
        whole = await client.chat.completions.create(model="lyria-3", messages=messages)
        text = whole.choices[0].message.content or ""
        stream = await client.chat.completions.create(model="lyria-3-pro", messages=messages, stream=True)
        pieces = [piece.choices[0].delta.content or "" async for piece in stream if piece.choices]
    assert ".mp3](" in text
    assert "audio/mpeg" in text
    assert text.count("/v1/music/music_") == "".join(pieces).count("/v1/music/music_") == 2
    assert sim.record.generations == 2
    assert not sim.record.violations


async def test_who_waits_in_a_chat_is_told_when_the_gateway_stops(
    gate: Served, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.music(looks=1000)
    body = {"model": "lyria-3", "messages": [{"role": "user", "content": "a song"}]}
    async with asyncio.timeout(PATIENCE):
        waiting = asyncio.create_task(called(http, "POST", "/v1/chat/completions", 503, json=body))
        await until(lambda: sim.record.requests_of("hNvQHb") > 1)
        await gate.service.jobs.stop()
        assert (await waiting)["error"]["code"] == "stopping"
    assert sim.record.generations == 1


async def test_a_video_model_in_a_chat_answers_with_a_link(http: aiohttp.ClientSession, sim: Simulator) -> None:
    body = {"model": "veo-3.1-generate-preview", "messages": [{"role": "user", "content": "a fox"}], "max_tokens": 100}
    answer = await called(http, "POST", "/v1/messages", json=body)
    assert "/v1/videos/video_" in answer["content"][0]["text"]
    assert sim.record.generations == 1


async def test_a_chat_without_music_tells_why(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.music(tiers=("pro",))
    body = {"model": "lyria-3", "messages": [{"role": "user", "content": "a song"}]}
    async with http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "music_not_available"


async def test_lyria_is_no_model_for_other_jobs(http: aiohttp.ClientSession, sim: Simulator) -> None:
    body = {"model": "lyria-3", "input": "a song", "background": True}
    for path, more in (("/v1/responses", body), ("/v1/images/generations", {"model": "lyria-3", "prompt": "x"})):
        async with http.post(path, json=more) as answer:
            assert answer.status == 400, await answer.text()
            assert "/v1/music" in (await answer.json())["error"]["message"]
    assert not sim.record.calls


async def killed(tmp_path: Path, times: int) -> tuple[Any, Any]:
    """Music whose gateway is killed so often while Google makes it; the music and what Google saw."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.music(looks=2 + 2 * times, seconds=2.0)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path, lease=1.0)
        try:
            await node.start()
            async with aiohttp.ClientSession() as http:
                url = node.url + "/v1/music"
                music = await called(http, "POST", url, json={"prompt": "a song"})
                for looked in range(times):  # from the first look on the chat's name is known to be written down
                    async with asyncio.timeout(PATIENCE):
                        while (await sim.google.record()).requests_of("hNvQHb") < looked + 1:
                            await asyncio.sleep(0.02)
                    node.kill()
                    await node.start()
                async with asyncio.timeout(120):
                    while music["status"] in ("queued", "in_progress"):
                        music = await called(http, "GET", f"{node.url}/v1/music/{music['id']}?wait=10")
                files = []
                for ending in ("mp3", "mp4"):
                    async with http.get(f"{node.url}/v1/music/{music['id']}/content?format={ending}") as answer:
                        files.append(await answer.read())
            assert files == [Recording(8.0).data(), Movie(720, 720, 8.0).data()]
            return music, await sim.google.record()
        finally:
            node.end()


async def test_a_killed_gateway_reads_its_music_back(tmp_path: Path) -> None:
    music, record = await killed(tmp_path, 1)
    assert music["status"] == "completed", json.dumps(music)
    assert record.generations == 1
    assert not record.violations


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_ten_kills_and_one_generation(tmp_path: Path) -> None:
    music, record = await killed(tmp_path, 10)
    assert music["status"] == "completed", json.dumps(music)
    assert record.generations == 1
    assert not record.violations
