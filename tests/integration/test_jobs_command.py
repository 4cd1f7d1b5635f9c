"""`gemgate jobs` as a person types it, over the API of a gateway that runs: jobs of every kind, one set of commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from PIL import Image

from gemgate.cli import jobs
from gemgate_simulator import Painting, Simulator
from tests.support.batch_calls import QUICK, ordered
from tests.support.patience import PATIENCE, PATIENT, until
from tests.support.serving import Served, served, settings_for

SECONDS = 120


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.images(cheap=True)
        simulator.google.reply("fox", "", image=Painting())
        simulator.google.reply("river", "The Seine")
        simulator.google.reply("slow", "late", delay=100)
        simulator.google.refuse("celebrity", "refusal")
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    rules = replace(QUICK, media_look=1.0, research_look=1.0)
    async with served(settings_for(sim, tmp_path / "data", concurrency=4), job_rules=rules) as running:
        yield running


async def typed(gate: Served, folder: Path, *words: str, code: int = 0, lang: str = "C.UTF-8") -> str:
    """What `gemgate jobs` says to these words."""
    return await command(gate, folder, "jobs", *words, code=code, lang=lang)


async def command(gate: Served, folder: Path, *words: str, code: int = 0, lang: str = "C.UTF-8") -> str:
    environment = {**os.environ, "GEMGATE_URL": gate.url, "LC_ALL": lang, "COLUMNS": "200", "HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gemgate", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == code, (words, out.decode(), err.decode())
    return out.decode() + err.decode()


async def responses_batch(gate: Served, *inputs: str) -> str:
    url: Any = "/v1/responses"
    lines = [
        {"custom_id": f"line {number}", "method": "POST", "url": url, "body": {"input": text}}
        for number, text in enumerate(inputs)
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
        file = await client.files.create(file=("lines.jsonl", data), purpose="batch")
        batch = await client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
    return batch.id


@pytest.mark.timeout(600)
async def test_jobs_of_every_kind_are_listed_watched_fetched_retried_and_cancelled(
    gate: Served, sim: Simulator, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        pictures = (await ordered(http, prompts=["a fox", "a celebrity"]))["batch_id"]
    texts = await responses_batch(gate, "the river?", "which river?")

    events = [json.loads(row) for row in (await typed(gate, tmp_path, "watch", texts, "--json")).splitlines()]
    assert events[-1]["status"] == "completed"
    assert events[-1]["usage"]["output_tokens"] > 0
    said = await typed(gate, tmp_path, "watch", pictures, code=1, lang="zh_CN.UTF-8")
    assert "失败 1" in said
    assert "Google 拒绝" in said

    listed = json.loads(await typed(gate, tmp_path, "list", "--json"))
    assert {job["id"]: job["kind"] for job in listed["data"]} == {
        pictures: "images", texts: "responses",
    }  # fmt: skip
    only = json.loads(await typed(gate, tmp_path, "list", "--kind", "images", "--json"))
    assert [job["id"] for job in only["data"]] == [pictures]
    assert "任务" in await typed(gate, tmp_path, "list", lang="zh_CN.UTF-8")

    job = json.loads(await typed(gate, tmp_path, "show", pictures, "--json"))
    assert (job["completed"], job["failed"], job["own"]) == (1, 1, True)
    assert job["errors"][0]["task_id"].endswith("_task_1")

    fetched = json.loads(await typed(gate, tmp_path, "fetch", pictures, "-o", "foxes", "--json"))
    (picture,) = fetched["files"]
    assert Image.open(tmp_path / picture).size == (256, 256)
    await typed(gate, tmp_path, "fetch", texts, "-o", "answers")
    output = (tmp_path / "answers" / f"{texts}_output.jsonl").read_text("utf-8").splitlines()
    assert sorted(json.loads(row)["custom_id"] for row in output) == ["line 0", "line 1"]

    before = sim.record.generations
    again = json.loads(await typed(gate, tmp_path, "retry", pictures, "--json"))
    assert again["pending"] + again["running"] + again["failed"] == 1
    await typed(gate, tmp_path, "watch", pictures, code=1)
    assert sim.record.generations - before <= 1, "only what failed is asked again"

    slow = await responses_batch(gate, "slow one")
    gone = json.loads(await typed(gate, tmp_path, "cancel", slow, "--json"))
    assert gone["status"] in ("cancelling", "cancelled")
    assert "batch_0000" in await typed(gate, tmp_path, "show", "batch_0000", code=2)


async def test_texts_are_for_their_owner_and_an_admin_sees_how_it_stands(sim: Simulator, tmp_path: Path) -> None:
    keys = {"api_key": "ann:key-of-ann-0000,bob:key-of-bob-0000", "admin_key": "key-of-admin-00"}
    running = served(settings_for(sim, tmp_path, **keys), job_rules=QUICK)
    async with running as gate, aiohttp.ClientSession(gate.url) as http:
        said = {who: {"authorization": f"Bearer key-of-{who}"} for who in ("ann-0000", "bob-0000", "admin-00")}
        job = (await ordered(http, headers=said["ann-0000"], prompts=["a fox of mine"]))["batch_id"]
        async with asyncio.timeout(PATIENCE):
            while True:
                path = f"/api/jobs/{job}?wait=5"
                async with http.get(path, headers=said["ann-0000"]) as answer:
                    if (await answer.json())["status"] == "completed":
                        break
        told = {}
        for who, headers in said.items():
            told[who] = ""
            for path in (f"/api/jobs/{job}/results", f"/v1/batch/{job}/status", f"/api/jobs/{job}"):
                async with http.get(path, headers=headers) as answer:
                    told[who] += f"{answer.status} {await answer.text()}\n"
        assert "a fox of mine" in told["ann-0000"]
        assert [line[:3] for line in told["bob-0000"].splitlines()] == ["404"] * 3
        assert [f"There is no {what} {job}" in told["bob-0000"] for what in ("job", "batch")] == [True, True]
        assert [line[:3] for line in told["admin-00"].splitlines()] == ["200"] * 3
        assert "a fox of mine" not in told["admin-00"]
        async with http.get("/api/jobs", headers=said["admin-00"]) as answer:
            (row,) = (await answer.json())["data"]
        assert (row["id"], row["key"], row["own"]) == (job, "ann", False)


async def test_background_responses_and_image_calls_are_fetched_like_any_other(
    gate: Served, sim: Simulator, tmp_path: Path
) -> None:
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as client:
        response = await client.responses.create(model="gemini-3-flash-preview", input="the river?", background=True)
    async with aiohttp.ClientSession(gate.url) as http:
        asked = {"prompt": "a fox", "n": 2, "async": True}
        async with http.post("/v1/images/generations", json=asked) as answer:
            call = (await answer.json())["id"]
    for job in (response.id, call):
        await typed(gate, tmp_path, "watch", job)
    (written,) = json.loads(await typed(gate, tmp_path, "fetch", response.id, "-o", "said", "--json"))["files"]
    said = openai.types.responses.Response.model_validate_json((tmp_path / written).read_text("utf-8"))
    assert (said.id, said.status, said.output_text) == (response.id, "completed", "The Seine")
    pictures = json.loads(await typed(gate, tmp_path, "fetch", call, "-o", "foxes", "--json"))["files"]
    assert [Image.open(tmp_path / one).size for one in pictures] == [(256, 256)] * 2
    shown = json.loads(await typed(gate, tmp_path, "show", call, "--json"))
    assert (shown["kind"], shown["prompts_sent"]) == ("image_call", 2)
    assert 0 <= shown["seconds"] < SECONDS
    assert "2 prompts sent to Google" in await typed(gate, tmp_path, "show", call)
    only = json.loads(await typed(gate, tmp_path, "list", "--kind", "response", "--status", "completed", "--json"))
    assert [(job["id"], job["prompts_sent"]) for job in only["data"]] == [(response.id, 1)]
    assert not json.loads(await typed(gate, tmp_path, "list", "--status", "failed", "--json"))["data"]
    assert "'queued', 'processing'" in await typed(gate, tmp_path, "list", "--status", "asleep", code=2)
    assert sim.record.generations == 3


async def test_calls_under_a_key_and_interactions_are_fetched_too(gate: Served, tmp_path: Path) -> None:
    call = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "the river?"}]}
    async with aiohttp.ClientSession(gate.url) as http:
        async with http.post("/v1/chat/completions", json=call, headers={"idempotency-key": "k"}) as answer:
            keyed = answer.headers["x-gemgate-task"]
        asked = {"model": "gemini-3-flash-preview", "input": "which river?", "background": True}
        async with http.post("/v1beta/interactions", json=asked) as answer:
            interaction = (await answer.json())["id"]
    await typed(gate, tmp_path, "watch", interaction)
    for job in (keyed, interaction):
        (written,) = json.loads(await typed(gate, tmp_path, "fetch", job, "-o", job, "--json"))["files"]
        assert "The Seine" in (tmp_path / written).read_text("utf-8")


async def test_an_image_is_ordered_from_the_terminal_and_fetched_later_or_waited_for(
    gate: Served, sim: Simulator, tmp_path: Path
) -> None:
    said = await command(gate, tmp_path, "image", "a fox", "-n", "2", "--async", "-o", "foxes")
    job = said.split()[0]
    assert job.startswith("imgtask_")
    assert f"gemgate jobs fetch {job} -o foxes" in said
    await typed(gate, tmp_path, "watch", job)
    await typed(gate, tmp_path, "fetch", job, "-o", "foxes")
    first, _ = sorted((tmp_path / "foxes").iterdir())
    said = await command(
        gate, tmp_path, "edit", f"foxes/{first.name}", "a fox at night", "--wait", "-o", "night", lang="zh_CN.UTF-8"
    )
    assert said.startswith("night/00001_")
    (made,) = (tmp_path / "night").iterdir()
    assert Image.open(made).size == (256, 256)
    assert [[file.data for file in call.files] for call in sim.record.calls][2:] == [[first.read_bytes()]]
    said = await command(gate, tmp_path, "image", "a celebrity", "--wait", "-o", "nothing", code=1)
    assert "refused" in said
    assert sim.record.generations == 4


@pytest.mark.timeout(600)
async def test_what_waits_for_a_person_ends_with_three_and_is_gone_on_with(gate: Served, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a fox\n")
    (account,) = gate.service.pool.accounts
    account.pause(True)
    run = ("batch", "run", "prompts.txt", "-o", "foxes")
    said = await command(gate, tmp_path, *run, "--patience", "0", code=3)
    assert "waits for a person, and nothing is lost" in said
    assert "paused by hand" in said
    async with aiohttp.ClientSession(gate.url) as http, http.get("/api/jobs") as answer:
        (job,) = (await answer.json())["data"]
    assert job["pending"] == 1
    said = await typed(gate, tmp_path, "watch", job["id"], "--patience", "0", code=3, lang="zh_CN.UTF-8")
    assert f"{job['id']} 需要人工处理" in said
    assert json.loads(await typed(gate, tmp_path, "show", job["id"], "--json"))["needs_person"] is True
    account.pause(False)
    await command(gate, tmp_path, *run, "--patience", "0")
    assert len(list((tmp_path / "foxes").iterdir())) == 1
    assert "needs_person" not in json.loads(await typed(gate, tmp_path, "show", job["id"], "--json"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "prompt", "lang"),
    [
        ("video", "an owl flies", "C.UTF-8"),
        ("music", "a quiet waltz", "zh_CN.UTF-8"),
        ("research", "why owls hoot", "C.UTF-8"),
    ],
)
async def test_whatever_is_made_waits_for_a_person_as_jobs_do(
    kind: str, prompt: str, lang: str, gate: Served, sim: Simulator, tmp_path: Path
) -> None:
    """The account is paused while Google is at work; the commands that are named bring the file later."""
    sim.google.videos(looks=1)
    sim.google.music(looks=1, seconds=2.0)
    sim.google.research(looks=1)
    (account,) = gate.service.pool.accounts
    words = (kind, prompt, "--patience", "0", "--json")
    waiting = asyncio.create_task(command(gate, tmp_path, *words, code=3, lang=lang))
    await until(lambda: waiting.done() or sim.record.generations, PATIENT)
    account.pause(True)
    said = await waiting
    told, end = json.JSONDecoder().raw_decode(said)
    assert ("已手动暂停" if lang.startswith("zh") else "paused by hand") in told["waiting_for"]
    assert told["needs_person"] is True
    assert told["id"] in said[end:], "the sentence for people names it as well"
    found = re.search(r"gemgate jobs watch (\S+); gemgate jobs fetch \1 -o (\S+)", said)
    assert found is not None, said
    account.pause(False)
    await typed(gate, tmp_path, "watch", found[1])
    await typed(gate, tmp_path, "fetch", found[1], "-o", found[2])
    assert any(path.stat().st_size for path in (tmp_path / found[2]).iterdir())


@pytest.mark.timeout(600)
async def test_a_script_is_told_of_what_waits_for_a_person(gate: Served, tmp_path: Path) -> None:
    """The same object from whatever waits: the job's id, why, and that it needs a person."""
    (tmp_path / "prompts.txt").write_text("a fox\n")
    Image.new("RGB", (8, 8)).save(tmp_path / "fox.png")
    (account,) = gate.service.pool.accounts
    account.pause(True)
    for words in (
        ("image", "a fox", "--wait"),
        ("edit", "fox.png", "a fox at night", "--wait"),
        ("batch", "run", "prompts.txt", "-o", "foxes"),
    ):
        said = await command(gate, tmp_path, *words, "--patience", "0", "--json", code=3)
        told, end = json.JSONDecoder().raw_decode(said)
        assert told["needs_person"] is True, words
        assert "paused by hand" in told["waiting_for"], words
        assert told["id"] in said[end:], "the sentence for people names it as well"
        shown = json.loads(await typed(gate, tmp_path, "show", told["id"], "--json"))
        assert shown["needs_person"] is True
        said = await typed(gate, tmp_path, "watch", told["id"], "--patience", "0", "--json", code=3)
        assert [json.loads(line)["needs_person"] for line in said.splitlines() if line.startswith("{")] == [True]


def test_patience_ends_only_where_nothing_goes_on_without_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now[0])
    waits = jobs.Patience(10)
    for at, told, over in ((0, True, False), (9, True, False), (10, False, False), (12, True, False), (22, True, True)):
        now[0] = 100.0 + at
        waits.hears({"needs_person": True} if told else {})
        assert waits.is_over is over, at
