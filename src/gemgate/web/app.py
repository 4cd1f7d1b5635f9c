"""The web application: routes of all dialects behind one door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from gemgate.assembly import Service, open_service
from gemgate.errors import GatewayError
from gemgate.settings import Settings
from gemgate.version import __version__
from gemgate.web import (
    accounts,
    alerts,
    anthropic,
    batches,
    chat,
    configuration,
    context,
    conversations,
    files,
    gallery,
    gemini,
    gemini_files,
    images,
    keys,
    models,
    openai_batches,
    overview,
    page,
    requests,
    responses,
    sessions,
    status,
)
from gemgate.web.access import Access
from gemgate.web.door import Door, refused
from gemgate.web.notices import Notices
from gemgate.web.operation import BODIES
from gemgate.web.reading import CallerLeft
from gemgate.web.relay import nodes

PARTS = (
    chat,
    responses,
    anthropic,
    gemini,
    gemini_files,
    models,
    images,
    batches,
    openai_batches,
    files,
    context,
    conversations,
    accounts,
    alerts,
    gallery,
    keys,
    sessions,
    overview,
    configuration,
    requests,
    nodes,
    page,
    status,
)
"""Modules with routes. Earlier ones win where paths overlap."""


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
    notices = Notices()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            running = service
            if running is None:
                running = await stack.enter_async_context(open_service(settings))
            access = holder.access or Access(settings, running.keys, running.clock)
            holder.service, holder.access = running, access
            running.origins = origins or {}
            running.observer.add(notices)
            running.run("keys", access.keybook.tend)
            yield

    if service is not None:
        holder.service, holder.access = service, Access(settings, service.keys, service.clock)
    api = FastAPI(
        title="gemgate",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        exception_handlers={GatewayError: refused, HTTPException: refused, CallerLeft: refused, Exception: refused},
    )
    for part in PARTS:
        api.include_router(part.router)
    api.openapi = lambda: openapi_document(api)  # type: ignore[method-assign]
    return Door(api, holder.get, notices)


def openapi_document(api: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes, with the wire models of the dialects as components."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, routes=api.routes)
        bodies = sorted(BODIES, key=lambda body: body.__name__)
        _, schemas = models_json_schema(
            [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
        )
        components = document.setdefault("components", {}).setdefault("schemas", {})
        components.update(schemas.get("$defs", {}))
        api.openapi_schema = document
    return api.openapi_schema
