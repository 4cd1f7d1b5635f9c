"""The ledger and budgets over real sockets: what every kind of call comes to, and what is refused, in each dialect."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from gemgate.assembly.node import open_service
from gemgate.caller import NO_BUDGET, Cost
from gemgate_simulator import Simulator
from tests.support.batch_calls import QUICK
from tests.support.patience import PATIENCE
from tests.support.serving import Served, served, settings_for

FLASH = "gemini-3-flash-preview"
ADMIN = {"authorization": "Bearer admin-key-of-sixteen"}


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    settings = settings_for(
        sim, tmp_path, api_key="blog:secret-blog,shop:secret-shop", admin_key="admin-key-of-sixteen"
    )
    async with served(settings, job_rules=QUICK) as running:
        yield running


@pytest.fixture
async def http(gate: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(gate.url) as session:
        yield session


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer secret-{name}"}


async def usage(http: aiohttp.ClientSession, **query: str) -> list[dict[str, Any]]:
    async with http.get("/api/usage", params=query, headers=ADMIN) as answer:
        assert answer.status == 200, await answer.text()
        rows: list[dict[str, Any]] = (await answer.json())["rows"]
        return rows


async def post(http: aiohttp.ClientSession, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, Any]:
    async with http.post(path, json=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.text()), answer.headers


def chat(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": FLASH, "messages": [{"role": "user", "content": text}], **more}


async def test_every_kind_of_call_is_in_the_ledger(http: aiohttp.ClientSession, gate: Served, sim: Simulator) -> None:
    sim.google.videos(looks=0, seconds=1.0, nbytes=100_000)
    blog, shop = key("blog"), key("shop")
    assert (await post(http, "/v1/chat/completions", chat(), blog))[0] == 200
    async with http.post("/v1/chat/completions", json=chat(stream=True), headers=blog) as streamed:
        await streamed.read()
    message = {"model": FLASH, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
    assert (await post(http, "/v1/messages", message, shop))[0] == 200
    contents = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert (await post(http, f"/v1beta/models/{FLASH}:generateContent", contents, shop))[0] == 200
    assert (await post(http, "/v1/images/generations", {"prompt": "a fox", "n": 2}, blog))[0] == 200
    status, _, _ = await post(http, "/v1/chat/completions", chat(), blog | {"idempotency-key": "once"})
    assert status == 200
    status, _, _ = await post(http, "/v1/chat/completions", chat(), blog | {"idempotency-key": "once"})
    assert status == 200  # nothing is made, and no call is counted
    _, background, _ = await post(http, "/v1/responses", {"model": FLASH, "input": "hi", "background": True}, shop)
    _, batch, _ = await post(http, "/v1/batch/images", {"prompts": ["one", "two", "three"]}, blog)
    _, video, _ = await post(http, "/v1/videos", {"prompt": "a fox runs"}, shop)
    for job in (background["id"], batch.get("batch_id") or batch["id"], video["id"]):
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(f"/api/jobs/{job}", headers=ADMIN) as answer:
                    if (await answer.json())["status"] in ("completed", "failed"):
                        break
                await asyncio.sleep(0.05)
    wanted = {
        ("blog", "openai", "chat", "ok"): (3, 0, 0),
        ("blog", "openai", "image", "ok"): (1, 2, 0),
        ("blog", "simple", "batch_image", "ok"): (3, 3, 0),
        ("shop", "anthropic", "chat", "ok"): (1, 0, 0),
        ("shop", "gemini", "chat", "ok"): (1, 0, 0),
        ("shop", "openai", "background_chat", "ok"): (1, 0, 0),
        ("shop", "openai", "video", "ok"): (1, 0, 1),
    }
    found: dict[tuple[str, ...], tuple[int, int, int]] = {}
    async with asyncio.timeout(PATIENCE):
        while found != wanted:  # a job's end is seen in the database before its process knows of it
            rows = await usage(http, by="key,dialect,kind,outcome")
            names, amounts = ("key", "dialect", "kind", "outcome"), ("calls", "images", "videos")
            found = {tuple(row[n] for n in names): tuple(row[n] for n in amounts) for row in rows if row["calls"]}
    (total,) = await usage(http, by="")
    assert total["generations"] == sim.record.generations
    assert total["bytes"] > 100_000
    assert {row["account"] for row in await usage(http, by="account")} == {"default"}
    assert all(row["served"] for row in await usage(http, by="served", kind="chat"))


async def test_a_table_for_spreadsheets_and_questions_that_are_none(http: aiohttp.ClientSession) -> None:
    await post(http, "/v1/chat/completions", chat(), key("blog"))
    async with http.get("/api/usage?by=model,key", headers=ADMIN | {"accept": "text/csv"}) as answer:
        (head, row) = csv.reader(io.StringIO(await answer.text()))
    assert head[:3] == ["key", "model", "calls"]
    assert row[:3] == ["blog", FLASH, "1"]
    for query in ("by=prompt", "from=yesterday", "by=hour&from=2026-01-01&to=2026-06-01", "to=9999-99-99"):
        async with http.get(f"/api/usage?{query}", headers=ADMIN) as answer:
            assert answer.status == 400
    async with http.get("/api/usage", headers=key("blog")) as answer:
        assert answer.status == 401


async def test_the_commands_ask_the_gateway_that_is_named(
    http: aiohttp.ClientSession, gate: Served, tmp_path: Path
) -> None:
    """GEMGATE_URL is the same gateway for every command, and not the database of the folder that is typed in."""
    await post(http, "/v1/chat/completions", chat(), key("blog"))
    await post(http, "/v1/chat/completions", chat(), key("shop"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    async def typed(*words: str, **more: str) -> tuple[int, str, str]:
        names = {"GEMGATE_URL": gate.url, "ADMIN_KEY": "admin-key-of-sixteen", "DATA_DIR": str(elsewhere), **more}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gemgate", *words),
            env={**os.environ, "LANG": "C.UTF-8", **names},
            cwd=elsewhere,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, wrong = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), wrong.decode()

    status, said, wrong = await typed("usage", "--by", "key", "--json")
    assert status == 0, wrong
    assert [row["key"] for row in json.loads(said)["rows"]] == ["blog", "shop"]
    status, said, _ = await typed("usage", "--by", "key", "--of-key", "shop", "--csv")
    assert (status, [row["key"] for row in csv.DictReader(io.StringIO(said))]) == (0, ["shop"])
    status, said, wrong = await typed("accounts", "list", "--json")
    assert status == 0, wrong
    assert [one["name"] for one in json.loads(said)["accounts"]] == ["default"]
    status, _, wrong = await typed("usage", ADMIN_KEY="another-key-of-sixteen")
    assert status != 0
    assert "admin key is wrong" in wrong
    assert not list(elsewhere.glob("*.sqlite3"))
    for own in (
        {},
        {"API_KEY": "blog:secret-blog"},
        {"API_KEY": "blog:secret-blog", "ADMIN_KEY": "of-this-folder-alone"},
    ):
        status, said, wrong = await typed("usage", "--json", **{"GEMGATE_URL": "", "ADMIN_KEY": "", **own})
        assert (status, json.loads(said)["rows"]) == (0, []), wrong


async def test_a_key_reads_its_own_numbers_by_the_official_sdk(gate: Served, http: aiohttp.ClientSession) -> None:
    for name in ("blog", "blog", "shop"):
        await post(http, "/v1/chat/completions", chat(), key(name))
    await post(http, "/v1/images/generations", {"prompt": "a fox"}, key("blog"))
    now = int(gate.service.clock.now())
    async with openai.AsyncOpenAI(
        base_url=gate.url + "/v1", api_key="secret-blog", admin_api_key="secret-blog", max_retries=0
    ) as client:
        page = await client.admin.organization.usage.completions(
            start_time=now - 3600, bucket_width="1h", group_by=["model"]
        )
        (result,) = [result for bucket in page.data for result in bucket.results]
        assert (result.num_model_requests, result.model) == (2, FLASH)  # type: ignore[union-attr]
        assert result.input_tokens > 0  # type: ignore[union-attr]
        images = await client.admin.organization.usage.images(start_time=now - 86_400)
        (painted,) = [result for bucket in images.data for result in bucket.results]
        assert painted.images == 1  # type: ignore[union-attr]
        first = await client.admin.organization.usage.completions(start_time=now - 5 * 86_400, limit=2)
        assert (len(first.data), first.has_more) == (2, True)
        assert first.next_page
        with pytest.raises(openai.BadRequestError):
            await client.admin.organization.usage.completions(start_time=now, bucket_width="1m")


async def made(http: aiohttp.ClientSession, name: str, **budget: int) -> tuple[str, dict[str, str]]:
    status, body, _ = await post(http, "/api/keys", {"name": name, "budget": budget}, ADMIN)
    assert status == 201
    assert body["budget"] == budget
    return body["id"], {"authorization": f"Bearer {body['key']}"}


async def test_a_used_up_budget_is_refused_in_every_dialect(http: aiohttp.ClientSession, sim: Simulator) -> None:
    key_id, kim = await made(http, "kim", calls_per_day=1)
    status, _, headers = await post(http, "/v1/chat/completions", chat(), kim)
    assert status == 200
    assert headers["x-gemgate-budget"].startswith("key;calls_per_day;limit=1;left=0;reset=")
    contents = {"contents": [{"parts": [{"text": "hi"}]}]}
    message = {"model": FLASH, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
    refused = {
        "/v1/chat/completions": (chat(), lambda e: e["error"]["code"] == e["error"]["type"] == "insufficient_quota"),
        "/v1/responses": ({"model": FLASH, "input": "hi"}, lambda e: e["error"]["code"] == "insufficient_quota"),
        "/v1/messages": (message, lambda e: e["error"]["type"] == "rate_limit_error"),
        f"/v1beta/models/{FLASH}:generateContent": (
            contents,
            lambda e: e["error"]["status"] == "RESOURCE_EXHAUSTED" and "QuotaFailure" in json.dumps(e),
        ),
        "/v1/generate": ({"prompt": "hi"}, lambda e: e["code"] == "insufficient_quota"),
        "/v1/images/generations": ({"prompt": "a fox"}, lambda e: e["error"]["code"] == "insufficient_quota"),
        "/v1/videos": ({"prompt": "a fox"}, lambda e: e["error"]["code"] == "insufficient_quota"),
    }
    for path, (body, fits) in refused.items():
        status, told, headers = await post(http, path, body, kim)
        assert status == 429, (path, told)
        assert fits(told), (path, told)
        assert int(headers["retry-after"]) > 0
        assert "left=0" in headers["x-gemgate-budget"]
    async with http.post("/v1/chat/completions", json=chat(stream=True), headers=kim) as answer:
        assert answer.status == 429
    assert sim.record.generations == 1
    async with http.patch(f"/api/keys/{key_id}", json={"budget": {"calls_per_day": 2}}, headers=ADMIN) as answer:
        assert (await answer.json())["budget"] == {"calls_per_day": 2}
    assert (await post(http, "/v1/chat/completions", chat(), kim))[0] == 200
    async with http.patch("/api/keys/key_none", json={"budget": {}}, headers=ADMIN) as answer:
        assert answer.status == 404
    async with http.patch(f"/api/keys/{key_id}", json={"budget": {"calls_per_day": -1}}, headers=ADMIN) as answer:
        assert answer.status == 400


async def test_images_are_counted_before_they_are_made(http: aiohttp.ClientSession, sim: Simulator) -> None:
    _, kim = await made(http, "kim", images_per_day=3)
    body = {"prompt": "a fox", "n": 2}
    first, second, third = await asyncio.gather(*(post(http, "/v1/images/generations", body, kim) for _ in range(3)))
    assert sorted(one[0] for one in (first, second, third)) == [200, 429, 429]
    assert (await post(http, "/v1/images/generations", {"prompt": "a fox"}, kim))[0] == 200
    assert (await post(http, "/v1/images/generations", {"prompt": "a fox"}, kim))[0] == 429
    assert (await post(http, "/v1/chat/completions", chat(), kim))[0] == 200
    assert sim.record.generations == 4
    rows = await usage(http, by="outcome", key="kim", kind="image")
    assert {row["outcome"]: row["calls"] for row in rows} == {"ok": 2, "insufficient_quota": 3}


async def test_a_batch_waits_for_its_budget(http: aiohttp.ClientSession, sim: Simulator, gate: Served) -> None:
    _, kim = await made(http, "kim", images_per_day=2)
    _, batch, _ = await post(http, "/v1/batch/images", {"prompts": ["one", "two", "three", "four"]}, kim)
    job = batch.get("batch_id") or batch["id"]

    async def state() -> dict[str, Any]:
        async with http.get(f"/api/jobs/{job}", headers=ADMIN) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async with asyncio.timeout(PATIENCE):
        while (await state())["completed"] < 2 or (await state())["running"]:
            await asyncio.sleep(0.05)
    assert (await state())["failed"] == 0
    assert sim.record.generations == 2


async def test_calls_at_once(http: aiohttp.ClientSession, sim: Simulator) -> None:
    _, kim = await made(http, "kim", at_once=1)
    sim.google.fault("generate", "stall", after_frames=1, seconds=5.0)
    async with http.post("/v1/chat/completions", json=chat(stream=True), headers=kim) as slow:
        status, told, headers = await post(http, "/v1/chat/completions", chat(), kim)
        assert (status, told["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "at_once;limit=1;left=0" in headers["x-gemgate-budget"]
        await slow.read()
    async with asyncio.timeout(PATIENCE):
        while (await post(http, "/v1/chat/completions", chat(), kim))[0] != 200:
            await asyncio.sleep(0.05)


async def test_what_ends_with_the_gateway_is_settled(tmp_path: Path) -> None:
    settings = settings_for(None, tmp_path, key_budget="images_per_day=3")
    async with open_service(settings) as service:
        await service.budgets.take("t1", "kim", None, Cost(images=2), at_once=False)
        await service.stop()
        service.budgets.settle("t1", Cost(), over=True)
    async with open_service(settings) as again:
        assert [one.remaining for one in (await again.budgets.standing({"kim": NO_BUDGET}))["kim"]] == [3]
