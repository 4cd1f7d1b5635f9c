"""What could be done by when, before it is ordered."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from starlette.responses import Response

from gemgate.dialects.wire import rfc3339
from gemgate.errors import BadRequest, said
from gemgate.web.context import NodeContext
from gemgate.web.forecasts import told
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()

MOST_IMAGES = 1_000_000
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@operation(
    router, "GET", "/v1/capacity", "batch.capacity", group="batches", answers="simple.Capacity",
    query={"images": "integer", "by": "string", "priority": "integer", "concurrency": "integer"},
    summary="When so many pictures would be done if they were ordered now, and how many by a time",
)  # fmt: skip
async def capacity(context: NodeContext) -> Response:
    """Nothing is ordered. `by` is a time of day of the gateway's clock (07:00), or a moment (RFC 3339)."""
    request, now = context.request, context.service.clock.now()
    images = whole_number(request, "images", 1, least=1, most=MOST_IMAGES)
    priority = whole_number(request, "priority", 0, least=-100, most=100)
    lanes = whole_number(request, "concurrency", 0, least=0, most=10_000)
    by = _moment(request.query_params.get("by", ""), now)
    planned = await context.service.jobs.planner.of_order("image", images, priority=priority, lanes=lanes)
    done = planned.done_by(by) if by is not None else None
    return json_response(
        {
            "object": "capacity",
            "images": images,
            "at": rfc3339(now),
            "by": rfc3339(by) if by is not None else None,
            "done_by": done,
            "enough": done >= images if done is not None else None,
            **told(planned, now, context.caller.language),
        }
    )


def _moment(text: str, now: float) -> float | None:
    """Epoch seconds of what `by` names; the next such time of day. BadRequest for what is neither."""
    if not text:
        return None
    here = datetime.fromtimestamp(now).astimezone()
    if clock := _CLOCK.fullmatch(text):
        named = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return (named if named > here else named + timedelta(days=1)).timestamp()
    try:
        moment = datetime.fromisoformat(text[:40])
        return (moment if moment.tzinfo else moment.replace(tzinfo=here.tzinfo)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise BadRequest(
            f"by must be a time of day such as 07:00, or a moment such as 2026-11-30T07:00:00Z, not {said(text)!r}",
            f"by 应为时间（如 07:00）或时刻（如 2026-11-30T07:00:00Z），而不是 {said(text)!r}",
            param="by",
        ) from None
