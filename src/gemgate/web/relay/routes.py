"""Which operation a request is: the nodes' own table of routes, read from their modules.

A path that no operation has (the page, its files) is passed on as an open one; the node decides about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.routing import compile_path

from gemgate.dialects.rows import Act, Group, Operation
from gemgate.frozen import frozen
from gemgate.web.auth.forwarded_caller import Level
from gemgate.web.operation import OperationSpec
from gemgate.web.routes import all_operations


@frozen
class Route:
    """name: the operation's, "" for none; parameters: what the path says; row: of the dialect table, if it has one."""

    name: str
    level: Level
    group: Group
    parameters: dict[str, str]
    row: Operation | None = None

    @property
    def act(self) -> Act | None:
        return self.row.act if self.row else None


NONE = Route("", "open", "any", {})


def _route(spec: OperationSpec, parameters: dict[str, str]) -> Route:
    return Route(spec.name, spec.level, spec.group, parameters, spec.row)


class Routes:
    """Exact paths are looked up; the others are tried in the order in which nodes try them."""

    def __init__(self, operations: Iterable[OperationSpec]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], OperationSpec]]] = {}
        for one in operations:
            if "{" not in one.path:
                self._exact.setdefault((one.method, one.path), _route(one, {}))
            else:
                self._patterns.setdefault(one.method, []).append((compile_path(one.path)[0], one))

    def find(self, method: str, path: str) -> Route:
        method = "GET" if method == "HEAD" else method
        if route := self._exact.get((method, path)):
            return route
        for pattern, one in self._patterns.get(method, ()):
            if found := pattern.match(path):
                return _route(one, found.groupdict())
        return NONE


def all_routes() -> Routes:
    """Every operation that nodes of this version have."""
    return Routes(all_operations())
