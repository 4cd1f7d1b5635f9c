"""Whether answers are what our OpenAPI document says: judged as they leave, by a wrapper round the application."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gemgate.web.document import openapi_document
from gemgate.web.operation import Documented
from gemgate.web.routes import node_routers

LARGEST = 5_000_000
"""Bytes of an answer that is judged."""
DOCUMENT = openapi_document()
_ENTRIES = [entry for router in node_routers() for entry in router.routes]
"""Both as they are before a test changes the table of dialects."""
_DOCUMENT = "urn:document"


@dataclass(slots=True)
class Judged:
    """Answers that went by. seen: (operation, status, media type) -> how many; wrong: those that do not fit."""

    seen: dict[tuple[str, int, str], int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def watch(self, app: ASGIApp) -> ASGIApp:
        """The application, whose answers are judged."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            name, status, kind = "", 0, ""
            body: list[bytes] = []

            async def told(message: Message) -> None:
                nonlocal name, status, kind
                if message["type"] == "http.response.start":
                    headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
                    status, kind = message["status"], headers.get("content-type", "").partition(";")[0]
                    name = operation_at(scope["method"], scope["path"], status)
                    if name:  # who has all bytes of a file may leave before its end
                        self.seen[name, status, kind] = self.seen.get((name, status, kind), 0) + 1
                elif message["type"] == "http.response.body" and name:
                    body.append(message.get("body", b"") if kind in ("application/json", "") else b"")
                    if not message.get("more_body") and (why := flaw(name, status, kind, b"".join(body))):
                        start = b"".join(body)[:1500].decode(errors="replace")
                        self.wrong.append(f"{scope['method']} {scope['path']} {status}: {why}\n{start}")
                await send(message)

            await app(scope, receive, told if scope["type"] == "http" and scope["method"] != "HEAD" else send)

        return watched


@cache
def documented() -> set[str]:
    """The operations of the document."""
    return {entry.spec.name for entry in _ENTRIES if entry.is_shown}


@cache
def _places() -> list[tuple[str, re.Pattern[str], Documented]]:
    return [(entry.spec.method, compile_path(entry.spec.path)[0], entry) for entry in _ENTRIES]


def operation_at(method: str, path: str, status: int) -> str:
    """The documented operation that answers; "" for none. Where a path that is not shown stands for one that is, only
    its good answers are the same: refusals depend on the path.
    """
    entry = next((one for known, place, one in _places() if known == method and place.match(path)), None)
    if entry is None or (status >= 400 and not entry.is_shown):
        return ""
    return entry.spec.name if entry.spec.name in documented() else ""


@cache
def _answers(name: str) -> dict[str, Any]:
    spec = next(entry.spec for entry in _ENTRIES if entry.spec.name == name and entry.is_shown)
    path = spec.path.replace(":path}", "}")
    answers: dict[str, Any] = DOCUMENT["paths"][path][spec.method.lower()]["responses"]
    return answers


@cache
def _validator(name: str, status: int) -> Draft202012Validator:
    schema = content(_answers(name)[str(status)])["application/json"]["schema"]
    registry: Registry[Any] = Registry().with_resource(_DOCUMENT, DRAFT202012.create_resource(DOCUMENT))
    return Draft202012Validator(_absolute(schema), registry=registry)


def content(answer: dict[str, Any]) -> dict[str, Any]:
    """The media types of an answer of the document."""
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    told: dict[str, Any] = answer.get("content", {})
    return told


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _DOCUMENT + value if key == "$ref" else _absolute(value) for key, value in schema.items()}
    return [_absolute(one) for one in schema] if isinstance(schema, list) else schema


def flaw(name: str, status: int, kind: str, body: bytes) -> str:
    """What of an answer the document does not say; "" for nothing."""
    if status in (405, 499) or len(body) > LARGEST:  # no operation's: of another method, and for nobody
        return ""
    answers = _answers(name)
    if str(status) not in answers:
        return f"the status is not among {', '.join(answers)}"
    kinds = content(answers[str(status)])
    if not body and not kinds:
        return ""
    if kind not in kinds and "*/*" not in kinds:
        return f"{kind or 'no media type'} is not among {', '.join(kinds)}"
    if kind != "application/json" or kind not in kinds:
        return ""
    is_late = body[:1].isspace()  # kept alive: an error has its status inside, and who left got blanks alone
    if is_late and (not body.strip() or b'"status":499' in body):
        return ""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return str(error)
    if is_late and _validator(name, 502).is_valid(answer):
        return ""
    flawed = best_match(_validator(name, status).iter_errors(answer))
    return f"{flawed.json_path}: {flawed.message[:300]}" if flawed else ""
