"""A request finds the route that a walk over all of them in their order finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from gemgate.web.app import served
from gemgate.web.routes import node_routers

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@asynccontextmanager
async def nothing(_: Starlette) -> AsyncIterator[None]:
    yield


async def never(*_: Any) -> Any:
    raise AssertionError("nobody is served here")


def walked(api: Starlette, scope: dict[str, Any]) -> Route | int:
    """The first route that takes the request; 405 where only its method is wrong, 404 where no path fits."""
    matches = [(route.matches(scope)[0], route) for route in api.router.routes]
    full = [route for match, route in matches if match is Match.FULL and isinstance(route, Route)]
    return full[0] if full else 405 if any(match is Match.PARTIAL for match, _ in matches) else 404


@pytest.mark.parametrize("below", ["", "/below"])
async def test_the_route_of_every_path_is_the_first_that_takes_it(below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Route] = []

    async def take(self: Route, *_: Any) -> None:
        taken.append(self)

    api = served(node_routers(), nothing)
    paths = {route.path for route in api.router.routes if isinstance(route, Route)}
    with_parameters = {path.replace("{", "").replace(":path}", "").replace("}", "") for path in paths}
    asked = [(method, path) for path in sorted(paths | with_parameters | {"/nowhere"}) for method in METHODS]
    wanted = [
        walked(api, {"type": "http", "method": method, "path": below + path, "root_path": below})
        for method, path in asked
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Route, "handle", take)
        for (method, path), expected in zip(asked, wanted, strict=True):
            if isinstance(expected, Route):
                await api({"type": "http", "method": method, "path": below + path, "root_path": below}, never, never)
                assert taken.pop() is expected, (method, path)
    for (method, path), expected in zip(asked, wanted, strict=True):
        if isinstance(expected, int):
            with pytest.raises(HTTPException) as refused:
                await api({"type": "http", "method": method, "path": below + path, "root_path": below}, never, never)
            assert refused.value.status_code == expected, (method, path)
    assert {status for status in wanted if isinstance(status, int)} == {404, 405}


async def test_a_path_without_parameters_meets_only_routes_that_fit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    matches = Route.matches

    def counted(self: Route, scope: Any) -> Any:
        tried.append(self.path)
        return matches(self, scope)

    async def take(*_: Any) -> None:
        pass

    api = served(node_routers(), nothing)
    monkeypatch.setattr(Route, "matches", counted)
    monkeypatch.setattr(Route, "handle", take)
    await api({"type": "http", "method": "POST", "path": "/v1/chat/completions"}, never, never)
    assert tried == ["/v1/chat/completions"]
