"""Every call that a page for users shows, by curl or between backticks, has a route, and its query is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gemgate.web.document import openapi_document
from tests.support.shown_commands import FENCE, FOR_DEVELOPERS, PAGES

Call = tuple[str, str]
CURL = re.compile(r"\bcurl\b.*?http://127\.0\.0\.1:8100(/[^\s'\"]+)")
SPAN = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s]*)`")
OF_A_FLEET = {"node"}
"""Queries that a fleet's gateway reads beside those of the route."""
NOT_HERE = FOR_DEVELOPERS | {"api"}
"""Google's calls and old ones; and the page that is written from the routes (test_examples.py)."""
SHOWN = [page for page in PAGES if page.parent.name != "adr" and page.name.partition(".")[0] not in NOT_HERE]


def calls(page: str) -> Iterator[Call]:
    """Method and address of each call."""
    for _, code in FENCE.findall(page):
        for line in code.replace("\\\n", " ").splitlines():
            named = re.search(r" -X (\w+)", line)
            method = named[1] if named else "POST" if re.search(r" (?:-d|-F|--data\S*|--json)\b", line) else "GET"
            yield from ((method, address) for address in CURL.findall(line))
    yield from SPAN.findall(FENCE.sub("", page))


def fault(call: Call, paths: dict[str, Any]) -> str:
    """What is wrong with a call, or nothing."""
    method, address = call
    path, _, query = address.partition("?")
    places = [path, f"/gemini{path}"]  # Google's own routes stand at both
    for template, operations in paths.items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if method.lower() in operations and any(re.fullmatch(pattern, place) for place in places):
            read = {one["name"] for one in operations[method.lower()].get("parameters", ()) if one["in"] == "query"}
            given = {part.partition("=")[0] for part in query.split("&") if part}
            return f"does not read {given - read - OF_A_FLEET}" if given - read - OF_A_FLEET else ""
    return "has no route"


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    found: dict[str, Any] = openapi_document()["paths"]
    return found


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.name)
def test_every_call_has_a_route(page: Path, paths: dict[str, Any]) -> None:
    faults = {call: told for call in calls(page.read_text("utf-8")) if (told := fault(call, paths))}
    assert not faults


def test_pages_show_many() -> None:
    assert sum(len([*calls(page.read_text("utf-8"))]) for page in SHOWN) > 100


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`GET /api/acounts`", "has no route"),
        ("`DELETE /v1/capacity`", "has no route"),
        ("```sh\ncurl -sS 'http://127.0.0.1:8100/v1/capacity?images=2&til=07:00'\n```", "does not read {'til'}"),
        ("```sh\ncurl http://127.0.0.1:8100/v1/capacity \\\n  -d '{}'\n```", "has no route"),
        ("`GET /v1/capacity?images=2`", ""),
        ("`POST /v1beta/models/veo-…:predictLongRunning`", ""),
    ],
)
def test_what_is_wrong_is_told(text: str, wrong: str, paths: dict[str, Any]) -> None:
    (call,) = calls(text)
    assert fault(call, paths) == wrong
