"""Routes that say how the service is: health check, readiness, facts, models, metrics. Cheap, and true at every
moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from starlette.responses import Response

from gemgate.accounts import CAPABILITIES
from gemgate.assembly.service import Service
from gemgate.batches import TaskCounts
from gemgate.dialects import simple
from gemgate.errors import StorageDown
from gemgate.lazy_import import later
from gemgate.machine import Machine
from gemgate.telemetry.gauges import gauges
from gemgate.version import __version__
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation

if TYPE_CHECKING:
    from prometheus_client import exposition

    from gemgate.dialects.shapes import operating as shapes
else:
    exposition = later("prometheus_client.exposition")

router = Router()


@operation(
    router,
    "GET",
    "/health",
    "health",
    group="any",
    answers="operating.Health",
    level="open",
    summary="How the service is, in figures",
)
async def health(context: NodeContext) -> Response:
    service = context.service
    figures = health_of(service, context.caller.language)
    try:
        tally = sum((await service.jobs.store.stats()).values(), TaskCounts())
        figures["task_stats"] = {
            "pending": tally.queued,
            "processing": tally.running,
            "completed": tally.done,
            "failed": tally.failed,
            "total": tally.total,
        }
        figures["storage"]["total_images"] = await service.gallery.count()
        figures["conversations"]["total"] = await service.gateway.conversations.store.count()
    except StorageDown as error:
        if error.text(context.caller.language) not in figures["degraded"]:
            figures["degraded"].append(error.text(context.caller.language))
    return json_response(figures)


def health_of(service: Service, language: str = "en") -> shapes.Health:
    """The figures of docs/client-contracts.md 7, each read where it is decided; those of the database are added by the
    route.
    """
    accounts = service.pool.accounts
    now = service.clock.monotonic()
    lanes = sum(m.lanes for m in accounts)
    busy = sum(m.busy for m in accounts)
    return {
        "status": "ok",
        "version": __version__,
        "client_ready": service.pool.answers("text"),
        "watermark_removal": service.settings.watermark_removal,
        "rate_limiter": {
            "current_delay": max((m.pacer.current_delay for m in accounts), default=0.0),
            "requests_last_minute": sum(m.pacer.in_last_minute(now) for m in accounts),
            "consecutive_429s": max((m.pacer.consecutive_429s for m in accounts), default=0),
            "rpm_limit": service.settings.rpm_limit,
        },
        "task_stats": {"pending": 0, "processing": 0, "completed": 0, "failed": 0, "total": 0},
        "concurrency": {"max": lanes, "available": max(0, lanes - busy)},
        "storage": {"total_images": 0},
        "conversations": {"total": 0, "active_in_memory": service.gateway.conversations.under_way},
        "degraded": [*service.troubles(language), *unable(service, language)],
        "accounts": dict(sorted(Counter(m.status().state for m in accounts).items())),
        "capabilities": {one: service.pool.answers(one) for one in CAPABILITIES},
    }


@operation(
    router,
    "GET",
    "/ready",
    "ready",
    group="any",
    answers="operating.Ready",
    errors=("operating.Ready",),
    level="open",
    summary="200 when a call can be served, 503 and why otherwise",
)
async def ready(context: NodeContext) -> Response:
    service = context.service
    language = context.caller.language
    if reasons := [*refusing(service.machine, language), *unable(service, language)]:
        return json_response({"ready": False, "reasons": reasons}, 503)
    degraded = service.troubles(language)
    return json_response({"ready": True, **({"degraded": degraded} if degraded else {})})


def unable(service: Service, language: str) -> list[str]:
    """Why no account answers text; empty when one does."""
    return [] if service.pool.answers("text") else [service.pool.no_account_error("text").text(language)]


def refusing(machine: Machine, language: str) -> list[str]:
    """For what shortage of the machine new calls are refused."""
    return [one.text(language) for one in machine.shortages if one.part in ("memory", "descriptors")]


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
async def metrics(context: NodeContext) -> Response:
    service = context.service
    try:
        tallies = await service.jobs.store.stats()
    except StorageDown:  # the other figures are wanted all the more
        tallies = None
    status = list(
        gauges(
            service.pool,
            service.clock,
            tallies,
            degraded=bool(service.limiter.degraded),
            spooled=service.blobs.waiting,
            unwritten=service.usage.unwritten,
            short=[shortage.part for shortage in service.machine.shortages],
        )
    )
    # Some thousand series, once models, accounts and outcomes have met: nobody waits for their text.
    text = await asyncio.to_thread(service.metrics.text, status)
    return Response(text, media_type=exposition.CONTENT_TYPE_LATEST)


@operation(
    router,
    "GET",
    "/api/info",
    "info",
    group="any",
    answers="operating.Info",
    summary="What this service is and where its routes are",
)
async def info(context: NodeContext) -> Response:
    settings = context.service.settings
    return json_response(
        {
            "service": "gemgate",
            "version": __version__,
            "features": {"chat": True, "streaming": True, "watermark_removal": settings.watermark_removal},
            "endpoints": {
                "openai": "/v1/chat/completions",
                "models": "/v1/models",
                "generate": "/v1/generate",
                "health": "/health",
                "openapi": "/openapi.json",
            },
        }
    )


@operation(
    router,
    "GET",
    "/api/models",
    "api.models",
    group="any",
    answers="simple.Catalogue",
    summary="The catalogue by kind, and the default",
)
async def api_models(context: NodeContext) -> Response:
    service = context.service
    return json_response(
        simple.write_models(service.gateway.models(), service.settings.default_model, context.caller.language)
    )
