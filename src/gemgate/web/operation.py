"""Registers an operation: its route, who may call it, its name in the metrics, its place in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gemgate.dialects import table
from gemgate.dialects.rows import JSON, SSE, Group, Operation
from gemgate.frozen import frozen
from gemgate.web.auth.access import Level
from gemgate.web.context import context_in
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

CACHED, RANGED = (304,), (206, 416)
"""Statuses beside the usual ones: of what a caller may have already, and of files that are told in parts."""
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Media types of pictures."""


@frozen
class Documented:
    """A route, and what `document` makes its part of the OpenAPI document of.

    answers:  the shape of its JSON, as `module.Name` of `dialects.shapes`; several with ` | ` between.
    errors:   shapes of errors beside its dialect's.
    produces: media types of a good answer. success: its status.
    accepted: what a 202 says, "" where there is none. durable: see `operation`. query: name -> type.
    also:     statuses of `CACHED` and `RANGED` that it may answer with.
    """

    route: Route
    spec: OperationSpec
    summary: str = ""
    answers: str = ""
    errors: tuple[str, ...] = ()
    produces: tuple[str, ...] = (JSON,)
    success: int = 200
    accepted: str = ""
    durable: bool = False
    query: Mapping[str, str] | None = None
    also: tuple[int, ...] = ()
    is_shown: bool = False


class Router:
    """Routes of one module, for Starlette: they read their requests themselves."""

    def __init__(self) -> None:
        self.routes: list[Documented] = []

    def add(self, spec: OperationSpec, endpoint: Endpoint, method: str, **told: Any) -> None:
        """told: for the document, fields of `Documented`."""
        route = Route(spec.path, _Called(spec, endpoint), methods=[method], name=f"{method} {spec.path}")
        route.methods = {method}  # HEAD beside GET only where it is said
        self.routes.append(Documented(route, spec, **told))

    @property
    def operations(self) -> list[OperationSpec]:
        """What it serves; HEAD beside GET is no operation of its own."""
        return list(dict.fromkeys(entry.spec for entry in self.routes))


class _Called:
    """An operation as an application: who calls is found out, then its endpoint answers. What is raised, the door
    answers.
    """

    def __init__(self, spec: OperationSpec, endpoint: Endpoint) -> None:
        self._spec = spec
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spec, context = self._spec, context_in(scope)
        request, context.operation = context.request, spec.name
        context.caller = caller = await context.access.caller(request, spec.level, context.request_id, spec.group)
        context.note(
            "request.identified",
            operation=spec.name,
            dialect=dialect_of(request),
            tenant=caller.tenant,
            client=caller.client,
        )
        response = await self._endpoint(context)
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
    answers: str = "",
    errors: tuple[str, ...] = (),
    produces: tuple[str, ...] = (JSON,),
    success: int = 200,
    summary: str = "",
    documented: bool = True,
    row: Operation | None = None,
    durable: bool = False,
    accepted: str = "",
    also: tuple[int, ...] = (),
) -> Callable[[Endpoint], Endpoint]:
    """Decorator. `name`: of the operation in facts and metrics. `body`, `query` (name -> type) document the request.

    group: which scope of a key it needs, `any` for none. durable: it may be asked to answer with a task, and takes an
    idempotency key. documented: whether the document shows it. For the others see `Documented`.
    """
    spec = OperationSpec(method, path, name, level, group, body, row)

    def register(endpoint: Endpoint) -> Endpoint:
        router.add(
            spec,
            endpoint,
            method,
            summary=summary or (endpoint.__doc__ or name).strip().partition("\n")[0].rstrip("."),
            answers=answers,
            errors=errors,
            produces=produces,
            success=success,
            accepted=accepted,
            durable=durable,
            query=query,
            also=also,
            is_shown=documented,
        )
        if method == "GET" and produces != (SSE,):
            # HEAD belongs to GET: the server sends the head of the same answer. An endless stream has no such thing.
            router.add(spec, endpoint, "HEAD")
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
        group=row.group, body=row.body, query=row.query, answers=row.answers, errors=row.errors, produces=row.produces,
        summary=row.summary, documented=row.documented, row=row,
        durable=durable, accepted="a task, whose result is asked for at its `poll`" if durable else "",
    )  # fmt: skip
    register(endpoint)
