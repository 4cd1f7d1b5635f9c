"""How the gateway of a fleet is: health, readiness, figures. Everything stands in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from gemgate.catalog import DEFAULT_MODEL, resolve
from gemgate.fleet.nodes import Fleet, NodeRequirements
from gemgate.lazy_import import later, load
from gemgate.version import __version__
from gemgate.web.context import FrontContext, RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.relay.metrics import RelayMetrics
from gemgate.web.routes.status import refusing

if TYPE_CHECKING:
    from prometheus_client import exposition
else:
    exposition = later("prometheus_client.exposition")

router = Router()

TEXT = NodeRequirements(resolve(DEFAULT_MODEL, ()))
"""A plain chat: what a fleet that is ready can take."""


@operation(
    router,
    "GET",
    "/health",
    "health",
    group="any",
    level="open",
    summary="How the gateway and its nodes are, in figures",
)
async def health(context: FrontContext) -> Response:
    language = context.caller.language
    figures = health_of(context.fleet, watermark=context.state.settings.watermark_removal)
    return json_response(figures | {"degraded": [*context.state.troubles(language), *_unable(context.fleet, language)]})


def health_of(fleet: Fleet, *, watermark: bool) -> dict[str, Any]:
    able = fleet.able(TEXT)
    return {
        "status": "ok",
        "role": "gateway",
        "version": __version__,
        "client_ready": bool(able),
        "watermark_removal": watermark,
        "concurrency": {
            "max": sum(one.node.report.lanes for one in able),
            "available": sum(max(0, one.node.report.lanes - one.load) for one in able),
        },
        "nodes": dict(fleet.words()),
    }


@operation(
    router,
    "GET",
    "/ready",
    "ready",
    group="any",
    level="open",
    summary="200 when a node can take a call, 503 and why otherwise",
)
async def ready(context: FrontContext) -> Response:
    state, language = context.state, context.caller.language
    if reasons := refusing(state.machine, language) or _unable(context.fleet, language):
        return json_response({"ready": False, "reasons": reasons}, 503)
    degraded = state.troubles(language)
    return json_response({"ready": True, **({"degraded": degraded} if degraded else {})})


def _unable(fleet: Fleet, language: str) -> list[str]:
    """Why no node takes a plain chat, each in its own words; empty when one does."""
    return [] if fleet.able(TEXT) else [fleet.no_node_error(TEXT).text(language)]


@operation(
    router,
    "GET",
    "/metrics",
    "metrics",
    group="any",
    level="admin",
    produces=("text/plain",),
    summary="Prometheus figures",
)
async def metrics(context: RequestContext) -> Response:
    figures: RelayMetrics = context.request.app.state.metrics
    await load(exposition)
    # Operations, nodes and statuses multiply: nobody waits for their text.
    text = await asyncio.to_thread(exposition.generate_latest, figures.read())
    return Response(text, media_type=exposition.CONTENT_TYPE_LATEST)
