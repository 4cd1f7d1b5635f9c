"""Which operation a request is: the nodes' own table of routes, read from their modules.

A path that no operation has (the page, its files) is passed on as an open one; the node decides about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.routing import compile_path

from gemgate.web.auth.forwarded_caller import Level
from gemgate.web.operation import OPERATIONS, OperationSpec


@dataclass(frozen=True, slots=True)
class Route:
    """name: the operation's, "" for none; parameters: what the path says."""

    name: str
    level: Level
    parameters: dict[str, str]


NONE = Route("", "open", {})


class Routes:
    """Exact paths are looked up; the others are tried in the order in which nodes try them."""

    def __init__(self, operations: Iterable[OperationSpec]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], OperationSpec]]] = {}
        for one in operations:
            if "{" not in one.path:
                self._exact.setdefault((one.method, one.path), Route(one.name, one.level, {}))
            else:
                self._patterns.setdefault(one.method, []).append((compile_path(one.path)[0], one))

    def find(self, method: str, path: str) -> Route:
        method = "GET" if method == "HEAD" else method
        if route := self._exact.get((method, path)):
            return route
        for pattern, one in self._patterns.get(method, ()):
            if found := pattern.match(path):
                return Route(one.name, one.level, found.groupdict())
        return NONE


def all_routes() -> Routes:
    """Every operation that nodes of this version have."""
    from gemgate.web import app  # noqa: F401, PLC0415 - importing the modules fills the table

    return Routes(OPERATIONS)
