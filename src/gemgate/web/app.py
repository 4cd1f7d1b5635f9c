"""The web application: routes of all dialects behind one door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from gemgate.assembly.node import open_service
from gemgate.assembly.service import Service
from gemgate.settings import Settings
from gemgate.web.auth import key_cache
from gemgate.web.auth.access import Access
from gemgate.web.context import context_of, node_request
from gemgate.web.document_in_chinese import in_chinese
from gemgate.web.interim import PromptSentNotifier
from gemgate.web.middleware import RequestMiddleware
from gemgate.web.operation import Router as Operations
from gemgate.web.routes import node_routers


class _Holder:
    """The service of one application, there from the end of start-up to the beginning of shutdown."""

    def __init__(self) -> None:
        self.service: Service | None = None
        self.access: Access | None = None

    def get(self) -> tuple[Service, Access]:
        assert self.service is not None, "the application has not been started"
        assert self.access is not None
        return self.service, self.access


def create_app(settings: Settings, service: Service | None = None, origins: Mapping[str, str] | None = None) -> ASGIApp:
    """The ASGI application. With `service` it serves that one and leaves it open; else it opens and closes its own.

    origins: where each setting came from, for the page.
    """
    holder = _Holder()
    notices = PromptSentNotifier()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            running = service
            if running is None:
                running = await stack.enter_async_context(open_service(settings))
            access = holder.access or Access(settings, running.keys, running.clock)
            holder.service, holder.access = running, access
            running.origins = origins or {}
            running.observer.add(notices)
            every = key_cache.ALONE if running.database.is_sqlite else key_cache.EVERY
            running.run("keys", lambda: access.keybook.run(every))
            yield

    if service is not None:
        holder.service, holder.access = service, Access(settings, service.keys, service.clock)
    api = served(node_routers(), lifespan)
    api.router.routes.insert(0, Route("/openapi.json", _openapi, name="openapi"))
    return RequestMiddleware(api, lambda request_id: node_request(*holder.get(), request_id), notices)


class _Routes(Starlette):
    """Routes and nothing round them: what they raise, the door answers.

    A path that a route names as it stands is tried with the routes that fit it, in their order; others with all.
    """

    @cached_property
    def _fitting(self) -> dict[str, Router | None]:
        return {route.path: None for route in self.router.routes if isinstance(route, Route) and "{" not in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        router = self._router_of(scope["path"]) if scope["type"] == "http" and not scope.get("root_path") else None
        await (router or self.router).app(scope, receive, send)

    def _router_of(self, path: str) -> Router | None:
        """The routes that fit a path, found when it is first asked for; None where the path has parameters."""
        if path in self._fitting and self._fitting[path] is None:
            fitting = [one for one in self.router.routes if isinstance(one, Route) and one.path_regex.match(path)]
            self._fitting[path] = Router(fitting, redirect_slashes=False)
        return self._fitting.get(path)


def served(routers: Iterable[Operations], lifespan: Lifespan[Starlette]) -> Starlette:
    """An application of these routes."""
    api = _Routes(routes=[entry.route for router in routers for entry in router.routes], lifespan=lifespan)
    api.router.redirect_slashes = False
    return api


async def _openapi(request: Request) -> Response:
    """Open, but where only this machine may call not under a foreign Host."""
    context_of(request).access.check_browser(request.headers)
    below = request.scope.get("root_path", "").rstrip("/")
    document = await asyncio.to_thread(_document, request.headers.get("accept-language", ""))
    told = {**document, "servers": [{"url": below}]} if below else document
    return JSONResponse(told, headers={"vary": "accept-language"})


def _document(language: str) -> dict[str, Any]:
    from gemgate.web.document import openapi_document  # noqa: PLC0415 - for who asks for it, see `document`

    document = openapi_document()
    return in_chinese(document) if language.lower().startswith("zh") else document
