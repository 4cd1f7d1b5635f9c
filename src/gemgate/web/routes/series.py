"""Calls over time, for the charts of the page: what this process has counted since it started."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gemgate.errors import BadRequest
from gemgate.telemetry.series import STEPS, series_json
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation

router = Router()


@operation(
    router,
    "GET",
    "/api/series",
    "series",
    group="any",
    answers="figures.Series",
    level="admin",
    query={"step": "string"},
    summary="Calls, failures, images, tokens and durations over time, since the start",
)
async def series(context: NodeContext) -> Response:
    """`step`: minute (three hours of them), quarter (two days) or hour (a month). Steps without a call are left out."""
    service, step = context.service, step_of(context.request)
    return json_response(series_json(step, service.clock.now(), service.started_at, service.series.points(step)))


def step_of(request: Request) -> str:
    """The query's step; BadRequest."""
    step = request.query_params.get("step", "minute")
    if step not in STEPS:
        raise BadRequest(
            f"{step[:20]} is no step; use {', '.join(STEPS)}",
            f"步长 {step[:20]} 无效，可用：{'、'.join(STEPS)}",
            param="step",
        )
    return step
