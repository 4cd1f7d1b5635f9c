"""A request can be explained from its record alone: over the API, by whoever may, without a word of what was said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate_simulator import Simulator
from tests.support.explained import JSON, MODEL, ask, explained
from tests.support.patience import until
from tests.support.serving import Served, served, settings_for

SECRET_WORDS = "xylophone-canary-4711"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("work", "home")) as simulator:
        yield simulator


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(two_accounts(sim, tmp_path)) as running:
        await until(lambda: all(account.is_open for account in running.service.pool.accounts))
        yield running


def two_accounts(sim: Simulator, folder: Path, **more: Any) -> Any:
    lines = []
    for name in ("work", "home"):
        header = "; ".join(f"{key}={value}" for key, value in sim.google.cookies(name).items())
        (folder / f"{name}.txt").write_text(header)
        lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.txt"\n')
    (folder / "accounts.toml").write_text("\n".join(lines))
    return settings_for(None, folder, proxy_url=sim.proxy_url, proxy_ca_file=sim.ca_file, **more)


async def test_a_request_that_failed_over_replayed_and_was_repaired_tells_its_story(
    gate: Served, sim: Simulator
) -> None:
    answers = iter(['{"n": 1}', f'{{"n": "{SECRET_WORDS}"}}', '{"n": 2}'])
    sim.google.reply(".", lambda prompt: next(answers))
    async with aiohttp.ClientSession(gate.url) as http:
        first = f"first {SECRET_WORDS}"
        status, request_id, body = await ask(http, [first], response_format=JSON)
        assert status == 200
        one = (await explained(http, request_id))["account"]
        other = {"work": "home", "home": "work"}[one]
        sim.google.fault("generate", "code", code=1037, account=one)
        said = [first, body["choices"][0]["message"]["content"], f"second {SECRET_WORDS}"]
        status, request_id, body = await ask(http, said, response_format=JSON, temperature=0.5)
        assert (status, body["choices"][0]["message"]["content"]) == (200, '{"n": 2}')
        told = await explained(http, request_id)

    assert [(a["account"], a["why"], a["outcome"], a["generated"], a["reuse"]) for a in told["attempts"]] == [
        (one, "conversation", "failed", "no", "hit"),
        (other, "only", "answered", "yes", "replay"),
        (other, "conversation", "answered", "yes", "hit"),
    ]
    assert [a["then"] for a in told["attempts"]] == ["other_account", None, None]
    assert [a["prompt"] for a in told["attempts"]] == [1, 1, 2]
    assert told["attempts"][0]["error"]["kind"] == "spent"
    assert told["attempts"][1]["skipped"][0]["account"] == one
    assert told["repairs"] == ["json"]
    assert (told["generations"], sim.record.generations) == (2, 3)
    assert told["ignored"] == ["temperature"]
    assert told["messages"] == {"all": 3, "new": 1}
    assert told["model"] == {"asked": MODEL, "id": MODEL, "served": "3 Flash"}
    assert told["timings"]["total"] >= told["timings"]["upstream"] > 0
    english = " ".join(sentence["en"] for sentence in told["story"])
    steps = [
        f"Account {one} took it, because the conversation stands there",
        "usage limit is reached, before anything was generated",
        "safe to send it again, to another account",
        f"Account {one} had already failed this call",
        f"Account {other} took it, the only one that could; everything was told anew",
        "was not the JSON that was asked for, so the model was asked once more",
        "HTTP 200",
        "2 answers generated",
    ]
    places = [english.index(step) for step in steps]
    assert places == sorted(places), english
    chinese = "".join(sentence["zh"] for sentence in told["story"])
    assert "已达到使用上限，尚未生成任何内容" in chinese
    assert SECRET_WORDS not in json.dumps(told)


async def test_a_prompt_that_may_have_been_answered_is_not_sent_again_and_the_story_says_so(
    gate: Served, sim: Simulator
) -> None:
    sim.google.fault("generate", "code", code=1013)
    async with aiohttp.ClientSession(gate.url) as http:
        status, request_id, _ = await ask(http, [f"hello {SECRET_WORDS}"])
        told = await explained(http, request_id)
    assert status == told["status"] == 502
    assert [a["then"] for a in told["attempts"]] == ["maybe_generated"]
    assert told["generations"] == 1
    assert told["error"]["kind"] == "upstream"
    assert told["error"]["zh"] != told["error"]["en"]
    assert any("nothing is ever generated twice" in sentence["en"] for sentence in told["story"])
    assert SECRET_WORDS not in json.dumps(told)


async def test_what_a_stream_breaks_off_with_is_part_of_its_record(gate: Served, sim: Simulator) -> None:
    sim.google.reply("count", "one two three four five six", chars=3)
    sim.google.fault("generate", "code", code=1013, after_frames=6, finished=False)
    async with aiohttp.ClientSession(gate.url) as http:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "count"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            request_id = answer.headers["x-request-id"]
            assert b"error" in await answer.read()
        told = await explained(http, request_id)
    assert (told["status"], told["streamed"], told["in_band"]) == (200, True, True)
    assert told["error"]["kind"] == "upstream"
    assert [a["then"] for a in told["attempts"]] == ["spoken"]
    assert told["timings"]["first_byte"] <= told["timings"]["total"]


async def test_a_image_tells_where_its_time_went(gate: Served, sim: Simulator) -> None:
    async with aiohttp.ClientSession(gate.url) as http:
        body = {"prompt": f"a red boat {SECRET_WORDS}", "response_format": "url"}
        async with http.post("/v1/images/generations", json=body) as answer:
            assert answer.status == 200, await answer.text()
            request_id = answer.headers["x-request-id"]
        told = await explained(http, request_id)
    (image,) = told["pictures"]
    assert image["logo"] in ("removed", "absent", "kept")
    assert image["bytes"] > 1000
    timings = told["timings"]
    parts = ("queue", "upstream", "download", "logo", "store")
    assert sum(timings[part] for part in parts) <= timings["total"] + 0.05
    assert timings["download"] > 0
    assert timings["logo"] > 0
    assert any("was fetched" in sentence["en"] for sentence in told["story"])
    assert SECRET_WORDS not in json.dumps(told)


async def test_the_list_is_newest_first_has_filters_and_pages(gate: Served, sim: Simulator) -> None:
    sim.google.fault("generate", "code", code=1013, match="broken")
    async with aiohttp.ClientSession(gate.url) as http:
        ids = [(await ask(http, [f"say {number}"]))[1] for number in range(4)]
        ids.append((await ask(http, ["broken"]))[1])
        for _ in range(3):
            (await http.get("/health")).release()

        async def page(**query: str) -> dict[str, Any]:
            async with http.get("/api/requests", params=query) as answer:
                assert answer.status == 200, await answer.text()
                rows: dict[str, Any] = await answer.json()
                return rows

        every = await page()
        assert [row["id"] for row in every["requests"]] == ids[::-1]
        first = await page(limit="2")
        second = await page(limit="2", cursor=first["next_cursor"])
        third = await page(limit="2", cursor=second["next_cursor"])
        assert [row["id"] for p in (first, second, third) for row in p["requests"]] == ids[::-1]
        assert third["next_cursor"] is None
        assert [row["id"] for row in (await page(status="error"))["requests"]] == [ids[-1]]
        assert [row["id"] for row in (await page(status="502"))["requests"]] == [ids[-1]]
        assert len((await page(status="2xx", operation="chat.completions"))["requests"]) == 4
        by_account = [len((await page(account=name))["requests"]) for name in ("work", "home", "nobody")]
        assert sum(by_account) == 5
        assert by_account[2] == 0
        async with http.get("/api/requests", params={"status": "odd"}) as answer:
            assert answer.status == 400


async def test_a_key_sees_its_own_requests_only_and_no_account_names(sim: Simulator, tmp_path: Path) -> None:
    settings = two_accounts(sim, tmp_path, api_key="ann:ann-secret-1,ben:ben-secret-2", admin_key="admin-secret-3")
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        await until(lambda: all(account.is_open for account in gate.service.pool.accounts))
        sim.google.fault("generate", "code", code=1037, account="work", times=-1)
        sim.google.fault("generate", "code", code=1013, account="home", match="odd")
        for text in ("hello", "again", "odd"):
            _, request_id, _ = await ask(http, [text], "ann-secret-1")
            own = await explained(http, request_id, "ann-secret-1")
            assert own["key"] == "ann"
            assert '"work"' not in json.dumps(own)
            assert "account work" not in json.dumps(own).lower()
            assert "account home" not in json.dumps(own).lower()
            await explained(http, request_id, "ben-secret-2", status=404)
            everything = await explained(http, request_id, "admin-secret-3")
            assert everything["attempts"][-1]["account"] == "home"
            assert "secret" not in json.dumps(everything)
        await explained(http, request_id, "wrong-secret", status=401)
        async with http.get("/api/requests", headers={"authorization": "Bearer ann-secret-1"}) as answer:
            assert answer.status == 401


async def test_a_refused_key_and_a_limit_leave_a_record(sim: Simulator, tmp_path: Path) -> None:
    settings = two_accounts(
        sim, tmp_path, api_key="ann:ann-secret-1", admin_key="admin-secret-3", model_interval_seconds=60
    )
    async with served(settings) as gate, aiohttp.ClientSession(gate.url) as http:
        assert (await ask(http, ["hi"], "wrong-secret"))[0] == 401
        assert (await ask(http, ["hi"], "ann-secret-1"))[0] == 200
        status, request_id, _ = await ask(http, ["hi"], "ann-secret-1")
        assert status == 429
        told = await explained(http, request_id, "ann-secret-1")
        assert told["error"]["kind"] == "rate_limited"
        assert told["attempts"] == []
        record = [record for record in gate.service.recent.latest() if record.status == 401]
        assert len(record) == 1
