"""Whether answers are what our OpenAPI document says: judged as they leave, by a wrapper round the application."""

from __future__ import annotations

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
from gemgate.web.routes import node_routers

LARGEST = 5_000_000
"""Bytes of an answer that is judged."""
_DOCUMENT = "urn:document"


@dataclass(slots=True)
class Judged:
    """Answers that went by. seen: (operation, status, media type) -> how many; wrong: those that do not fit."""

    seen: dict[tuple[str, int, str], int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def watch(self, app: ASGIApp) -> ASGIApp:
        """The application, whose answers are judged."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            head: Message = {}
            body: list[bytes] = []

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    head.update(message)
                elif message["type"] == "http.response.body" and head:
                    body.append(message.get("body", b""))
                    if not message.get("more_body") and scope["method"] != "HEAD":
                        self.judge(scope["method"], scope["path"], head, b"".join(body))
                await send(message)

            await app(scope, receive, told if scope["type"] == "http" else send)

        return watched

    def judge(self, method: str, path: str, head: Message, body: bytes) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        kind = headers.get("content-type", "").partition(";")[0]
        name, status = operation_at(method, path), head["status"]
        if name:
            self.seen[name, status, kind] = self.seen.get((name, status, kind), 0) + 1
        if name and (why := flaw(name, status, kind, body)):
            self.wrong.append(f"{method} {path} {status}: {why}\n{body[:1500].decode(errors='replace')}")


@cache
def _routes() -> list[tuple[str, Any, str, bool]]:
    return [
        (entry.spec.method, compile_path(entry.spec.path)[0], entry.spec.name, entry.is_shown)
        for router in node_routers()
        for entry in router.routes
    ]


def documented() -> set[str]:
    """The operations of the document."""
    return {name for _, _, name, is_shown in _routes() if is_shown}


def operation_at(method: str, path: str) -> str:
    """The documented operation that answers; "" for none."""
    found = (name for known, place, name, _ in _routes() if known == method and place.match(path))
    name = next(found, "")
    return name if name in documented() else ""


@cache
def _answers(name: str) -> dict[str, Any]:
    entry = next(e for router in node_routers() for e in router.routes if e.spec.name == name and e.is_shown)
    path = entry.spec.path.replace(":path}", "}")
    answers: dict[str, Any] = openapi_document()["paths"][path][entry.spec.method.lower()]["responses"]
    return answers


@cache
def _registry() -> Registry[Any]:
    resource = DRAFT202012.create_resource(openapi_document())
    return Registry().with_resource(_DOCUMENT, resource)


@cache
def _validator(name: str, status: int) -> Draft202012Validator:
    schema = content(_answers(name)[str(status)])["application/json"]["schema"]
    return Draft202012Validator(_absolute(schema), registry=_registry())


def content(answer: dict[str, Any]) -> dict[str, Any]:
    """The media types of an answer of the document."""
    if "$ref" in answer:
        answer = openapi_document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    told: dict[str, Any] = answer.get("content", {})
    return told


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _DOCUMENT + value if key == "$ref" else _absolute(value) for key, value in schema.items()}
    return [_absolute(one) for one in schema] if isinstance(schema, list) else schema


def flaw(name: str, status: int, kind: str, body: bytes) -> str:
    """What of an answer the document does not say; "" for nothing."""
    if status in (304, 206, 416, 405, 499) or len(body) > LARGEST:
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
    error = best_match(_validator(name, status).iter_errors(orjson.loads(body)))
    return f"{error.json_path}: {error.message[:300]}" if error else ""
