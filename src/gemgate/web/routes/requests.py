"""The last requests, and the story of one: who took it, why, what was done when something failed, where time went.

An admin sees all of them; a client only its own, without the names of accounts. Nobody sees a prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.digits import whole
from gemgate.errors import BadRequest, NotFound
from gemgate.telemetry.request_record import RequestRecord
from gemgate.telemetry.views import to_json, to_json_detailed
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()

FILTERS = {"operation": "string", "status": "string", "account": "string", "key": "string"}


@operation(
    router,
    "GET",
    "/api/requests",
    "requests.list",
    group="any",
    answers="figures.Requests",
    level="admin",
    query={**FILTERS, "limit": "integer", "cursor": "string"},
    summary="The last requests, newest first",
)
async def listing(context: NodeContext) -> Response:
    """`status`: open, error, a number, or 2xx to 5xx. `cursor`: the `next_cursor` of the page before."""
    recent = context.service.recent
    limit = whole_number(context.request, "limit", 50, least=1, most=200)
    cursor = whole_number(context.request, "cursor", 0, least=0, most=10**11)
    wanted = _wanted(context.request)
    found = (record for record in recent.latest(cursor or None) if wanted(record))
    page = list(islice(found, limit + 1))
    more = len(page) > limit
    rows = [to_json(record) for record in page[:limit]]
    return json_response({"requests": rows, "next_cursor": str(page[limit - 1].number) if more else None})


@operation(
    router,
    "GET",
    "/api/requests/{request_id}",
    "requests.explain",
    group="any",
    answers="figures.RequestExplained",
    summary="One request explained: its attempts, timings and story",
)
async def explain(context: NodeContext) -> Response:
    """The id is the `x-request-id` of its answer. Its caller may ask, and an admin; to all others it does not exist."""
    request_id = context.request.path_params["request_id"][:100]
    record = context.service.recent.get(request_id)
    if record is None or not (context.caller.admin or _same(record, context.caller)):
        raise NotFound(
            f"There is no request {request_id}, or it is too long ago to be remembered",
            f"没有请求 {request_id}，或时间过久已不再保留",
            code="request_not_found",
        )
    return json_response(to_json_detailed(record, names=context.caller.admin))


def _same(record: RequestRecord, caller: Caller) -> bool:
    """Whether a request is the caller's own: of its key, or without keys of its address."""
    return bool(record.client) and (record.tenant, record.client) == (caller.tenant, caller.client)


def _wanted(request: Request) -> Callable[[RequestRecord], bool]:
    """What the query's filters let through."""
    given = {name: value for name in FILTERS if (value := request.query_params.get(name))}
    status = _status(given["status"]) if "status" in given else None

    def wanted(record: RequestRecord) -> bool:
        if "operation" in given and record.operation != given["operation"]:
            return False
        if "key" in given and record.tenant != given["key"]:
            return False
        if "account" in given and all(attempt.account != given["account"] for attempt in record.attempts):
            return False
        return status is None or status(record)

    return wanted


def _status(text: str) -> Callable[[RequestRecord], bool]:
    match text:
        case "open":
            return lambda record: record.seconds is None
        case "error":
            return lambda record: record.trouble is not None or (record.status or 0) >= 400
        case "2xx" | "3xx" | "4xx" | "5xx":
            return lambda record: (record.status or 0) // 100 == int(text[0])
        case _ if len(text) == 3 and (status := whole(text)) is not None:
            return lambda record: record.status == status
    raise BadRequest(
        f"{text[:20]} is no status; use open, error, a number like 429, or 2xx to 5xx",
        f"状态 {text[:20]} 无效，可用：open、error、429 等数字，或 2xx 至 5xx",
        param="status",
    )
