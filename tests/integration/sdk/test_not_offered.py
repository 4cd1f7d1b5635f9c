"""Whatever the official SDKs can ask for is answered here, or refused by a sentence that says what to do instead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from google import genai

from gemgate.dialects.not_offered import ABSENT, not_offered
from tests.support.serving import served, settings_for

_CALL = re.compile(
    r'self\._(get|post|delete|put|patch|get_api_list)\(\s*(?:path_template\(\s*)?f?"(/[^"?]*)[^"]*"(.*?)\n        \)',
    re.DOTALL,
)
_GOOGLE = re.compile(r"path = '([^']*)'")
PROSE = Path(__file__).parents[3] / "docs"
ELSEWHERE = re.compile(
    r"batchPredictionJobs.*|test/path|upload/.*|\{(models_url|name|operationName|model)\}.{0,7}"
    r"|.*(computeTokens|fetchPredictOperation)"
)
"""What of Google's SDK is for its other service, or goes to whatever a server named before."""


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        served(settings_for(None, tmp_path), wait_ready=False) as gate,
        aiohttp.ClientSession(gate.url) as session,
    ):
        yield session


def calls_of(package: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Method and path of everything that a generated SDK can ask for; ids are filled in."""
    for file in sorted((Path(package.__file__).parent / "resources").rglob("*.py")):
        for verb, path, rest in _CALL.findall(file.read_text()):
            posts = verb == "post" or 'method="post"' in rest
            yield "POST" if posts else verb.upper().replace("_API_LIST", ""), prefix + re.sub(r"\{[^}]*\}", "x1", path)


async def unclear(http: aiohttp.ClientSession, calls: set[tuple[str, str]], marks: dict[str, str]) -> list[str]:
    """Those that are only told that there is no such path or method."""
    found = []
    for method, path in sorted(calls):
        async with http.request(method, path, headers=marks) as answer:
            body = await answer.text()
        if answer.status == 405 or "There is nothing at" in body:
            found.append(f"{method} {path}")
    return found


async def test_nothing_of_openais_sdk_is_a_plain_404(http: aiohttp.ClientSession) -> None:
    calls = set(calls_of(openai, "/v1"))
    assert len(calls) > 300
    assert await unclear(http, calls, {}) == []


async def test_nothing_of_anthropics_sdk_is_a_plain_404(http: aiohttp.ClientSession) -> None:
    calls = set(calls_of(anthropic, ""))
    assert len(calls) > 150
    assert await unclear(http, calls, {"anthropic-version": "2023-06-01"}) == []


async def test_nothing_of_googles_sdk_is_a_plain_404(http: aiohttp.ClientSession) -> None:
    names = {"model": "models/x1", "file_search_store_name": "fileSearchStores/x1", "parent": "fileSearchStores/x1"}
    files = Path(genai.__file__).parent.glob("*.py")
    paths = {path for file in files for path in _GOOGLE.findall(file.read_text()) if not ELSEWHERE.fullmatch(path)}
    calls = {
        ("POST" if ":" in path else "GET", "/v1beta/" + re.sub(r"\{(\w+)\}", lambda n: names.get(n[1], "x1"), path))
        for path in {*paths, "fileSearchStores/x1", "{model}:embedContent"}
    }
    assert len(calls) > 8
    assert await unclear(http, calls, {"x-goog-api-key": "any"}) == []


async def test_each_service_has_the_refusal_in_its_form_and_its_readers_language(http: aiohttp.ClientSession) -> None:
    told = {}
    for path, marks in (
        ("/v1/embeddings", {}),
        ("/embeddings", {"accept-language": "zh"}),
        ("/v1/messages/batches", {"anthropic-version": "2023-06-01"}),
        ("/v1beta/models/gemini-embedding-001:embedContent", {"x-goog-api-key": "any"}),
    ):
        async with http.post(path, json={}, headers=marks) as answer:
            assert answer.status == 404
            assert answer.headers.get("x-should-retry") in (None, "false")
            told[path] = await answer.json()
    assert told["/v1/embeddings"]["error"]["code"] == "not_offered"
    assert "Gemini's web app has no such thing" in told["/v1/embeddings"]["error"]["message"]
    assert "请使用自己机器上的嵌入模型" in told["/embeddings"]["error"]["message"]
    assert told["/v1/messages/batches"]["type"] == "error"
    assert "/v1/batches" in told["/v1/messages/batches"]["error"]["message"]
    google = told["/v1beta/models/gemini-embedding-001:embedContent"]["error"]
    assert (google["status"], "embeddings" in google["message"]) == ("NOT_FOUND", True)


async def test_other_paths_stay_what_they_were(http: aiohttp.ClientSession) -> None:
    for method, path, status in (
        ("GET", "/v1/nonsense", 404),
        ("DELETE", "/v1/images/generations", 405),
        ("DELETE", "/v1/batches", 405),
        ("POST", "/v1beta/models/gemini-3.0-pro:dance", 404),
    ):
        async with http.request(method, path) as answer:
            assert answer.status == status, path
            assert "does not offer" not in await answer.text()
    assert not_offered("/embeddings-of-mine") is None


@pytest.mark.parametrize("page", ["front-ends.md", "front-ends.zh.md"])
def test_the_documents_name_all_of_them(page: str) -> None:
    words = (PROSE / page).read_text("utf-8")
    chinese = page.endswith(".zh.md")
    missing = [row.what.en for row in ABSENT if (row.what.zh if chinese else row.what.en) not in words]
    assert missing == []
