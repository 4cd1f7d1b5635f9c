"""Registers an operation: its route, who may call it, its name in the metrics, its place in the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gemgate.dialects import table
from gemgate.dialects.table import Act, Group, Operation
from gemgate.web.auth.access import Level
from gemgate.web.context import context_of
from gemgate.web.errors import dialect_of


@dataclass(frozen=True, slots=True, eq=False)
class OperationSpec:
    """Where an operation is, and who may call it. row: of the table of dialects, None for what is no dialect's."""

    method: str
    path: str
    name: str
    level: Level
    group: Group
    body: type[BaseModel] | None = None
    row: Operation | None = None


Endpoint = Callable[[Any], Awaitable[Response]]
"""Takes one argument: the `NodeContext`, `FrontContext` or, where both serve it, `RequestContext` of the request."""

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


KEYED = [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"}}]
"""The header of operations that generate once under the same key."""
DURABLE = [{"name": "Prefer", "in": "header", "schema": {"type": "string", "enum": ["respond-async"]}}, *KEYED]
"""Headers of operations that may answer with a task."""


@dataclass(frozen=True, slots=True)
class Documented:
    """A route with what FastAPI makes its part of the OpenAPI document of: arguments of its `APIRouter`."""

    route: Route
    spec: OperationSpec
    arguments: Mapping[str, Any]


class Router:
    """Routes of one module, for Starlette: they read their requests themselves.

    FastAPI would cost each call two layers, and each start its import; it is asked for the OpenAPI document only.
    """

    def __init__(self) -> None:
        self.routes: list[Documented] = []

    def add(self, spec: OperationSpec, endpoint: Callable[..., Any], method: str, **documented: Any) -> None:
        route = Route(spec.path, endpoint, methods=[method], name=f"{method} {spec.path}")
        route.app = _Called(endpoint)
        route.methods = {method}  # HEAD beside GET only where it is said
        self.routes.append(Documented(route, spec, documented))

    @property
    def operations(self) -> list[OperationSpec]:
        """What it serves; HEAD beside GET is no operation of its own."""
        return list(dict.fromkeys(entry.spec for entry in self.routes))


class _Called:
    """A route's endpoint as an application, without the framework's own net for what it raises: the door has one."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def operation(
    router: Router,
    method: str,
    path: str,
    name: str,
    *,
    group: Group,
    level: Level = "client",
    body: type[BaseModel] | None = None,
    query: Mapping[str, str] | None = None,
    produces: str = "application/json",
    success: int = 200,
    summary: str = "",
    documented: bool = True,
    row: Operation | None = None,
    durable: bool = False,
    accepted: str = "",
) -> Callable[[Endpoint], Endpoint]:
    """Decorator. `name`: of the operation in facts and metrics. `body`, `query` (name -> type) document the request.

    group: which scope of a key it needs, `any` for none. success: the status that says so. durable: it may be asked to
    answer with a task, and takes an idempotency key. accepted: what a 202 says, where there may be one.
    """
    spec = OperationSpec(method, path, name, level, group, body, row)

    def register(endpoint: Endpoint) -> Endpoint:
        async def serve(request: Request) -> Response:
            context = context_of(request)
            context.operation, context.request = name, request
            context.caller = caller = await context.access.caller(request, level, context.request_id, group)
            context.note(
                "request.identified",
                operation=name,
                dialect=dialect_of(request),
                tenant=caller.tenant,
                client=caller.client,
            )
            return await endpoint(context)

        extra: dict[str, Any] = {"parameters": [*_path_parameters(path), *_query_parameters(query or {})]}
        if durable:
            extra["parameters"] += DURABLE
        elif row is not None and row.act is Act.CHAT:
            extra["parameters"] += KEYED
        if body is not None:
            reference = {"$ref": f"#/components/schemas/{body.__name__}"}
            sent = "multipart/form-data" if row is not None and row.form else "application/json"
            extra["requestBody"] = {"required": True, "content": {sent: {"schema": reference}}}
        router.add(
            spec,
            serve,
            method,
            operation_id=_operation_id(method, path),
            summary=summary or (endpoint.__doc__ or name).strip().partition("\n")[0].rstrip("."),
            openapi_extra=extra,
            response_model=None,
            responses={
                success: {"description": "the answer", "content": {produces: {}}},
                **({202: {"description": accepted}} if accepted else {}),
                **{status: {"description": text} for status, text in ERRORS.items()},
            },
            include_in_schema=documented,
        )
        if method == "GET" and produces != "text/event-stream":
            # HEAD belongs to GET: the server sends the head of the same answer. An endless stream has no such thing.
            router.add(spec, serve, "HEAD", include_in_schema=False)
        return endpoint

    return register


def serves(router: Router, name: str, *, durable: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Decorator: serves the operations of the dialect table that have this name, on every path that they have.

    durable: see `operation`.
    """
    rows = [row for row in table.operations() if row.name == name]
    assert rows, f"no dialect has the operation {name}"

    def register(endpoint: Endpoint) -> Endpoint:
        for row in rows:
            serve_row(router, row, endpoint, durable=durable)
        return endpoint

    return register


def serve_row(router: Router, row: Operation, endpoint: Endpoint, *, durable: bool = False) -> None:
    """Serves one row of the dialect table."""
    register = operation(
        router, row.method, row.path, row.name,
        group=row.group, body=row.body, query=row.query, summary=row.summary, documented=row.documented, row=row,
        durable=durable, accepted="a task, whose result is asked for at its `poll`" if durable else "",
    )  # fmt: skip
    register(endpoint)


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)(?::\w+)?}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query.items()]


def _operation_id(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.replace(":", "/").split("/") if word]
    return "_".join([method.lower(), *words]).replace("-", "_").replace(".", "_")
