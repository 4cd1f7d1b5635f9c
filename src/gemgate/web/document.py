"""Our OpenAPI document, made of what the routes say of themselves and of the shapes of their answers.

Made once, when somebody asks for it: no start and no call pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from gemgate.dialects import table
from gemgate.dialects.rows import JSON, Act
from gemgate.version import __version__
from gemgate.web import examples
from gemgate.web.auth.forwarded_caller import Level
from gemgate.web.operation import Documented
from gemgate.web.routes import node_routers

Schema = dict[str, Any]

ERRORS = {
    400: "a parameter or the body is wrong",
    401: "the key is missing or wrong",
    403: "not from here, or not with this key",
    404: "there is no such thing",
    409: "a name or key is taken, or the state of the thing forbids it",
    413: "the body is too large",
    415: "the body's encoding is not accepted",
    422: "understood, but it cannot be had",
    424: "interactions: Google's answer failed, and something may have been generated",
    429: "a limit is reached; Retry-After says how long",
    500: "a bug of ours",
    502: "Google's answer failed",
    503: "no usable account, and why",
    504: "Google was too slow",
}
"""What each status of a refusal says, whatever the operation."""
ALSO = {
    206: "a part of it, as `Range` asks",
    304: "the caller has these very bytes: `If-None-Match`, `If-Modified-Since`",
    416: "there is no such part",
}
"""What each status beside the usual ones says."""
ABOUT = (
    "Answers may get more fields. A whole answer that takes longer than KEEPALIVE_SECONDS has the status 200 and white "
    "space in front; what fails after that is an error in the body. A method that a path does not have is answered 405 "
    "in the shape of the path's other errors, with `Allow`."
)
KEYED = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"}}
"""The header of operations that generate once under the same key."""
DURABLE = {"name": "Prefer", "in": "header", "schema": {"type": "string", "enum": ["respond-async"]}}
"""The header of operations that may answer with a task."""
SECURITY_SCHEMES: Schema = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of API_KEY or of the page; any text without keys",
    },
    "admin_key": {"type": "http", "scheme": "bearer", "description": "ADMIN_KEY; none from this machine without one"},
}
"""Both are also taken as `x-api-key`, `x-goog-api-key` and, on Google's routes, `?key=`."""
SECURITY: dict[Level, list[Schema]] = {"open": [], "client": [{"key": []}], "admin": [{"admin_key": []}]}
"""What each level of an operation asks for."""
TASK = "pictures.PictureTask"
_COMPONENTS = "#/components/schemas/"


@cache
def openapi_document() -> Schema:
    """OpenAPI 3.1 of all routes, with the bodies and answers of the dialects as components."""
    shown = [entry for router in node_routers() for entry in router.routes if entry.is_shown]
    components = _Components(shown)
    paths: dict[str, Schema] = {}
    for entry in shown:
        methods = paths.setdefault(_address(entry.spec.path), {})
        methods[entry.spec.method.lower()] = components.operation(entry)
    return {
        "openapi": "3.1.0",
        "info": {"title": "gemgate", "version": __version__, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "responses": components.responses,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


class _Untitled(GenerateJsonSchema):
    """Schemas without a title for each field, which would only say its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _Components:
    """schemas: bodies and answers by their names. responses: refusals, which whole dialects share."""

    def __init__(self, entries: Iterable[Documented]) -> None:
        shapes: dict[str, Any] = {}
        for entry in entries:
            if entry.spec.body is not None:
                shapes[_body(entry)] = entry.spec.body
            said = (*_several(entry.answers), *_errors(entry), *([TASK] if entry.durable else ()))
            shapes |= {name: shapes.get(name) or _shape(name) for name in said}
        found, definitions = TypeAdapter.json_schemas(
            [(name, "validation", TypeAdapter(shape)) for name, shape in shapes.items()],
            ref_template=_COMPONENTS + "{model}",
            schema_generator=_Untitled,
        )
        self._names = _short(definitions.get("$defs", {}))
        self._schemas = {name: self._named(schema) for (name, _), schema in found.items()}
        self.schemas = {
            self._names[name]: _untitled(self._named(schema)) for name, schema in definitions.get("$defs", {}).items()
        }
        self.responses: dict[str, Schema] = {}
        self._bodies = examples.bodies()

    def operation(self, entry: Documented) -> Schema:
        """One operation of the document."""
        told: Schema = {
            "summary": entry.summary,
            "operationId": _operation_id(entry.spec.method, entry.spec.path),
            "parameters": [*_parameters(entry)],
            "responses": {str(status): answer for status, answer in self._answers(entry)},
            "security": SECURITY[entry.spec.level],
        }
        if entry.spec.body is not None:
            sent = "multipart/form-data" if entry.spec.row is not None and entry.spec.row.form else JSON
            content = {"schema": self._schemas[_body(entry)]}
            if (body := self._bodies.get(entry.spec.name)) is not None:
                content["example"] = body
            told["requestBody"] = {"required": True, "content": {sent: content}}
        return told

    def _answers(self, entry: Documented) -> Iterator[tuple[int, Schema]]:
        """Each status and what comes with it."""
        answers = self._any_of(_several(entry.answers))
        content = {kind: {"schema": answers if kind == JSON else _of_media(kind)} for kind in entry.produces}
        yield entry.success, {"description": "the answer", "content": content}
        for status in entry.also:
            yield status, {"description": ALSO[status], **({"content": content} if status < 300 else {})}
        if entry.accepted:
            task = {"content": {JSON: {"schema": self._schemas[TASK]}}} if entry.durable else {}
            yield 202, {"description": entry.accepted, **task}
        for status in ERRORS:
            yield status, {"$ref": f"#/components/responses/{self._refusal(status, _errors(entry))}"}

    def _refusal(self, status: int, errors: tuple[str, ...]) -> str:
        """The name of a refusal with one of these shapes."""
        name = "Or".join(one.rpartition(".")[2] for one in errors) + str(status)
        content = {JSON: {"schema": self._any_of(errors)}}
        self.responses.setdefault(name, {"description": ERRORS[status], "content": content})
        return name

    def _any_of(self, names: tuple[str, ...]) -> Schema:
        schemas = [self._schemas[name] for name in names]
        return {"anyOf": schemas} if len(schemas) > 1 else schemas[0] if schemas else {}

    def _named(self, schema: Any) -> Any:
        """The same with the short names in its references."""
        if isinstance(schema, dict):
            return {
                key: _COMPONENTS + self._names[value.removeprefix(_COMPONENTS)] if key == "$ref" else self._named(value)
                for key, value in schema.items()
            }
        return [self._named(one) for one in schema] if isinstance(schema, list) else schema


def _several(names: str) -> tuple[str, ...]:
    return tuple(filter(None, names.split(" | ")))


def _shape(name: str) -> Any:
    """What `module.Name` says in `dialects.shapes`."""
    module, _, own = name.partition(".")
    return getattr(import_module(f"gemgate.dialects.shapes.{module}"), own)


def _body(entry: Documented) -> str:
    body = entry.spec.body
    assert body is not None
    return f"{body.__module__}.{body.__qualname__}"


def _errors(entry: Documented) -> tuple[str, ...]:
    """The shapes of its refusals: those of its dialect, and of others whose clients are answered in theirs on the
    same path.
    """
    others: list[str] = []
    for dialect in table.ALL:
        if dialect.prefixes.match(entry.spec.path):
            break
        if dialect.shared is not None and dialect.shared.match(entry.spec.path):
            others.append(dialect.errors)
    else:
        dialect = table.SIMPLE
    return tuple(filter(None, dict.fromkeys((dialect.errors, *entry.errors, *others))))


_PLACES = ("gemgate", "dialects", "shapes", "web", "routes")


def _short(names: Iterable[str]) -> dict[str, str]:
    """Names as pydantic gives them, `gemgate__dialects__anthropic__tools__ToolBody` where two have one name, and short:
    `AnthropicToolBody`.
    """
    short = {}
    for name in names:
        *place, own = name.split("__")
        dialect = next((word for word in place if word not in _PLACES), "")
        short[name] = "".join(word.capitalize() for word in dialect.split("_")) + own
    assert len(set(short.values())) == len(short), f"two schemas have one name: {sorted(short.values())}"
    return short


def _untitled(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "title"}


def _of_media(kind: str) -> Schema:
    """What is not JSON: text, or bytes. Nothing of event streams: some read a schema there as one of each event."""
    if kind == "text/event-stream":
        return {}
    is_text = kind.startswith("text/") or kind == "application/jsonl"
    return {"type": "string"} if is_text else {"type": "string", "format": "binary"}


def _address(path: str) -> str:
    return re.sub(r":path}", "}", path)


def _parameters(entry: Documented) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)(?::\w+)?}", entry.spec.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for name, kind in (entry.query or {}).items():
        yield {"name": name, "in": "query", "schema": {"type": kind}}
    row = entry.spec.row
    if entry.durable:
        yield DURABLE
    if entry.durable or (row is not None and row.act is Act.CHAT):
        yield KEYED


def _operation_id(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.replace(":", "/").split("/") if word]
    return "_".join([method.lower(), *words]).replace("-", "_").replace(".", "_")
