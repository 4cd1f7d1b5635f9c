"""What no client should send, sent to every route: a clean 4xx in the dialect of the route, and no generation."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gemgate.prompting.schemas import Compiled
from gemgate.web.relay.routes import all_routes
from gemgate.web.routes import all_operations
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

JSON = {"content-type": "application/json"}
DEEP = b"[" * 100_000
TRUNCATED = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nhalf a fi'

FORM = {"content-type": "multipart/form-data; boundary=x"}
SURROGATE = b'{"model": "x", "prompt": "\xed\xa0\x80", "messages": [{"role": "user", "content": "\xed\xb0\x80"}]}'
WRONG_TYPES = b"""{"prompt": 1, "prompts": "x", "messages": {"a": 1}, "input": 7, "contents": 3, "model": [], "file": 5,
"cookies": [], "name": {}, "url": 3, "input_file_id": 1, "key": [], "weight": "x"}"""
MANY_PARTS = b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % n for n in range(500))

BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "empty": (b"", JSON),
    "truncated": (b'{"prompt": "x", "messages": [{"role": "user", "con', JSON),
    "not-utf8": (b'{"prompt": "\xff\xfe", "messages": []}', JSON),
    "list": (b"[]", JSON),
    "text": (b'"x"', JSON),
    "null": (b"null", JSON),
    "deep": (DEEP, JSON),
    "deep-closed": (b'{"messages":' + b"[" * 5_000 + b"]" * 5_000 + b"}", JSON),
    "deep-object": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON),
    "surrogate": (SURROGATE, JSON),
    "wrong-types": (WRONG_TYPES, JSON),
    "wrong-elements": (b'{"prompts": [1], "messages": [1], "input": [1], "contents": [1], "max_tokens": "many"}', JSON),
    "huge-number": (b'{"n": 1' + b"0" * 400 + b', "prompt": "x", "count": 1e999}', JSON),
    "nan": (b'{"temperature": NaN, "messages": []}', JSON),
    "gzip": (b"\x1f\x8b\x08\x00", {**JSON, "content-encoding": "gzip"}),
    "form-without-boundary": (b"--x\r\n\r\n", {"content-type": "multipart/form-data"}),
    "form-truncated": (TRUNCATED, FORM),
    "form-garbage": (b"\x00\xff" * 500, FORM),
    "form-bad-header": (b"--x\r\nContent-Disposition form-data\r\n\r\nx\r\n--x--\r\n", FORM),
    "form-empty": (b"--x--\r\n", FORM),
    "form-strange-boundary": (b"--x--\r\n", {"content-type": f'multipart/form-data; boundary="{"y" * 300}"'}),
    "form-many-parts": (MANY_PARTS + b"--x--\r\n", FORM),
}
"""By name: a body, and the headers that come with it."""

TAKES_NOTHING = re.compile(
    r"/(cancel|copy|measure|pairing|pause|resume|retry|drain|\{action\}|test)$"
    r"|/v1/batch/|\{upload_id\}|/api/cookies/"
)
"""Routes that do not look at a body, or whose place is looked for first."""

IDS = ["..%2f..%2fetc%2fpasswd", "%2e%2e%2f", "%00", "a%0d%0aset-cookie:x=1", "%ff%fe", "x" * 3_000, "%F0%9F%9A%80",
       "'%20or%201=1--",
       "$(id)", "..%5c..%5cwindows", "%c0%ae%c0%ae/"]  # fmt: skip

INTERACTIONS = re.compile(r"(/gemini)?/(v1|v1beta)/interactions\b")
GOOGLE = re.compile(
    r"/(gemini|v1beta|upload/v1(beta)?)(/|$)|/v1/models/[^?]*:\w+$"
    r"|/v1(/models/.+)?/operations(/|$)|/v1/files/.*:download$",
    re.DOTALL,
)
SIMPLE = re.compile(r"/v1/(generate|generate-images|batch)(/|$)|(?!/v1/)")


def dialect_of(path: str) -> str:
    """Which dialect's error a path owes (docs/client-contracts.md 1), told again without looking at the code."""
    if INTERACTIONS.match(path):
        return "interactions"
    if GOOGLE.match(path):
        return "google"
    if path.startswith("/v1/messages"):
        return "anthropic"
    return "simple" if SIMPLE.match(path) else "openai"


def flaw(path: str, status: int, headers: Any, body: bytes) -> str:
    """What is wrong with an error's answer; "" when it is as its dialect wants it."""
    if not 400 <= status < 500:
        return f"status {status}: {body[:120]!r}"
    if not (headers.get("x-request-id") and headers["x-request-id"] == headers.get("request-id")):
        return "no request id"
    try:
        told = json.loads(body)
    except ValueError:
        return f"no JSON: {body[:120]!r}"
    text = json.dumps(told)
    if "Traceback" in text or "site-packages" in text or ".py" in text:
        return f"it leaks: {text[:200]}"
    if isinstance(told, list) and path.endswith(":streamGenerateContent"):
        (told,) = told
    error = told.get("error")
    match dialect_of(path):
        case "google":
            good = isinstance(error, dict) and error.get("code") == status and {"message", "status"} <= error.keys()
        case "interactions":
            good = isinstance(error, dict) and {"code", "message"} <= error.keys()
        case "anthropic":
            good = told.get("type") == "error" and {"type", "message"} <= (error or {}).keys()
        case "openai":
            good = isinstance(error, dict) and {"message", "type", "param", "code"} <= error.keys()
            # The edits' envelope follows the form of the body (docs/decisions.md 17).
            good = good or (path.startswith("/v1/images/edit") and isinstance(told.get("detail"), str))
        case _:
            good = isinstance(told.get("detail"), str) and bool(told["detail"])
    return "" if good else f"not the dialect's shape: {text[:200]}"


def filled(path: str) -> str:
    """A route's path with harmless names in it."""
    path = path.replace("{model:path}", "gemini-3-flash-preview").replace("{action}", "test")
    return re.sub(r"\{[^}]+\}", "unknown1", path)


@asynccontextmanager
async def calling(
    sim: Simulator, tmp_path: Path, **settings: Any
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    async with served(settings_for(sim, tmp_path, **settings)) as gate, aiohttp.ClientSession(gate.url) as session:
        yield gate, session


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator
        assert simulator.record.generations == 0
        assert not simulator.record.violations


POSTED = sorted({(op.method, op.path) for op in all_operations() if op.method in ("POST", "PUT", "PATCH")})


async def test_malformed_bodies_are_refused_on_every_route(sim: Simulator, tmp_path: Path) -> None:
    wrong = []
    asked = 0
    async with calling(sim, tmp_path) as (_, session):
        for method, template in POSTED:
            path = filled(template)
            for name, (body, headers) in BODIES.items():
                async with session.request(method, path, data=body, headers=headers) as answer:
                    text = await answer.read()
                asked += 1
                harmless = TAKES_NOTHING.search(template) or (template.endswith("/files") and "/upload/" in template)
                if answer.status < 400 and harmless:
                    continue  # nothing of the body counts there
                if problem := flaw(path, answer.status, answer.headers, text):
                    wrong.append(f"{method} {path} [{name}]: {problem}")
    assert asked > 700
    assert not wrong, "\n".join(wrong)


async def test_tricks_in_paths_lead_nowhere(sim: Simulator, tmp_path: Path) -> None:
    wrong = []
    (tmp_path / "secret.txt").write_text("secret")
    async with calling(sim, tmp_path) as (gate, session):
        templates = [
            (op.method, op.path) for op in all_operations() if "{" in op.path and op.method in ("GET", "DELETE", "POST")
        ]
        paths = [(m, re.sub(r"\{[^}]+\}", trick, t)) for m, t in templates for trick in IDS]
        paths += [
            ("GET", f"/images/202611/20261121/{trick}secret.txt")
            for trick in ("../../../", "..%2f..%2f..%2f", "%2e%2e/")
        ]
        paths += [
            ("GET", path) for path in ("/%2e%2e/secret.txt", "//etc/passwd", "/v1//models/..", "/gemini/%00", "/v1/%ff")
        ]
        for method, path in paths:
            url = URL(gate.url + path, encoded=True)
            body = b"{}" if method == "POST" else None
            async with session.request(method, url, data=body, allow_redirects=False) as answer:
                text = await answer.read()
            decoded = URL(gate.url + path, encoded=True).path
            if method == "POST" and answer.status < 400 and TAKES_NOTHING.search(path):
                continue
            if problem := flaw(decoded, answer.status, answer.headers, text):
                wrong.append(f"{method} {path[:90]}: {problem}")
            assert b"root:" not in text
            assert text != b"secret"
            assert "set-cookie" not in answer.headers
    assert not wrong, "\n".join(wrong)


async def test_unknown_routes_and_wrong_methods(sim: Simulator, tmp_path: Path) -> None:
    unknown = [
        "/v1/nothing", "/v1/chat", "/gemini/v1beta/nothing", "/v1beta/nothing", "/gemini",
        "/upload/v1beta/nothing",
        "/v1/messages/nothing", "/v1/batch/x/nothing", "/api/nothing", "/nothing", "/v1/images/nothing/x",
    ]  # fmt: skip
    wrong = []
    async with calling(sim, tmp_path) as (_, session):
        for path in unknown:
            async with session.get(path) as answer:
                problem = flaw(path, answer.status, answer.headers, await answer.read())
                if problem or answer.status != 404:
                    wrong.append(f"GET {path}: {answer.status} {problem}")
        known: dict[str, set[str]] = {}
        routes = all_routes()
        for op in all_operations():
            known.setdefault(op.path, set()).add(op.method)
        for template, methods in known.items():
            for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - methods:
                path = filled(template)
                if routes.find(method, path).name:  # another operation's path: a name stands where this one has a word
                    continue
                async with session.request(method, path) as answer:
                    problem = flaw(path, answer.status, answer.headers, await answer.read())
                if answer.status == 405 and not answer.headers.get("allow"):
                    problem = problem or "a 405 without Allow"
                if problem or answer.status not in (404, 405):
                    wrong.append(f"{method} {path}: {answer.status} {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("method", "path", "use"),
    [
        ("GET", "/v1beta/models/gemini-3-flash-preview:generateContent", "POST"),
        ("GET", "/v1/models/gemini-3-flash-preview:countTokens", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("DELETE", "/v1/models", "GET"),
    ],
)
async def test_a_wrong_method_is_told_with_the_right_one(
    sim: Simulator, tmp_path: Path, method: str, path: str, use: str
) -> None:
    """Also where a GET has a meaning of its own: a model has no `:generateContent` in its name."""
    async with (
        served(settings_for(sim, tmp_path)) as gate,
        aiohttp.ClientSession(gate.url) as session,
        session.request(method, path) as answer,
    ):
        assert answer.status == 405
        assert use in answer.headers["allow"].split(", ")
        assert method not in answer.headers["allow"].split(", ")
        assert (await answer.json())["error"]["message"] == f"{method} is not allowed at {path}; use {use}"


PRIVATE = [
    "http://127.0.0.1/x.png", "http://localhost/x.png", "http://[::1]/x.png", "http://[::ffff:10.0.0.1]/x.png",
    "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/x", "http://192.168.1.1/x", "http://0x7f000001/x",
    "http://2130706433/x", "http://0/x", "http://user:pass@example.com/x", "file:///etc/passwd", "ftp://example.com/x",
    "gopher://127.0.0.1/x", "http://", "//127.0.0.1/x", "/etc/passwd", "javascript:alert(1)",
]  # fmt: skip


def links(url: str) -> list[tuple[str, dict[str, Any]]]:
    """The URL at every place where a dialect takes one."""

    def message(part: dict[str, Any]) -> dict[str, Any]:
        return {"max_tokens": 5, "model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": [part]}]}

    def responses(part: dict[str, Any]) -> dict[str, Any]:
        return {"input": [{"role": "user", "content": [part]}]}

    source = {"type": "url", "url": url}
    return [
        ("/v1/chat/completions", message({"type": "image_url", "image_url": {"url": url}})),
        ("/v1/responses", responses({"type": "input_image", "image_url": url})),
        ("/v1/responses", responses({"type": "input_file", "file_url": url})),
        ("/v1/messages", message({"type": "image", "source": source})),
        ("/v1/messages", message({"type": "document", "source": source})),
        (
            "/gemini/v1beta/models/gemini-3-flash-preview:generateContent",
            {"contents": [{"parts": [{"fileData": {"fileUri": url, "mimeType": "image/png"}}]}]},
        ),
        ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": url}]}),
        ("/v1/images/edit", {"prompt": "x", "image": url}),
        ("/v1/generate-images", {"prompt": "x", "image": url}),
    ]


async def test_links_to_places_that_are_not_public_are_refused_in_every_dialect(sim: Simulator, tmp_path: Path) -> None:
    wrong = []
    async with calling(sim, tmp_path) as (_, session):
        for url in PRIVATE:
            for path, body in links(url):
                async with session.post(path, json=body) as answer:
                    problem = flaw(path, answer.status, answer.headers, await answer.read())
                if problem or answer.status not in (400, 403, 404):
                    wrong.append(f"{path} {url}: {answer.status} {problem}")
    assert not wrong, "\n".join(wrong)


async def test_who_says_nothing_is_told_so(sim: Simulator, tmp_path: Path) -> None:
    wrong = []
    async with calling(sim, tmp_path) as (_, session):
        for nothing in ("", " ", "\n\t"):
            said = {
                "messages": [{"role": "user", "content": nothing}],
                "model": "gemini-3-flash-preview",
                "max_tokens": 5,
            }
            parts = {"contents": [{"parts": [{"text": nothing}]}]}
            for path, body in (
                ("/v1/chat/completions", said),
                ("/v1/chat/completions", {**said, "stream": True}),
                ("/v1/messages", said),
                ("/v1/responses", {"input": nothing}),
                ("/v1/generate", {"prompt": nothing}),
                ("/v1/images/generations", {"prompt": nothing}),
                ("/v1/generate-images", {"prompt": nothing}),
                ("/gemini/v1beta/models/gemini-3-flash-preview:generateContent", parts),
            ):
                async with session.post(path, json=body) as answer:
                    problem = flaw(path, answer.status, answer.headers, await answer.read())
                if problem or answer.status != 400:
                    wrong.append(f"{path} {nothing!r}: {answer.status} {problem}")
    assert not wrong, "\n".join(wrong)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(sim: Simulator, tmp_path: Path) -> None:
    wrong = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    async with calling(sim, tmp_path, max_body_mb=1) as (_, session):
        for method, template in POSTED:
            if TAKES_NOTHING.search(template) or "/files/" in template:
                continue
            path = filled(template)
            for kind, headers in (("json", JSON), ("form", {"content-type": "multipart/form-data; boundary=x"})):
                for data in (b" " * 1_100_000, endless()):
                    async with session.request(method, path, data=data, headers=headers) as answer:
                        problem = flaw(path, answer.status, answer.headers, await answer.read())
                    takes_no_form = kind == "form" or template.startswith(("/v1/files", "/upload", "/v1/audio/"))
                    if problem or (answer.status != 413 and not (answer.status == 400 and takes_no_form)):
                        wrong.append(f"{method} {path} [{kind}]: {answer.status} {problem}")
    assert not wrong, "\n".join(wrong)


DIGITS = "9" * 5_000
NUMBERS: list[tuple[str, str, dict[str, str]]] = [
    *(("GET", f"{path}?limit={{}}", {}) for path in ("/v1/batch", "/v1/files", "/v1/videos", "/api/gallery")),
    ("GET", "/gemini/v1beta/models?pageToken={}", {}),
    ("GET", "/gemini/v1beta/files?pageSize={}", {}),
    ("GET", "/v1/responses/resp_x?wait={}", {}),
    ("GET", "/v1/organization/usage/completions?start_time={}", {}),
    ("GET", "/images/x?exp={}&sig=x", {}),
    (
        "POST",
        "/gemini/upload/v1beta/files",
        {
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": "{}",
        },
    ),
]


async def test_numbers_that_are_none_are_no_bugs(sim: Simulator, tmp_path: Path) -> None:
    """Long ones, and those that only begin as one within the bounds."""
    async with calling(sim, tmp_path) as (_, session):
        for method, path, headers in NUMBERS:
            for number in (DIGITS, "000000000001" + "9" * 5, "\u00b2", "\u0663"):
                plain = {name: value.format(number) for name, value in headers.items() if number.isascii()}
                async with session.request(method, path.format(number), headers=plain) as answer:
                    assert answer.status < 500, (path, number[:20], await answer.text())
                    assert answer.status >= 400 or "limit=" not in path, (path, number[:20])


async def test_a_date_of_no_calendar_is_no_bug(sim: Simulator, tmp_path: Path) -> None:
    sim.google.images(cheap=True)
    async with calling(sim, tmp_path) as (_, session):
        async with session.post("/v1/images/generations", json={"prompt": "x", "response_format": "url"}) as answer:
            link = (await answer.json())["data"][0]["url"]
        sim.record.clear()
        for when in (
            "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
            "Mon, 01 Jan 0001 00:00:00 +2359",
            "x",
            "9" * 9_000,
        ):
            async with session.get(link, headers={"if-modified-since": when}) as answer:
                assert answer.status == 200, when


TWICE = {"$defs": {f"d{n}": {"oneOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}}}


@pytest.mark.parametrize(
    ("schema", "answer", "beside"),
    [
        ({**TWICE, "$ref": "#/$defs/d0"}, '"a short answer"', True),
        ({"anyOf": [{"pattern": r"(\w\W?){50}!$"}] * 500}, json.dumps("a" * 1_000), True),
        ({"items": {"type": "integer", "minimum": 0}}, json.dumps([7] * 20_000), True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, '{"a": "b"}', False),
    ],
)
async def test_what_a_schema_asks_of_an_answer_is_asked_beside_the_event_loop(
    schema: dict[str, Any], answer: str, beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 0.8 s of the processor, within the budget; what next to nothing is asked of goes the short way."""
    where: list[bool] = []
    settle = Compiled.settle

    def noted(self: Compiled, *given: Any, **named: Any) -> Any:
        where.append(threading.current_thread() is not threading.main_thread())
        return settle(self, *given, **named)

    monkeypatch.setattr(Compiled, "settle", noted)
    async with Simulator(accounts=("alice",)) as simulator, calling(simulator, tmp_path) as (_, session):
        simulator.google.reply("json", answer)
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        body = {"messages": [{"role": "user", "content": "json please"}], "response_format": form}
        async with session.post("/v1/chat/completions", json=body) as told:
            assert told.status == 200, await told.text()
        assert set(where) == {beside}
        where.clear()
        inner = {name: value for name, value in schema.items() if name != "$defs"}
        parameters = {"type": "object", "properties": {"x": inner}, "$defs": schema.get("$defs", {})}
        simulator.google.reply("call please", lambda prompt: called(prompt.text, "f", f'{{"x": {answer}}}'))
        tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        body = {"messages": [{"role": "user", "content": "call please"}], "tools": [tool]}
        async with session.post("/v1/chat/completions", json=body) as told:
            assert told.status == 200, await told.text()
        assert set(where) == {beside}


def called(prompt: str, name: str, arguments: str) -> str:
    """What a model says to call a function, with the word that the prompt tells it."""
    word = re.findall(r"zq[b-z2-9]{10}", prompt)[-1]
    return f"{word} toolcall {name}\n```json\n{arguments}\n```\n{word} toolend"
