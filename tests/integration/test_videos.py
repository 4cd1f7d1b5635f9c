"""Videos over real sockets, judged by OpenAI's own SDK; generations counted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai.types import Video
from PIL import Image
from sqlalchemy import update

from gemgate.assembly.loops import retained
from gemgate.stores.sql.schema import batch, task
from gemgate_simulator import RemoteSimulator, Simulator
from gemgate_simulator.films import NO_ACCESS
from gemgate_simulator.mp4 import Movie
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment
from tests.support.patience import AT_ONCE, PATIENCE, until
from tests.support.serving import IMPATIENT, Served, served, settings_for
from tests.support.webhooks import listening

RULES = replace(QUICK, media_look=0.1)

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=4), job_rules=RULES) as running:
        yield running


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0, timeout=30) as one:
        yield one


async def ended(client: openai.AsyncOpenAI, video: Video, seconds: float = PATIENCE) -> Any:
    async with asyncio.timeout(seconds):
        while video.status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
            video = await client.videos.retrieve(video.id)
    return video


@pytest.mark.usefixtures("impatient")
async def test_a_video_is_asked_for_once_waited_for_and_measured(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.videos(looks=3, seconds=8.5, nbytes=300_000)
    sim.google.fault("generate", "stall", after_frames=1, seconds=IMPATIENT["idle_timeout_seconds"] + 0.5)
    raw = await client.videos.with_raw_response.create(
        prompt="a fox runs", model="sora-2", seconds="4", size="720x1280"
    )
    assert raw.headers["x-gemgate-ignored"] == "model, seconds"
    video = raw.parse()
    assert video.id.startswith("video_")
    assert (video.status, video.progress, video.prompt) == ("queued", 0, "a fox runs")
    done = await client.videos.retrieve(video.id, extra_query={"wait": 20})
    assert (done.status, done.progress, done.seconds, done.size) == ("completed", 100, "8.5", "720x1280")
    assert (done.container, done.codec, done.width, done.height) == ("mp4", "avc1", 720, 1280)
    assert done.completed_at >= done.created_at
    data = (await client.videos.download_content(video.id)).content
    assert data == Movie(720, 1280, 8.5, 300_000).data()
    assert (done.bytes, done.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert sim.record.generations == 1
    (call,) = sim.record.calls
    assert (call.tool, call.aspect, call.temporary) == (11, "9:16", False)
    assert sim.record.requests_of("hNvQHb") >= 3
    assert not sim.record.violations


async def test_create_and_poll_with_an_image_to_start_from(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    image = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(image, "PNG")
    video = await client.videos.create_and_poll(
        prompt="let it move", input_reference=("red.png", image.getvalue(), "image/png"), poll_interval_ms=100
    )
    assert (video.status, video.size) == ("completed", "1280x720")
    assert [file.data for file in sim.record.calls[0].files] == [image.getvalue()]
    assert not sim.record.violations


async def test_a_remix_is_the_next_turn_of_its_chat(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.videos(looks=2)
    first = await ended(client, await client.videos.create(prompt="a fox runs"))
    second = await ended(client, await client.videos.remix(first.id, prompt="now in snow"))
    third = await ended(client, await client.videos.remix(second.id, prompt="now at night"))
    assert [one.status for one in (first, second, third)] == ["completed"] * 3
    assert (second.remixed_from_video_id, third.remixed_from_video_id) == (first.id, second.id)
    assert len({call.cid for call in sim.record.calls}) == 1
    assert sim.record.generations == 3
    assert not sim.record.violations


async def test_two_changes_of_one_video_are_made_in_turn_and_not_mixed_up(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.videos(looks=2)
    first = await ended(client, await client.videos.create(prompt="a fox runs"))
    changes = [await client.videos.remix(first.id, prompt=f"now in {place}") for place in ("snow", "sand")]
    done = [await ended(client, one) for one in changes]
    assert [one.status for one in done] == ["completed"] * 2, [one.error for one in done]
    assert [len(film.fetches) for film in sim.google.world.films.made.values()] == [2, 2, 2], "each its own, once"
    assert sim.record.generations == 3
    assert not sim.record.violations


async def test_videos_are_listed_in_pages_and_deleted_with_their_files(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator
) -> None:
    made = [await ended(client, await client.videos.create(prompt=f"fox {n}")) for n in range(3)]
    page = await client.videos.list(limit=2)
    assert [one.id for one in page.data] == [made[2].id, made[1].id]
    assert [one.id async for one in client.videos.list(limit=2)] == [one.id for one in reversed(made)]
    assert [one.id async for one in client.videos.list(limit=2, order="asc")] == [one.id for one in made]
    key = f"videos/{made[0].id}.mp4"
    assert await gate.service.blobs.stat(key)
    deleted = await client.videos.delete(made[0].id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made[0].id, True, "video.deleted")
    assert await gate.service.blobs.stat(key) is None
    for call in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            await call(made[0].id)
        assert caught.value.code == "video_not_found"
    assert sim.record.generations == 3


async def test_a_video_that_is_deleted_while_it_is_made_is_gone(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator
) -> None:
    sim.google.videos(looks=1000)
    video = await client.videos.create(prompt="a fox")
    await until(lambda: sim.record.requests_of("hNvQHb") > 1)
    await client.videos.delete(video.id)
    with pytest.raises(openai.NotFoundError):
        await client.videos.retrieve(video.id)
    assert not (await client.videos.list()).data
    looks = sim.record.requests_of("hNvQHb")
    await asyncio.sleep(0.5)
    assert sim.record.requests_of("hNvQHb") <= looks + 1
    assert sim.record.generations == 1


async def test_a_video_is_a_job_like_any_other(
    client: openai.AsyncOpenAI, gate: Served, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    video = await ended(client, await client.videos.create(prompt="a fox"))
    async with http.get("/api/jobs?kind=video") as answer:
        (job,) = (await answer.json())["data"]
    while job["status"] == "finalizing":  # the file is there before the job is closed
        async with http.get(f"/api/jobs/{video.id}?wait=5") as answer:
            job = await answer.json()
    assert (job["id"], job["kind"], job["status"], job["prompts_sent"]) == (video.id, "video", "completed", 1)
    async with http.get(f"/api/jobs/{video.id}/results") as answer:
        text = await answer.text()
        (file,) = json.loads(text)["data"][0]["files"]
    assert (file["name"], file["bytes"], file["sha256"]) == (f"{video.id}.mp4", video.bytes, video.sha256)
    assert sim.record.calls[0].cid not in text
    async with http.get(file["url"]) as answer:
        assert hashlib.sha256(await answer.read()).hexdigest() == video.sha256


async def test_a_key_for_words_makes_no_videos(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, admin_key="an-admin-key-for-tests")
    async with served(settings, job_rules=RULES) as gate, aiohttp.ClientSession(gate.url) as http:
        admin = {"Authorization": "Bearer an-admin-key-for-tests"}
        body = {"name": "words", "operations": ["chat", "batches"]}
        async with http.post("/api/keys", json=body, headers=admin) as answer:
            key = (await answer.json())["key"]
        async with http.post(
            "/v1/videos", json={"prompt": "a fox"}, headers={"Authorization": f"Bearer {key}"}
        ) as answer:
            assert answer.status == 403, await answer.text()
    assert not sim.record.calls


async def test_metrics_count_videos(client: openai.AsyncOpenAI, gate: Served, sim: Simulator) -> None:
    sim.google.videos(nbytes=100_000)
    await ended(client, await client.videos.create(prompt="a fox"))
    sim.google.refuse("bad", "refusal", wording=1)
    await ended(client, await client.videos.create(prompt="a bad fox"))
    async with aiohttp.ClientSession(gate.url) as http, http.get("/metrics") as answer:
        text = await answer.text()
    assert 'gemgate_videos_total{outcome="delivered"} 1.0' in text
    assert 'gemgate_videos_total{outcome="no_video"} 1.0' in text
    assert "gemgate_video_bytes_total 100000.0" in text


async def test_parts_of_the_file_are_served(client: openai.AsyncOpenAI, gate: Served, sim: Simulator) -> None:
    sim.google.videos(nbytes=5_000_000)
    video = await ended(client, await client.videos.create(prompt="a long fox"))
    whole = Movie(1280, 720, 8.0, 5_000_000).data()
    path = f"/v1/videos/{video.id}/content"
    async with aiohttp.ClientSession(gate.url) as http:
        for asked, status, start, end in (
            ("bytes=0-99", 206, 0, 100),
            ("bytes=4999900-", 206, 4_999_900, 5_000_000),
            ("bytes=-7", 206, 4_999_993, 5_000_000),
            ("bytes=1000000-2999999", 206, 1_000_000, 3_000_000),
            ("bytes=0-" + "9" * 18, 206, 0, 5_000_000),
        ):
            async with http.get(path, headers={"Range": asked}) as answer:
                assert answer.status == status
                assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/5000000"
                assert await answer.read() == whole[start:end]
        async with http.get(path, headers={"Range": "bytes=5000000-"}) as answer:
            assert (answer.status, answer.headers["content-range"]) == (416, "bytes */5000000")
        async with http.get(path, headers={"Range": f"bytes={'9' * 5000}-"}) as answer:
            assert (answer.status, len(await answer.read())) == (200, 5_000_000), "no number that anybody means"
        async with http.head(path) as answer:
            assert (answer.status, answer.headers["content-length"]) == (200, "5000000")
            assert answer.headers["content-type"] == "video/mp4"
        async with http.get(path + "?variant=thumbnail") as answer:
            assert answer.status == 400


@pytest.mark.parametrize("announced", [True, False])
async def test_a_cut_file_is_fetched_again_and_never_delivered(
    client: openai.AsyncOpenAI, sim: Simulator, announced: bool
) -> None:
    sim.google.videos(nbytes=200_000, announced=announced, cut=120_000, cuts=2)
    video = await ended(client, await client.videos.create(prompt="a fox"))
    assert (video.status, video.bytes) == ("completed", 200_000)
    (film,) = sim.google.world.films.made.values()
    assert film.fetches == [302, 200] * 3
    assert sim.record.generations == 1


async def test_a_file_inside_of_an_envelope_is_unwrapped(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    for announced in (True, False):
        sim.google.videos(nbytes=200_000, envelope=True, announced=announced)
        video = await ended(client, await client.videos.create(prompt=f"a fox {announced}"))
        assert (await client.videos.download_content(video.id)).content == Movie(nbytes=200_000).data()
    assert not sim.record.violations


async def test_no_access_is_told_as_what_it_is_and_not_asked_for_again(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.videos(tiers=("pro",))
    video = await ended(client, await client.videos.create(prompt="a fox"))
    assert video.status == "failed"
    assert video.error.code == "video_not_available"
    assert NO_ACCESS in video.error.message
    with pytest.raises(openai.APIStatusError) as caught:
        await client.videos.create(prompt="another fox")
    assert "may make no videos" in str(caught.value)
    with pytest.raises(openai.ConflictError):
        await client.videos.download_content(video.id)
    text = await client.chat.completions.create(
        model="gemini-3-flash-preview", messages=[{"role": "user", "content": "Say hello"}]
    )
    assert text.choices[0].message.content
    async with http.get("/api/overview") as answer:
        assert "rests for videos" in await answer.text()
    async with http.post("/api/accounts/default/reset", json={"capability": "video"}) as answer:
        assert answer.status == 200, await answer.text()
    sim.google.videos()
    assert (await ended(client, await client.videos.create(prompt="a third fox"))).status == "completed"
    assert sum(call.tool == 11 for call in sim.record.calls) == 2


async def test_another_account_makes_what_the_first_one_may_not(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice", "bob")) as sim:
        sim.google.account("alice").tier = "free"
        entries = []
        for name in ("alice", "bob"):
            (tmp_path / f"{name}.json").write_text(json.dumps(sim.google.cookies(name)))
            entries.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.json"\n')
        (tmp_path / "accounts.toml").write_text("".join(entries))
        settings = settings_for(
            None, tmp_path, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, accounts_file=tmp_path / "accounts.toml"
        )
        async with served(settings, job_rules=RULES) as gate:
            await until(lambda: all(one.is_open for one in gate.service.pool.accounts))
            async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
                for n in range(3):
                    assert (await ended(client, await client.videos.create(prompt=f"fox {n}"))).status == "completed"
        assert sum(call.account == "alice" for call in sim.record.calls) <= 1
        assert sum(call.account == "bob" for call in sim.record.calls) == 3


async def test_a_refusal_in_words_ends_it(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.refuse("bad", "refusal", wording=1)
    video = await ended(client, await client.videos.create(prompt="something bad"))
    assert (video.status, video.error.code) == ("failed", "video_refused")
    sim.google.videos(looks=2, failing="Sorry, I can't help with that one.")
    video = await ended(client, await client.videos.create(prompt="something else"))
    assert (video.status, video.error.code) == ("failed", "video_refused")
    assert sim.record.generations == 2


async def test_one_idempotency_key_is_one_video(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    more: Any = {"extra_headers": {"Idempotency-Key": "k1"}}
    made = await asyncio.gather(*(client.videos.create(prompt="a fox", **more) for _ in range(4)))
    assert len({video.id for video in made}) == 1
    await ended(client, made[0])
    assert (await client.videos.create(prompt="a fox", **more)).id == made[0].id
    with pytest.raises(openai.ConflictError):
        await client.videos.create(prompt="a dog", **more)
    assert sim.record.generations == 1


async def test_a_video_is_its_keys_own(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="one:secret-one-1234567890,two:secret-two-1234567890")
    async with served(settings, job_rules=RULES) as gate:
        one, two = (
            openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key=f"secret-{name}-1234567890", max_retries=0)
            for name in ("one", "two")
        )
        video = await ended(one, await one.videos.create(prompt="a fox"))
        assert not (await two.videos.list()).data
        for call in (two.videos.retrieve, two.videos.download_content, two.videos.delete):
            with pytest.raises(openai.NotFoundError):
                await call(video.id)
        with pytest.raises(openai.NotFoundError):
            await two.videos.remix(video.id, prompt="mine")
        assert (await one.videos.retrieve(video.id)).status == "completed"
        await one.close()
        await two.close()


async def test_a_prompt_that_may_have_arrived_is_not_sent_again(client: openai.AsyncOpenAI, sim: Simulator) -> None:
    sim.google.fault("generate", "reset", match="lost")
    video = await ended(client, await client.videos.create(prompt="a lost fox"))
    assert (video.status, video.error.code) == ("failed", "upstream_error")
    assert sim.record.received == 1
    sim.google.fault("generate", "close", after_frames=1, match="broken")
    assert (await ended(client, await client.videos.create(prompt="a broken off fox"))).status == "completed"
    assert sum(call.generated for call in sim.record.calls if "broken" in call.prompt) == 1


async def test_what_does_not_come_in_time_is_told_as_that(sim: Simulator, tmp_path: Path) -> None:
    """Google has only said that it is making it."""
    sim.google.videos(looks=1000)
    rules = replace(RULES, media_patience=0.2, backoff=replace(QUICK.backoff, tries=0))
    async with (
        served(settings_for(sim, tmp_path), job_rules=rules) as gate,
        openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client,
    ):
        video = await ended(client, await client.videos.create(prompt="a fox"))
    assert video.error.code == "video_timeout"
    assert "within 0.2 seconds; its last words: I'm generating your video" in video.error.message


async def test_a_video_that_is_deleted_while_somebody_waits_is_not_found(
    client: openai.AsyncOpenAI, sim: Simulator
) -> None:
    sim.google.videos(looks=1000)
    video = await client.videos.create(prompt="a fox")
    waiting = asyncio.create_task(client.videos.retrieve(video.id, extra_query={"wait": 30}))
    await until(lambda: sim.record.requests_of("hNvQHb") > 1)
    async with asyncio.timeout(AT_ONCE):
        await client.videos.delete(video.id)
        with pytest.raises(openai.NotFoundError):
            await waiting


async def test_the_wait_for_an_account_is_no_wait_for_the_video(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator
) -> None:
    """An order of an hour ago that was looked at two hundred times, until its prompt left in a process that died right
    behind its chat's name.
    """
    sim.google.videos(looks=3)
    sim.google.fault("generate", "stall", after_frames=1, seconds=10)
    video = await client.videos.create(prompt="a fox")
    store = gate.service.jobs.store

    async def named() -> bool:
        return bool((await store.tasks(video.id))[0].checkpoint.cid)

    async with asyncio.timeout(PATIENCE):
        while not await named():
            await asyncio.sleep(0.01)
    async with gate.service.database.writing() as connection:
        await connection.execute(update(batch).values(started_at=batch.c.started_at - 3600))
        await connection.execute(update(task).values(attempt=200))
    assert await store.free() == 1
    gate.service.jobs.worker.wake()
    video = await ended(client, video)
    assert video.status == "completed", video.error
    assert sim.record.generations == 1


async def test_a_file_that_comes_after_its_video_was_deleted_is_deleted_too(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At another node the run goes on until its next heartbeat, and here until its file is stored."""
    blobs = gate.service.jobs.worker.runner.media.blobs  # type: ignore[union-attr]
    begun, may_end, stored = asyncio.Event(), asyncio.Event(), asyncio.Event()
    put_file = type(blobs).put_file

    async def slowly(self: Any, *which: Any) -> None:
        begun.set()
        await may_end.wait()
        await put_file(self, *which)
        stored.set()

    monkeypatch.setattr(type(blobs), "put_file", slowly)
    video = await client.videos.create(prompt="a fox")
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        await client.videos.delete(video.id)
        may_end.set()
        await stored.wait()
        await until(lambda: not gate.service.jobs.worker.running)
    assert [facts async for facts in blobs.list("videos/")] == []
    assert not list((tmp := gate.settings.data_dir / "downloads").iterdir()), tmp


async def test_its_end_is_told_to_the_operators_address(sim: Simulator, tmp_path: Path) -> None:
    secret = "whsec_" + base64.b64encode(b"a secret of 24 characters").decode()
    async with listening() as hook:
        settings = settings_for(sim, tmp_path, responses_webhook_url=hook.url, responses_webhook_secret=secret)
        async with (
            served(settings, job_rules=RULES) as gate,
            openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", webhook_secret=secret) as client,
        ):
            good = await ended(client, await client.videos.create(prompt="a fox"))
            await until(lambda: len(hook.heard) == 1)
            sim.google.refuse("bad", "refusal", wording=1)
            bad = await ended(client, await client.videos.create(prompt="a bad fox"))
            await until(lambda: len(hook.heard) == 2)
            told = [client.webhooks.unwrap(body, headers) for body, headers in hook.heard]
    assert [(one.type, one.data.id) for one in told] == [("video.completed", good.id), ("video.failed", bad.id)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x", "size": "large"}, "size"),
        ({"prompt": "x", "input_reference": 5}, "input_reference"),
        ({"prompt": "x", "input_reference": {"file_id": "file-none"}}, None),
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_asked(
    http: aiohttp.ClientSession, sim: Simulator, body: Any, param: str | None
) -> None:
    async with http.post("/v1/videos", json=body) as answer:
        assert answer.status in (400, 404), await answer.text()
        error = (await answer.json())["error"]
    if param:
        assert error["param"] == param
    assert not sim.record.calls


async def killed(tmp_path: Path, times: int) -> tuple[Any, Any]:
    """A video whose gateway is killed so often while Google makes it; the video and what Google saw."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.videos(looks=2 + 2 * times, nbytes=100_000)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path, lease=1.0)
        try:
            await node.start()
            async with openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", timeout=60) as client:
                video = await client.videos.create(prompt="a fox")
                for looked in range(times):  # from the first look on the chat's name is known to be written down
                    async with asyncio.timeout(PATIENCE):
                        while (await sim.google.record()).requests_of("hNvQHb") < looked + 1:
                            await asyncio.sleep(0.02)
                    node.kill()
                    await node.start()
                video = await ended(client, await client.videos.retrieve(video.id), 120)
                data = (await client.videos.download_content(video.id)).content
            assert data == Movie(nbytes=100_000).data()
            return video, await sim.google.record()
        finally:
            node.end()


async def test_a_killed_gateway_reads_its_video_back(tmp_path: Path) -> None:
    video, record = await killed(tmp_path, 1)
    assert video.status == "completed"
    assert record.generations == 1
    assert not record.violations


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_kill_in_the_moment_of_the_answer_never_makes_a_second_video(tmp_path: Path) -> None:
    """Whether the chat's name was written down or not: it is read back, or it has failed; asked for it is once."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.videos(looks=2, nbytes=100_000)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path, lease=1.0)
        ends = []
        try:
            for n in range(5):
                await node.start()
                async with openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", timeout=60) as client:
                    video = await client.videos.create(prompt=f"a fox {n}")
                    async with asyncio.timeout(PATIENCE):
                        while (await sim.google.record()).received <= n:
                            await asyncio.sleep(0.005)
                    node.kill()
                    await node.start()
                    ends.append(await ended(client, video, 120))
                    node.kill()
        finally:
            node.end()
        record = await sim.google.record()
    print([(one.status, one.error and one.error.code) for one in ends])
    assert all(one.status == "completed" or one.error.code == "video_interrupted" for one in ends)
    assert record.received == 5


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_ten_kills_and_one_generation(tmp_path: Path) -> None:
    video, record = await killed(tmp_path, 10)
    assert video.status == "completed"
    assert record.generations == 1
    assert not record.violations


async def large(tmp_path: Path, nbytes: int) -> tuple[int, int]:
    """A video of so many bytes, made and fetched in parts: what the gateway's memory grew by, for each."""
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.videos(looks=1, nbytes=nbytes)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path, lease=3.0)
        try:
            await node.start()
            async with (
                openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", timeout=60) as client,
                aiohttp.ClientSession(node.url) as http,
            ):
                await ended(client, await client.videos.create(prompt="warm up"), 120)
                before = memory(node.pid, "VmRSS")
                Path(f"/proc/{node.pid}/clear_refs").write_text("5")
                video = await ended(client, await client.videos.create(prompt="a long fox"), 240)
                made = memory(node.pid, "VmHWM") - before
                assert video.bytes == nbytes
                digest, step = hashlib.sha256(), nbytes // 3 + 1
                for start in range(0, nbytes, step):
                    asked = {"Range": f"bytes={start}-{start + step - 1}"}
                    async with http.get(f"/v1/videos/{video.id}/content", headers=asked) as answer:
                        assert answer.status == 206
                        async for piece in answer.content.iter_chunked(1 << 20):
                            digest.update(piece)
                assert digest.hexdigest() == video.sha256
                return made, memory(node.pid, "VmHWM") - before
        finally:
            node.end()


def memory(pid: int, field: str) -> int:
    """Bytes: VmRSS is what the process takes, VmHWM the most it took since `clear_refs`."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


async def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    made, served_ = await large(tmp_path, 64_000_000)
    assert max(made, served_) < 32_000_000


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_file_of_300_megabytes_is_never_in_memory(tmp_path: Path) -> None:
    made, served_ = await large(tmp_path, 300_000_000)
    print(f"\n300 MB: memory grew by {made / 1e6:.1f} MB while it came, by {served_ / 1e6:.1f} MB with serving it")
    assert max(made, served_) < 48_000_000


async def test_a_video_counts_in_its_keys_room_also_one_from_before_that_was_counted(
    client: openai.AsyncOpenAI, gate: Served, sim: Simulator
) -> None:
    sim.google.videos(looks=1, nbytes=300_000)
    share = gate.service.media_share
    video = await ended(client, await client.videos.create(prompt="a fox runs"))
    assert video.bytes <= await share.held("") < video.bytes + 100_000
    async with gate.service.database.writing() as connection:
        await connection.execute(update(batch).values(media_bytes=0))
    assert not await share.held("")
    assert await retained(gate.service)
    assert await share.held("") >= video.bytes
    share.most = 200_000
    with pytest.raises(openai.APIStatusError) as refused:
        await client.videos.create(prompt="a fox runs on")
    assert (refused.value.status_code, refused.value.code) == (413, "media_full")
    assert (await client.videos.delete(video.id)).deleted
    assert (await ended(client, await client.videos.create(prompt="a fox runs on"))).status == "completed"
