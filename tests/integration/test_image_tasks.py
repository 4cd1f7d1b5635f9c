"""Asynchronous calls for images, and those under an idempotency key: over real sockets, generations counted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from PIL import Image

from gemgate.jobs.webhooks import signature
from gemgate.outbound import GuardedSender
from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import QUICK
from tests.support.chaos import Node, environment, painter
from tests.support.patience import PATIENCE, PATIENT, until
from tests.support.serving import Served, served, settings_for
from tests.support.webhooks import listening

POSTED = {"prompt": "draw a red cat", "response_format": "url"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.images(cheap=True)
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


async def posted(
    http: aiohttp.ClientSession, body: Any, path: str = "/v1/images/generations", *, status: int = 202, **headers: str
) -> Any:
    """The body of the answer; `_` in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.post(path, json=body, headers=named) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def ended(http: aiohttp.ClientSession, task: Any, **more: Any) -> Any:
    async with http.get(f"/v1/images/tasks/{task['id']}?wait=20", **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_a_task_is_answered_at_once_and_its_result_is_the_calls_own_answer(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=0.5)
    async with http.post("/v1/images/generations", json={**POSTED, "n": 2, "async": True}) as answer:
        assert answer.status == 202
        task = await answer.json()
        assert answer.headers["location"] == task["poll"] == f"{gate.url}/v1/images/tasks/{task['id']}"
        assert "preference-applied" not in answer.headers
    assert {name: task[name] for name in ("object", "status", "total")} == {
        "object": "image.task", "status": "queued", "total": 2,
    }  # fmt: skip
    assert task["id"].startswith("imgtask_")
    assert "result" not in task
    done = await ended(http, task)
    assert (done["status"], done["completed"], done["failed"]) == ("completed", 2, 0)
    assert done["completed_at"] >= done["created_at"] == task["created_at"]
    result = done["result"]
    assert set(result) == {"created", "data", "usage"}
    assert len({image["url"] for image in result["data"]}) == 2
    for image in result["data"]:
        async with http.get(image["url"]) as stored:
            assert hashlib.sha256(await stored.read()).hexdigest() == image["sha256"]
    assert sim.record.generations == 2
    assert all(call.temporary for call in sim.record.calls)
    assert not sim.record.violations


async def test_the_preference_of_rfc_7240_asks_for_a_task_too(http: aiohttp.ClientSession, sim: Simulator) -> None:
    headers = {"Prefer": "wait=5, respond-async"}
    async with http.post("/v1/generate-images", json={"prompt": "a cat", "count": 2}, headers=headers) as answer:
        assert (answer.status, answer.headers["preference-applied"]) == (202, "respond-async")
        task = await answer.json()
    done = await ended(http, task)
    assert set(done["result"]) == {"images", "model", "details"}
    for image, details in zip(done["result"]["images"], done["result"]["details"], strict=True):
        data = base64.b64decode(image.removeprefix("data:image/png;base64,"))
        assert hashlib.sha256(data).hexdigest() == details["sha256"]
    assert sim.record.generations == 2


async def test_googles_predict_is_a_task_too(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.refuse("celebrity", "refusal")
    path = "/v1beta/models/gemini-2.5-flash-image:predict"
    task = await posted(http, {"instances": [{"prompt": "a cat"}]}, path, Prefer="respond-async")
    (made,) = (await ended(http, task))["result"]["predictions"]
    assert base64.b64decode(made["bytesBase64Encoded"]).startswith(b"\x89PNG")
    task = await posted(http, {"instances": [{"prompt": "draw a celebrity"}]}, path, Prefer="respond-async")
    failed = await ended(http, task)
    assert (failed["status"], failed["error"]["status"]) == ("failed", "INVALID_ARGUMENT")
    assert sim.record.generations == 2


async def test_images_to_start_from_are_kept_for_the_task(http: aiohttp.ClientSession, sim: Simulator) -> None:
    image = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(image, "PNG")
    form = aiohttp.FormData({"prompt": "make it blue", "async": "true"})
    form.add_field("image", image.getvalue(), filename="red.png", content_type="image/png")
    async with http.post("/v1/images/edits", data=form) as answer:
        assert answer.status == 202, await answer.text()
        by_form = await answer.json()
    inline = base64.b64encode(image.getvalue()).decode()
    by_json = await posted(http, {"prompt": "make it green", "image": inline, "async": True}, "/v1/images/edit")
    for task in (by_form, by_json):
        assert (await ended(http, task))["status"] == "completed"
    assert [[file.data for file in call.files] for call in sim.record.calls] == [[image.getvalue()]] * 2


async def test_events_tell_the_way_of_a_task_and_end_with_its_result(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=0.5)
    task = await posted(http, {**POSTED, "async": True})
    async with http.get(f"/v1/images/tasks/{task['id']}", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = await answer.text()
    names = re.findall(r"^event: (\S+)$", text, re.MULTILINE)
    assert names[-1] == "image.task.completed"
    assert "image.task.in_progress" in names
    events = [json.loads(line) for line in re.findall(r"^data: (.*)$", text, re.MULTILINE)]
    assert events[-1]["result"]["data"][0]["url"]
    assert all("result" not in event for event in events[:-1])


async def test_a_long_poll_answers_how_it_stands_when_its_time_is_up(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=30)
    task = await posted(http, {**POSTED, "async": True})
    async with asyncio.timeout(PATIENCE), http.get(f"/v1/images/tasks/{task['id']}?wait=1") as answer:
        assert (await answer.json())["status"] == "in_progress"
    async with http.get(f"/v1/images/tasks/{task['id']}?wait=100000") as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "wait")
    async with http.delete(f"/v1/images/tasks/{task['id']}") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "cancelled")
    await until(lambda: not sim.record.open_streams)
    assert (await ended(http, task))["status"] == "cancelled"
    async with http.delete(f"/v1/images/tasks/{task['id']}") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "cancelled")
    assert sim.record.generations == 1


async def test_a_failed_task_has_the_error_of_its_dialect(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.refuse("celebrity", "refusal")
    words = {"prompt": "draw a celebrity", "async": True}
    done = await ended(http, await posted(http, words))
    assert (done["status"], done["error"]["code"]) == ("failed", "content_policy_violation")
    simply = await ended(http, await posted(http, words, "/v1/generate-images"))
    assert (simply["status"], simply["error"]["code"]) == ("failed", "content_policy_violation")
    assert "detail" in simply["error"]
    refused = await posted(http, {**words, "stream": True}, status=400)
    assert refused["error"]["param"] == "async"


async def test_tasks_are_nobody_elses_and_no_batches(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="ann:key-of-ann-000,ben:key-of-ben-000", admin_key="key-of-admin-00")
    as_ann, as_ben, as_admin = (
        {"Authorization": f"Bearer key-of-{name}"} for name in ("ann-000", "ben-000", "admin-00")
    )
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        asked, key = {**POSTED, "async": True}, "same"
        task = await posted(http, asked, Authorization="Bearer key-of-ann-000", Idempotency_Key=key)
        other_task = await posted(http, asked, Authorization="Bearer key-of-ben-000", Idempotency_Key=key)
        assert other_task["id"] != task["id"], "each key of a client has idempotency keys of its own"
        path = f"/v1/images/tasks/{task['id']}"
        for method in ("GET", "DELETE"):
            async with http.request(method, path, headers=as_ben) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (404, "image_task_not_found")
        assert (await ended(http, task, headers=as_ann))["status"] == "completed"
        async with http.get(path, headers=as_admin) as answer:
            assert answer.status == 200
        async with http.get("/v1/batch", headers=as_admin) as answer:
            assert (await answer.json())["total"] == 0
        async with http.get("/v1/batches", headers=as_ann) as answer:
            assert (await answer.json())["data"] == []
        for other in (f"/v1/batch/{task['id']}/status", f"/v1/batches/{task['id']}"):
            async with http.get(other, headers=as_ann) as answer:
                assert answer.status == 404
        made = {"name": "words", "operations": ["chat", "batches"]}
        async with http.post("/api/keys", json=made, headers=as_admin) as answer:
            chats_only = {"Authorization": f"Bearer {(await answer.json())['key']}"}
        async with http.get(path, headers=chats_only) as answer:
            assert answer.status == 403


async def test_a_task_is_one_call_of_the_limits(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, rate_limit_per_hour=2)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        first = await posted(http, {**POSTED, "n": 3, "async": True}, Idempotency_Key="one")
        for _ in range(3):
            assert (await posted(http, {**POSTED, "n": 3, "async": True}, Idempotency_Key="one"))["id"] == first["id"]
        await posted(http, {**POSTED, "model": "gpt-9", "async": True}, status=404)
        await posted(http, {**POSTED, "async": True})
        await posted(http, {**POSTED, "async": True}, status=429)
        assert (await ended(http, first))["completed"] == 3


@pytest.mark.parametrize(
    ("path", "body", "images"),
    [
        ("/v1/images/generations", {"prompt": "a cat", "n": 2}, lambda answer: [x["b64_json"] for x in answer["data"]]),
        ("/v1/generate-images", {"prompt": "a cat", "count": 2}, lambda answer: answer["images"]),
    ],
)  # fmt: skip
async def test_one_idempotency_key_generates_once(
    http: aiohttp.ClientSession, sim: Simulator, path: str, body: Any, images: Any
) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=0.3)
    answers = await asyncio.gather(*(posted(http, body, path, status=200, Idempotency_Key="once") for _ in range(4)))
    answers.append(await posted(http, body, path, status=200, Idempotency_Key="once"))
    assert len({json.dumps(images(answer)) for answer in answers}) == 1
    assert sim.record.generations == 2
    refused = await posted(http, {**body, "prompt": "a dog"}, path, status=409, Idempotency_Key="once")
    assert "idempotency_key_reused" in json.dumps(refused)
    assert ("error" in refused) == (path == "/v1/images/generations")
    task = await posted(http, {**body, "async": True}, path, Idempotency_Key="once")
    assert (task["status"], task["completed"]) == ("completed", 2)
    await posted(http, body, path, status=400, Idempotency_Key="k" * 201)
    assert sim.record.generations == 2


async def test_a_form_is_the_same_call_whatever_its_boundary(gate: Served, sim: Simulator) -> None:
    image = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(image, "PNG")
    headers = {"Idempotency-Key": "edit-1"}
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
        made = [
            await client.images.edit(image=("red.png", image.getvalue()), prompt="make it blue", extra_headers=headers)
            for _ in range(2)
        ]
        assert made[0].data is not None
        assert made[1].data is not None
        assert made[0].data[0].b64_json == made[1].data[0].b64_json
        with pytest.raises(openai.ConflictError):
            await client.images.edit(image=("red.png", image.getvalue()), prompt="else", extra_headers=headers)
        stream = await client.images.edit(
            image=("red.png", image.getvalue()), prompt="make it blue", stream=True, extra_headers=headers
        )
        events = [event async for event in stream]
    assert [event.type for event in events] == ["image_edit.completed"]
    assert events[0].b64_json == made[0].data[0].b64_json
    assert sim.record.generations == 1


async def test_what_certainly_cost_nothing_is_tried_anew_under_its_key(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    """An error that cost no generation does not stay with the key; a refusal by Google does."""
    sim.google.fault("generate", "code", code=1037)
    headers = {"Idempotency_Key": "again"}
    await posted(http, POSTED, status=429, **headers)
    gate.service.pool.accounts[0].reset()
    assert (await posted(http, POSTED, status=200, **headers))["data"]
    assert sim.record.generations == 1
    sim.google.refuse("celebrity", "refusal")
    for _ in range(2):
        refused = await posted(http, {"prompt": "a celebrity"}, status=400, Idempotency_Key="never")
        assert refused["error"]["code"] == "content_policy_violation"
    assert sim.record.generations == 2


async def test_a_broken_answer_is_an_error_at_once_and_stays_one(http: aiohttp.ClientSession, sim: Simulator) -> None:
    """Who waits gets the first failure, as without a key: the prompt is not sent again by itself."""
    sim.google.reply("cat", "", image=Painting(), delay=0.1)
    sim.google.fault("generate", "reset", after_frames=1)
    statuses = []
    for _ in range(2):
        async with http.post("/v1/images/generations", json=POSTED, headers={"Idempotency-Key": "b"}) as answer:
            statuses.append((answer.status, answer.headers["x-gemgate-generated"]))
    assert statuses == [(502, "maybe")] * 2
    assert sim.record.generations == 1


async def test_the_answer_under_a_key_outlives_the_process(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path)
    answers = []
    for _ in range(2):
        async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
            answers.append(await posted(http, {"prompt": "a cat"}, status=200, Idempotency_Key="kept"))
    assert answers[0]["data"][0]["b64_json"] == answers[1]["data"][0]["b64_json"]
    assert sim.record.generations == 1


async def left(http: aiohttp.ClientSession, sim: Simulator, body: Any, path: str = "/v1/images/generations") -> None:
    """A client that goes away while Google paints for it."""
    call = asyncio.create_task(posted(http, body, path, status=200))
    await until(lambda: sim.record.open_streams)
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def explained(http: aiohttp.ClientSession, ends: bool = True) -> Any:
    """What is told of the last call for images, when its images are over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with http.get("/api/requests") as answer:
                rows = [row for row in (await answer.json())["requests"] if row["operation"] in WAYS]
            if rows and rows[0]["state"] == "done":
                async with http.get(f"/api/requests/{rows[0]['id']}") as answer:
                    told = await answer.json()
                if told["abandoned"] != "finishing" or not ends:
                    return told
            await asyncio.sleep(0.05)


WAYS = ("images.generations", "generate-images", "gemini.predict")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/images/generations", {"prompt": "a cat", "stream": True}),
        ("/v1/generate-images", {"prompt": "a cat"}),
        ("/v1beta/models/gemini-2.5-flash-image:predict", {"instances": [{"prompt": "a cat"}]}),
    ],
    ids=["openai", "stream", "simple", "predict"],
)
async def test_who_leaves_after_the_prompt_was_sent_loses_no_image(
    http: aiohttp.ClientSession, sim: Simulator, path: str, body: Any
) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=4)
    await left(http, sim, body, path)
    told = await explained(http)
    assert (told["status"], told["abandoned"], told["generations"]) == (499, "finished", 1)
    assert "gallery" in told["story"][-1]["en"]
    (image,) = told["pictures"]
    async with http.get(f"/api/gallery/{image['id']}") as answer:
        assert (await answer.json())["prompt"] == "a cat"
    async with http.get(f"/api/gallery/{image['id']}/file") as answer:
        assert Image.open(io.BytesIO(await answer.read())).size == (256, 256)
    async with http.get("/metrics") as answer:
        assert 'gemgate_abandoned_calls_total{outcome="finished"} 1.0' in await answer.text()
    assert sim.record.generations == 1
    assert not sim.record.cancelled


async def test_abandoned_calls_are_cancelled_where_that_is_the_setting(sim: Simulator, tmp_path: Path) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=30)
    settings = settings_for(sim, tmp_path, abandoned="cancel")
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        await left(http, sim, {"prompt": "a cat"})
        await until(lambda: not sim.record.open_streams)
        told = await explained(http)
        assert (told["abandoned"], told["pictures"]) == ("cancelled", [])


async def test_nothing_is_sent_for_who_has_left(sim: Simulator, tmp_path: Path) -> None:
    """Of two images one is under way and finished; the other waits for the lane, and is not begun."""
    sim.google.reply("cat", "", image=Painting(), delay=4)
    settings = settings_for(sim, tmp_path, concurrency=1)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        await left(http, sim, {"prompt": "a cat", "n": 2})
        told = await explained(http)
        assert (told["abandoned"], len(told["pictures"])) == ("finished", 1)
        assert sim.record.received == 1
        assert gate.service.pool.accounts[0].busy == 0
        assert gate.service.pool.waiting == 0


async def test_a_call_under_a_key_is_finished_and_found_by_it(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.reply("cat", "", image=Painting(), delay=0.8)
    call = asyncio.create_task(posted(http, POSTED, status=200, Idempotency_Key="found"))
    await until(lambda: sim.record.open_streams)
    call.cancel()
    assert (await posted(http, POSTED, status=200, Idempotency_Key="found"))["data"]
    async with http.get("/api/requests?status=499") as answer:
        (row,) = (await answer.json())["requests"]
    async with http.get(f"/api/requests/{row['id']}") as answer:
        told = await answer.json()
    assert told["task"].startswith("imgtask_")
    assert len(told["pictures"]) == 1
    async with http.get(f"/v1/images/tasks/{told['task']}") as answer:
        assert (await answer.json())["status"] == "completed"
    assert sim.record.generations == 1


@pytest.mark.timeout(300)
async def test_references_of_a_refused_order_are_not_kept(sim: Simulator, tmp_path: Path) -> None:
    """Whoever is over a limit tries again and again, and would fill his share of the store."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    link = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    calls: dict[str, Any] = {
        "/v1/images/generations": {"prompt": "a fox", "async": True},
        "/v1/images/edits": {"prompt": "at night", "image": link, "async": True},
        "/v1/videos": {"prompt": "let it move", "input_reference": {"image_url": link}},
        "/v1/batch/images": {"items": [{"prompt": "at night", "image": link}]},
    }
    async with (
        served(settings_for(sim, tmp_path, rate_limit_per_hour=1), job_rules=QUICK) as gate,
        aiohttp.ClientSession(gate.url) as http,
    ):
        for at, (path, body) in enumerate(calls.items()):
            async with http.post(path, json=body) as answer:
                assert answer.status == (429 if at else 202), (path, await answer.text())
        async with http.get("/v1/files") as answer:
            assert (await answer.json())["data"] == []


def named(file: Path) -> int:
    """How many chats' ids a running node has written down."""
    with closing(sqlite3.connect(file)) as database:
        count: int = database.execute("SELECT count(*) FROM task WHERE cid != ''").fetchone()[0]
        return count


async def test_kill_9_loses_no_task_and_generates_nothing_twice(tmp_path: Path) -> None:
    """Killed while Google paints: an asynchronous call, and a synchronous one whose client asks again under its key."""
    async with painter("alice", readable=True, pace=1.0) as sim:
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        try:
            await node.start()
            url = "/v1/images/generations"
            async with aiohttp.ClientSession(node.url) as http:
                task = await posted(http, {"prompt": "draw number 1", "response_format": "url", "async": True})
                waiting = {"prompt": "draw number 2", "response_format": "url"}
                call = asyncio.create_task(posted(http, waiting, url, status=200, Idempotency_Key="two"))
                await until(lambda: named(tmp_path / "data" / "gemgate.sqlite3") == 2, PATIENT)
                node.kill()
                with pytest.raises(aiohttp.ClientError):
                    await call
            await node.start()
            async with aiohttp.ClientSession(node.url) as http:
                first = await ended(http, task)
                second = await posted(http, waiting, url, status=200, Idempotency_Key="two")
                assert first["status"] == "completed", first
                assert await posted(http, waiting, url, status=200, Idempotency_Key="two") == {
                    **second, "created": pytest.approx(second["created"], abs=30),
                }  # fmt: skip
            record = await sim.record()
            assert record.generations == 2
            assert not record.violations
            assert len(list((tmp_path / "data" / "blobs" / "images").rglob("*.png"))) == 2
        finally:
            node.end()


async def test_the_end_of_a_task_is_told_to_its_webhook_signed(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    sim.google.refuse("celebrity", "refusal")
    gate.service.jobs.webhook_sender.sender = GuardedSender(allowed=lambda address: True)
    async with listening() as hook:
        asked = {**POSTED, "async": True, "webhook": {"url": hook.url, "secret": "shared secret"}}
        made = await posted(http, asked)
        await until(lambda: len(hook.heard) == 1)
        body, headers = hook.heard[0]
        expected = signature("shared secret", headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"] == expected
        told = json.loads(body)
        assert told["type"] == "image.task.completed"
        assert told["data"] == {name: value for name, value in (await ended(http, made)).items() if name != "result"}
        refused = {"prompt": "draw a celebrity", "webhook": hook.url, "webhook_secret": "x"}
        await posted(http, refused, "/v1/generate-images", status=400, Idempotency_Key="k")
        await until(lambda: len(hook.heard) == 2)
        assert json.loads(hook.heard[1][0])["type"] == "image.task.failed"
    assert sim.record.generations == 2


async def test_a_webhook_needs_a_task_and_an_address_that_is_public(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    refused = await posted(http, {**POSTED, "async": True, "webhook": "http://127.0.0.1:9/x"}, status=400)
    assert "public" in refused["error"]["message"]
    assert sim.record.generations == 0
    async with http.post("/v1/images/generations", json={**POSTED, "webhook": "http://example.org/x"}) as answer:
        assert (answer.status, answer.headers["x-gemgate-ignored"]) == (200, "webhook")
