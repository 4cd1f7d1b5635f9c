"""Batches of images end to end: ordered over HTTP, made by the simulated Google, watched, steered, fetched."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from gemgate.jobs.webhooks import signature
from gemgate.outbound import GuardedSender
from gemgate_simulator import Answer, Painting, Simulator
from tests.support.batch_calls import QUICK, ordered, status, steered, until_status
from tests.support.patience import PATIENCE, until
from tests.support.serving import Served, served, settings_for


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.images(cheap=True)
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path, concurrency=8), job_rules=QUICK) as running:
        yield running


async def test_a_batch_is_made_in_the_background_and_answers_in_the_printed_shape(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    prompts = ["draw a red cat", "draw a blue dog", "画一只猫"]
    created = await ordered(http, prompts=prompts)
    batch_id = created["batch_id"]
    assert set(created) == {"batch_id", "total", "status", "message", "concurrency"}
    assert (created["total"], created["status"], created["message"]) == (3, "processing", "批量任务已创建，2并发处理中")
    assert len(batch_id) == len("batch_60bfcf0a")
    body = await until_status(http, batch_id)
    assert {name: body[name] for name in body if name != "results"} == {
        "batch_id": batch_id, "total": 3, "completed": 3, "failed": 0, "pending": 0, "progress": "3/3",
        "status": "completed", "errors": [],
    }  # fmt: skip
    assert [result["task_id"] for result in body["results"]] == [f"{batch_id}_task_{n}" for n in range(3)]
    for result in body["results"]:
        async with http.get(result["url"]) as answer:
            data = await answer.read()
        assert hashlib.sha256(data).hexdigest() == result["details"]["sha256"]
        assert Image.open(io.BytesIO(data)).size == (256, 256)
    assert [result["details"]["prompt"] for result in body["results"]] == prompts
    assert "mao" in body["results"][2]["url"]
    assert sim.record.generations == 3
    assert all(call.temporary for call in sim.record.calls)
    assert [sum(prompt in call.prompt for call in sim.record.calls) for prompt in prompts] == [1, 1, 1]
    assert not sim.record.violations
    async with http.get("/health") as answer:
        health = await answer.json()
    assert health["task_stats"] == {"pending": 0, "processing": 0, "completed": 3, "failed": 0, "total": 3}


async def test_never_more_at_once_than_ordered_and_one_lane_stays_free(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.reply("slow", "", image=Painting(), delay=3)  # so long that all are under way before one ends
    created = await ordered(http, prompts=[f"slow {n}" for n in range(5)], concurrency=3)
    assert (await until_status(http, created["batch_id"]))["completed"] == 5
    assert sim.record.peak["alice"] == 3
    sim.record.clear()
    created = await ordered(http, prompts=[f"slow {n}" for n in range(12)], concurrency=50)
    assert created["concurrency"] == 8
    assert "50" in created["note"]
    assert (await until_status(http, created["batch_id"]))["completed"] == 12
    assert sim.record.peak["alice"] == 7


async def test_base64_results_are_the_images_themselves(http: aiohttp.ClientSession) -> None:
    created = await ordered(http, prompts=["a", "b"], response_type="base64")
    body = await until_status(http, created["batch_id"])
    assert [set(result) for result in body["results"]] == [{"task_id", "image", "details"}] * 2
    for result in body["results"]:
        data = base64.b64decode(result["image"].removeprefix("data:image/png;base64,"))
        assert hashlib.sha256(data).hexdigest() == result["details"]["sha256"]
    page = await status(http, created["batch_id"], "?limit=1")
    assert (len(page["results"]), page["next_offset"]) == (1, 1)
    page = await status(http, created["batch_id"], "?limit=1&offset=1")
    assert (page["results"][0]["task_id"].rpartition("_")[2], "next_offset" in page) == ("1", False)
    assert (await status(http, created["batch_id"], "?limit=0"))["results"] == []


async def test_items_have_their_own_model_size_and_references(http: aiohttp.ClientSession, sim: Simulator) -> None:
    image = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(image, "PNG")
    inline = base64.b64encode(image.getvalue()).decode()
    form = aiohttp.FormData()
    form.add_field("files", image.getvalue(), filename="up.png", content_type="image/png")
    async with http.post("/upload", data=form) as answer:
        (file_id,) = (await answer.json())["files"]
    created = await ordered(
        http,
        size="16:9",
        items=[
            {"prompt": "make it blue", "references": [inline, "data:image/png;base64," + inline]},
            {"prompt": "make it green", "references": [file_id], "model": "gemini-3-pro-image-preview-4k"},
            {"prompt": "draw a fox", "size": "2k", "quality": "high"},
        ],
    )
    body = await until_status(http, created["batch_id"])
    assert body["completed"] == 3, body["errors"]
    blue, green, fox = (
        next(call for call in sim.record.calls if words in call.prompt) for words in ("blue", "green", "fox")
    )
    assert [file.data for file in blue.files] == [image.getvalue()] * 2
    assert [file.data for file in green.files] == [image.getvalue()]
    assert (blue.model, green.model, fox.model) == ("gemini-flash", "gemini-pro", "gemini-pro")
    assert "16:9" in blue.prompt
    assert [result["details"]["requested"] for result in body["results"]] == [None, 4096, 2048]
    assert [result["details"]["model"] for result in body["results"]][1] == "gemini-3-pro-image-preview-4k"


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({}, 400, "prompts"),
        ({"prompts": []}, 400, "prompts"),
        ({"prompts": ["a"] * 10_001}, 400, "prompts"),
        ({"prompts": ["a"], "concurrency": 0}, 400, "concurrency"),
        ({"prompts": ["a"], "size": "huge"}, 400, "size"),
        ({"prompts": ["a"], "model": "gpt-9"}, 404, "gpt-9"),
        ({"items": [{"prompt": "a", "model": "gpt-9"}]}, 404, "gpt-9"),
        ({"items": [{"prompt": "a", "references": ["/etc/passwd"]}]}, 400, "references"),
        ({"prompts": ["a"], "webhook": "http://127.0.0.1/x"}, 400, "public"),
        ({"prompts": ["a"], "webhook": "ftp://example.org/x"}, 400, "http"),
    ],
)
async def test_a_wrong_order_is_refused_with_a_reason_and_makes_nothing(
    http: aiohttp.ClientSession, sim: Simulator, body: dict[str, Any], code: int, word: str
) -> None:
    answer = await ordered(http, expect=code, **body)
    assert word in answer["detail"]
    async with http.get("/v1/batch") as listing:
        assert (await listing.json())["total"] == 0


async def test_one_idempotency_key_is_one_batch(http: aiohttp.ClientSession, sim: Simulator) -> None:
    headers = {"Idempotency-Key": "night-1"}
    made = await asyncio.gather(*(ordered(http, prompts=["a", "b"], headers=headers) for _ in range(4)))
    assert len({one["batch_id"] for one in made}) == 1
    by_field = await ordered(http, prompts=["c"], idempotency_key="night-2")
    assert by_field["batch_id"] != made[0]["batch_id"]
    refused = await ordered(http, prompts=["something else"], headers=headers, expect=409)
    assert "idempotency" in refused["detail"]
    await until_status(http, made[0]["batch_id"])
    await until_status(http, by_field["batch_id"])
    assert sim.record.generations == 3


async def test_a_batch_is_one_call_of_the_limits(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, rate_limit_per_hour=2)
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        await ordered(http, prompts=[f"p{n}" for n in range(10)], idempotency_key="k")
        for _ in range(3):
            await ordered(http, prompts=[f"p{n}" for n in range(10)], idempotency_key="k")
        await ordered(http, prompts=["wrong"], model="gpt-9", expect=404)
        await ordered(http, prompts=["b"])
        refused = await ordered(http, prompts=["c"], expect=429)
        assert "1 hour" in refused["detail"] or "hour" in refused["detail"]


async def test_batches_belong_to_the_key_that_ordered_them(sim: Simulator, tmp_path: Path) -> None:
    settings = settings_for(sim, tmp_path, api_key="ann:key-of-ann-000,ben:key-of-ben-000", admin_key="key-of-admin-00")
    as_ann, as_ben, as_admin = (
        {"Authorization": f"Bearer key-of-{name}"} for name in ("ann-000", "ben-000", "admin-00")
    )
    async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
        batch_id = (await ordered(http, prompts=["a"], headers=as_ann))["batch_id"]
        for path in ("status", "events", "archive"):
            async with http.get(f"/v1/batch/{batch_id}/{path}", headers=as_ben) as answer:
                assert answer.status == 404
        for verb in ("cancel", "pause", "resume", "retry"):
            async with http.post(f"/v1/batch/{batch_id}/{verb}", headers=as_ben) as answer:
                assert answer.status == 404
        for headers, count in ((as_ann, 1), (as_ben, 0), (as_admin, 1)):
            async with http.get("/v1/batch", headers=headers) as answer:
                assert (await answer.json())["total"] == count
        async with http.get(f"/v1/batch/{batch_id}/status") as answer:
            assert answer.status == 401
        async with asyncio.timeout(PATIENCE):
            while (body := await status(http, batch_id, headers=as_ann))["status"] == "processing":
                await asyncio.sleep(0.05)
        async with http.get(body["results"][0]["url"]) as answer:
            assert answer.status == 200, "a signed link needs no key"


async def test_cancelling_stops_what_runs_and_drops_what_waits(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    sim.google.reply("fast", "", image=Painting())
    sim.google.reply("slow", "", image=Painting(), delay=30)
    created = await ordered(http, prompts=["fast", *(f"slow {n}" for n in range(5))])
    batch_id = created["batch_id"]
    await until_status(http, batch_id, lambda body: body["completed"] == 1 and sim.record.open_streams == 2)
    body = await steered(http, batch_id, "cancel")
    assert body["status"] == "cancelled"
    body = await until_status(http, batch_id, lambda body: body["pending"] == 0)
    assert (body["status"], body["completed"], body["failed"], body["cancelled"]) == ("cancelled", 1, 0, 5)
    await until(lambda: not sim.record.open_streams)
    assert sim.record.generations == 3
    assert all(account.busy == 0 for account in gate.service.pool.accounts)
    assert "ended" in (await steered(http, batch_id, "pause", expect=409))["detail"]


async def test_a_paused_batch_ends_what_runs_and_goes_on_when_told(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.reply("p", "", image=Painting(), delay=2)
    batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(6)]))["batch_id"]
    await until_status(http, batch_id, lambda _: sim.record.open_streams == 2)
    assert (await steered(http, batch_id, "pause"))["status"] == "paused"
    body = await until_status(http, batch_id, lambda body: body["completed"] == 2)
    await asyncio.sleep(0.4)
    assert sim.record.generations == 2
    assert (body["status"], body["pending"]) == ("paused", 4)
    assert (await steered(http, batch_id, "resume"))["status"] == "processing"
    assert (await until_status(http, batch_id))["completed"] == 6
    assert sim.record.generations == 6


async def test_refusals_fail_at_once_and_only_what_failed_is_tried_again(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.refuse("celebrity", "refusal")
    batch_id = (await ordered(http, prompts=["draw a cat", "draw a celebrity", "   "]))["batch_id"]
    body = await until_status(http, batch_id)
    assert (body["status"], body["completed"], body["failed"], body["pending"]) == ("completed", 1, 2, 0)
    assert sim.record.generations == 2
    refused, blank = body["errors"]
    assert (refused["task_id"], refused["code"], refused["retryable"]) == (
        f"{batch_id}_task_1", "content_policy_violation", False,
    )  # fmt: skip
    assert "refused" in refused["error"]
    assert (blank["task_id"], blank["code"]) == (f"{batch_id}_task_2", "bad_request")
    zh = await status(http, batch_id, headers={"accept-language": "zh-CN"})
    assert "拒绝" in zh["errors"][0]["error"]
    sim.google.clear()
    sim.google.images(cheap=True)
    assert (await steered(http, batch_id, "retry"))["pending"] == 2
    body = await until_status(http, batch_id)
    assert (body["completed"], body["failed"]) == (2, 1)
    assert sim.record.generations == 3
    await steered(http, batch_id, "retry")
    assert (await until_status(http, batch_id))["failed"] == 1


async def test_a_batch_of_which_nothing_was_made_has_failed(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.refuse("", "refusal")
    assert (await until_status(http, (await ordered(http, prompts=["a"]))["batch_id"]))["status"] == "failed"


async def events_of(http: aiohttp.ClientSession, batch_id: str, **more: Any) -> list[tuple[str, str, Any]]:
    """All events until the stream ends: (id, name, data)."""
    found: list[tuple[str, str, Any]] = []
    async with http.get(f"/v1/batch/{batch_id}/events", **more) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for block in (await answer.text()).split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in lines:
                found.append((lines.get("id", ""), lines["event"], json.loads(lines["data"])))
    return found


async def test_progress_is_told_as_it_happens_and_can_be_taken_up_again(
    http: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.google.reply("p", "", image=Painting(), delay=0.1)
    sim.google.refuse("p3", "refusal")
    batch_id = (await ordered(http, prompts=[f"p{n}" for n in range(6)]))["batch_id"]
    told = await events_of(http, batch_id)
    results = [(number, name, data["task_id"]) for number, name, data in told if name != "status"]
    assert [number for number, _, _ in results] == [str(n) for n in range(1, 7)]
    assert sorted(name for _, name, _ in results) == ["failure", *["result"] * 5]
    assert {task for _, _, task in results} == {f"{batch_id}_task_{n}" for n in range(6)}
    states = [data for _, name, data in told if name == "status"]
    assert len(states) > 2
    assert [state["completed"] for state in states] == sorted(state["completed"] for state in states)
    assert (states[-1]["status"], states[-1]["progress"]) == ("completed", "5/6")
    again = await events_of(http, batch_id, headers={"Last-Event-ID": "4"})
    assert [number for number, name, _ in again if name != "status"] == ["5", "6"]


async def test_the_archive_holds_every_image_and_says_what_is_missing(
    http: aiohttp.ClientSession, sim: Simulator, gate: Served
) -> None:
    sim.google.refuse("celebrity", "refusal")
    batch_id = (await ordered(http, prompts=["draw a cat", "a celebrity", "=1+1", "draw a dog"]))["batch_id"]
    body = await until_status(http, batch_id)
    gone = body["results"][2]["url"].partition("/images/")[2]
    await gate.service.blobs.delete(["images/" + gone])
    async with http.get(f"/v1/batch/{batch_id}/archive") as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/zip"
        assert f'filename="{batch_id}.zip"' in answer.headers["content-disposition"]
        assert "content-length" not in answer.headers
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["batch_id"], manifest["total"], manifest["status"]) == (batch_id, 4, "completed")
    cat, celebrity, formula, dog = manifest["tasks"]
    assert [task["status"] for task in manifest["tasks"]] == ["done", "failed", "done", "done"]
    assert hashlib.sha256(archive.read(cat["file"])).hexdigest() == cat["sha256"]
    assert cat["file"].startswith("00001_")
    assert (celebrity["code"], dog["file"], dog["prompt"]) == ("content_policy_violation", "", "draw a dog")
    assert len(archive.namelist()) == 4
    rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert [row["task_id"] for row in rows] == [task["task_id"] for task in manifest["tasks"]]
    assert rows[2]["prompt"] == "'=1+1", "no spreadsheet may run a prompt"
    assert rows[2]["file"] == formula["file"]


async def test_the_end_is_told_to_the_webhook_signed_and_again_until_it_is_taken(
    http: aiohttp.ClientSession, gate: Served
) -> None:
    heard: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        heard.append((dict(request.headers), await request.read()))
        return web.Response(status=500 if len(heard) == 1 else 204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    gate.service.jobs.webhook_sender.sender = GuardedSender(allowed=lambda address: True)
    try:
        hook = {"url": f"http://127.0.0.1:{port}/hook", "secret": "shared secret"}
        batch_id = (await ordered(http, prompts=["a"], webhook=hook))["batch_id"]
        await until_status(http, batch_id)
        await until(lambda: len(heard) >= 2)
        await asyncio.sleep(0.3)
    finally:
        await runner.cleanup()
    assert len(heard) == 2
    (first, body), (second, again) = heard
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]
    told = json.loads(body)
    assert told["type"] == "batch.completed"
    assert told["data"]["batch_id"] == batch_id
    assert told["data"]["completed"] == 1
    expected = signature("shared secret", second["webhook-id"], second["webhook-timestamp"], body)
    assert second["webhook-signature"] == expected
    batch = await gate.service.jobs.store.get(None, batch_id)
    assert batch is not None
    assert batch.hook.outcome == "delivered"
    assert "shared secret" not in batch.hook.secret
    assert "secret" not in json.dumps(await status(http, batch_id))


async def test_a_webhook_to_a_private_address_is_given_up(http: aiohttp.ClientSession, gate: Served) -> None:
    """A name that points at this machine passes the order and is caught by its address when it is called."""
    batch_id = (await ordered(http, prompts=["a"], webhook="http://localhost:9/x"))["batch_id"]
    await until_status(http, batch_id)
    async with asyncio.timeout(PATIENCE):
        while not (batch := await gate.service.jobs.store.get(None, batch_id)).hook.outcome:  # type: ignore[union-attr]
            await asyncio.sleep(0.05)
    assert batch is not None
    assert batch.hook.outcome.startswith("given up")
    assert batch.hook.tries == 3


async def test_ten_thousand_prompts_are_ordered_at_once_and_their_status_stays_cheap(
    http: aiohttp.ClientSession, gate: Served, sim: Simulator
) -> None:
    await steered_off(gate)
    created = await ordered(http, prompts=[f"prompt number {n}" for n in range(10_000)])
    assert created["total"] == 10_000
    began = time.process_time()  # of gateway and caller: others that want the processor do not count
    for _ in range(50):
        body = await status(http, created["batch_id"])
    each = (time.process_time() - began) / 50
    assert (body["pending"], body["results"]) == (10_000, [])
    assert each < 0.25
    print(f"status of 10,000 tasks: {each * 1e3:.1f} ms")
    assert (await steered(http, created["batch_id"], "cancel"))["cancelled"] == 10_000


async def steered_off(gate: Served) -> None:
    """No account takes a call from now on."""
    for account in gate.service.pool.accounts:
        account.pause(True)


async def test_while_nobody_can_work_it_waits_and_says_why(
    http: aiohttp.ClientSession, gate: Served, sim: Simulator
) -> None:
    await steered_off(gate)
    batch_id = (await ordered(http, prompts=["a", "b"]))["batch_id"]
    await asyncio.sleep(0.5)
    body = await status(http, batch_id)
    assert (body["status"], body["pending"]) == ("processing", 2)
    assert "paused by hand" in body["waiting_for"]
    (task, _) = await gate.service.jobs.store.tasks(batch_id)
    assert (task.attempt, task.failures) == (0, 0), "nothing is claimed while no account could take it"
    for account in gate.service.pool.accounts:
        account.pause(False)
    assert (await until_status(http, batch_id))["completed"] == 2


async def test_unknown_batches_are_404_everywhere(http: aiohttp.ClientSession) -> None:
    for path in ("status", "events", "archive"):
        async with http.get(f"/v1/batch/batch_00000000/{path}") as answer:
            assert answer.status == 404
            assert "batch_00000000" in (await answer.json())["detail"]
    for verb in ("cancel", "pause", "resume", "retry"):
        await steered(http, "batch_00000000", verb, expect=404)
    async with http.get("/v1/batch/batch_00000000/nonsense") as answer:
        assert answer.status == 404


async def test_an_answer_with_several_images_gives_one(http: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.google.reply("twins", lambda _: Answer("Here.", images=(Painting(), Painting())))
    body = await until_status(http, (await ordered(http, prompts=["twins"]))["batch_id"])
    assert len(body["results"]) == 1
