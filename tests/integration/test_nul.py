"""NUL in any text of a caller's: it goes, before anything is generated, whatever database stands behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.dialects.wire import load_json
from gemgate_simulator import Painting, Simulator
from tests.support.painted import png
from tests.support.servers import postgres_server, postgres_url
from tests.support.serving import served, settings_for

__all__ = ["postgres_server", "postgres_url"]

IMAGE = {"prompt": "a red\0 fox", "response_format": "url"}
TURN = [{"role": "user", "content": "say\0 hello"}]
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/images/generations", IMAGE),
    ("/v1/generate-images", IMAGE),
    ("/v1/batch/images", {"prompts": ["a red\0 fox"], "idempotency_key": "a\0b"}),
    ("/v1/batch/images", {"items": [{"prompt": "a red\0 fox", "aspect": "1:\x001"}]}),
    ("/v1/chat/completions", {"messages": TURN, "user": "a\0b"}),
    ("/v1/responses", {"input": "say\0 hello"}),
    ("/v1/messages", {"model": "gemini-3.0-pro\0", "max_tokens": 50, "messages": TURN}),
    ("/v1beta/models/gemini-3.0-pro%00:generateContent", {"contents": [{"parts": [{"text": "say\0 hello"}]}]}),
    ("/v1/generate", {"prompt": "say\0 hello"}),
)
NAMES = (
    *("/v1/files/file-a%00b", "/v1/batches/a%00b", "/v1/batch/a%00b/status", "/v1/responses/resp_a%00b"),
    *("/conversations/a%00b", "/v1beta/files/a%00b", "/images/202611/20261128/a%00.png", "/api/gallery/a%00b"),
    *("/api/accounts/a%00b", "/v1/batch?after=a%00b", "/api/requests/a%00b", "/v1/models/a%00b"),
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_no_call_fails_for_a_nul(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    more = {"database_url": request.getfixturevalue("postgres_url")} if kind == "postgresql" else {}
    async with Simulator(accounts=("alice",)) as sim:
        sim.google.reply("fox", image=Painting())
        sim.google.reply("hello", "Hello there.")
        async with served(settings_for(sim, tmp_path, **more)) as gate, aiohttp.ClientSession(gate.url) as http:
            for path, body in BODIES:
                async with http.post(_raw(http, path), json=body) as answer:
                    assert answer.status == 200, (path, await answer.text())
            assert all("\0" not in call.prompt for call in sim.record.calls)
            assert "a red fox" in sim.record.calls[0].prompt
            form = aiohttp.FormData({"prompt": "a red\0 fox"})
            form.add_field("image", png(16, 16), filename="a.png", content_type="image/png")
            async with http.post("/v1/images/edits", data=form) as answer:
                assert answer.status == 200, await answer.text()
            form = aiohttp.FormData({"purpose": "vision\0"})
            form.add_field("file", png(16, 16), filename="a.png", content_type="image/png")
            async with http.post("/v1/files", data=form) as answer:
                assert answer.status == 200, await answer.text()
            for path in NAMES:
                for method in ("GET", "DELETE"):
                    async with http.request(method, _raw(http, path)) as answer:
                        assert answer.status < 500, (method, path, await answer.text())
            lost = {"messages": [{"role": "user", "content": "say hello"}], "conversation_id": "a\0b"}
            async with http.post("/v1/chat/completions", json=lost) as answer:
                assert answer.status in (200, 404), await answer.text()


def _raw(http: aiohttp.ClientSession, path: str) -> Any:
    from yarl import URL

    return URL(str(http._base_url).rstrip("/") + path, encoded=True)


@pytest.mark.parametrize("text", ["a\0b", "\0", "\\u0000", "\\\0", "\\\\u0000", "a\\", '"\0"'])
def test_only_nuls_go(text: str) -> None:
    assert load_json(json.dumps({text: [text]}).encode()) == {text.replace("\0", ""): [text.replace("\0", "")]}
