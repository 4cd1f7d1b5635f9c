"""What one key made is not there for another: asked of every operation that takes an id, whichever kind made it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.web.routes import all_operations
from gemgate_simulator import Simulator
from tests.support.batch_calls import QUICK
from tests.support.serving import served, settings_for

ANN, BEN = {"authorization": "Bearer secret-a"}, {"authorization": "Bearer secret-b"}
IDS = frozenset(
    {
        *("response_id", "interaction_id", "task_id", "music_id", "video_id", "batch_id", "job_id", "file_id"),
        *("operation_id", "conversation_id", "id", "request_id"),
    }
)
"""Parameters that name what a key has made."""
OTHERS = frozenset({"model", "name", "what"})
"""Parameters that are nobody's."""
LINE = b"""{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions",
"body": {"messages": [{"role": "user", "content": "x"}]}}""".replace(b"\n", b" ")


async def _form(http: aiohttp.ClientSession, data: bytes, purpose: str) -> str:
    form = aiohttp.FormData({"purpose": purpose})
    form.add_field("file", data, filename="a.jsonl", content_type="application/octet-stream")
    async with http.post("/v1/files", data=form, headers=ANN) as answer:
        return str((await answer.json())["id"])


async def made(http: aiohttp.ClientSession) -> dict[str, str]:
    """One of each kind of thing, Ann's, by its kind."""

    async def post(path: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        async with http.post(path, json=body, headers=ANN) as answer:
            assert answer.status in (200, 202), (path, await answer.text())
            return await answer.json(), answer.headers["x-request-id"]

    file = await _form(http, b"words of Ann", "user_data")
    lines = await _form(http, LINE, "batch")
    model = "gemini-3-flash-preview"
    chat, request = await post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})
    things = {
        "response": (await post("/v1/responses", {"input": "x"}))[0]["id"],
        "response in the background": (await post("/v1/responses", {"input": "x", "background": True}))[0]["id"],
        "interaction": (await post("/v1beta/interactions", {"input": "x", "model": model}))[0]["id"],
        "interaction in the background": (
            await post("/v1beta/interactions", {"input": "x", "model": model, "background": True})
        )[0]["id"],
        "task": (await post("/v1/images/generations", {"prompt": "a fox", "async": True}))[0]["id"],
        "video": (await post("/v1/videos", {"prompt": "a fox"}))[0]["id"],
        "music": (await post("/v1/music", {"prompt": "a fox"}))[0]["id"],
        "batch": (await post("/v1/batch/images", {"prompts": ["a fox"]}))[0]["batch_id"],
        "batch of lines": (
            await post(
                "/v1/batches",
                {"input_file_id": lines, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
            )
        )[0]["id"],
        "file": file,
        "file, in Google's words": file.removeprefix("file-"),
        "request": request,
    }
    assert chat["id"]
    await post("/v1/images/generations", {"prompt": "a fox", "response_format": "url"})
    async with http.get("/api/gallery", headers=ANN) as answer:
        things["image"] = (await answer.json())["pictures"][0]["id"]
    async with http.get("/conversations", headers=ANN) as answer:
        things["conversation"] = (await answer.json())["conversations"][0]["conversation_id"]
    return things


def places() -> list[tuple[str, str]]:
    """Methods and paths of what a client's key may call, with an id of such a thing in it as `{}`."""
    found = []
    for one in all_operations():
        names = re.findall(r"{(\w+)(?::path)?}", one.path)
        if one.level != "client" or one.group == "pairing" or not names:
            continue
        assert set(names) <= IDS | OTHERS, f"{one.path}: say what the new parameter names"
        if not IDS.isdisjoint(names):
            path = re.sub(r"{(?:model|name|what)(?::path)?}", "gemini-3-flash-preview", one.path)
            found.append((one.method, re.sub(r"{\w+}", "{}", path)))
    return found


@pytest.mark.timeout(180)
async def test_what_one_key_made_is_not_there_for_another(tmp_path: Path) -> None:
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.images(cheap=True)
        settings = settings_for(sim, tmp_path, api_key="ann:secret-a,ben:secret-b", recent_requests=5_000)
        async with served(settings, job_rules=QUICK) as gate, aiohttp.ClientSession(gate.url) as http:
            things = await made(http)
            open_to_ben, asked, known = [], 0, set()
            for method, path in places():
                if method == "GET" and not path.endswith("/events"):
                    for kind, thing in things.items():
                        async with http.get(path.format(thing), headers=ANN) as answer:
                            known |= {kind} if answer.status == 200 else set()
            for method, path in places():
                for kind, thing in things.items():
                    async with http.request(method, path.format(thing), json={"prompt": "x"}, headers=BEN) as answer:
                        asked += 1
                        if not 400 <= answer.status < 500:
                            open_to_ben.append(f"{method} {path.format(thing)} ({kind}): {answer.status}")
    assert not open_to_ben, "\n".join(open_to_ben)
    assert asked > 400
    assert known == set(things), "what was made can be had by who made it"
