"""What calls cost: for operators by whatever they ask, for a key its own numbers as OpenAI tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from gemgate.caller import NO_BUDGET, Left
from gemgate.dialects.openai_usage import RESULTS, UsageQuery, bucket_page, read_usage_query
from gemgate.dialects.rows import JSON
from gemgate.errors import NotFound
from gemgate.ports.usage import DIMENSIONS, UsageQuestion
from gemgate.telemetry import usage_views
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation

if TYPE_CHECKING:
    from gemgate.dialects.shapes import figures as shapes

router = Router()

QUERY = {"by": "string", "from": "string", "to": "string", "format": "string"} | {
    name: "string" for name in DIMENSIONS if name not in ("day", "hour")
}


@operation(
    router,
    "GET",
    "/api/usage",
    "usage",
    group="any",
    answers="figures.UsageAnswer",
    produces=(JSON, "text/csv"),
    level="admin",
    query=QUERY,
    summary="Usage, by what you ask",
)
async def usage(context: NodeContext) -> Response:
    """`format=csv` (or `Accept: text/csv`) for spreadsheets."""
    ledger, request = context.service.usage, context.request
    asked = usage_views.question(request.query_params, context.service.clock.now())
    await ledger.written()
    rows = usage_views.checked(await ledger.store.ask(asked))
    wants_csv = "text/csv" in request.headers.get("accept", "")
    if request.query_params.get("format", "csv" if wants_csv else "json").lower() != "csv":
        return json_response(usage_views.to_json(asked, rows))
    named = {"content-disposition": 'attachment; filename="usage.csv"'}
    return Response(usage_views.to_csv(asked, rows), headers=named, media_type="text/csv")


@operation(
    router,
    "GET",
    "/api/budgets",
    "budgets",
    group="any",
    answers="figures.Budgets",
    level="admin",
    summary="What is left of every budget",
)
async def budgets(context: NodeContext) -> Response:
    """Limits in force now: of all keys together, and of each key that may call. The key without a name stands for the
    callers without one. `resets_at`: epoch seconds, null for `at_once`.
    """
    store, now = context.service.gateway.budgets, context.service.clock.now()
    configured = context.state.settings.api_keys
    keys = {key.name: NO_BUDGET for key in configured} if configured else {"": NO_BUDGET}
    keys |= {key.name: key.budget for key in context.access.keybook.keys if key.holds(now)}
    found = await store.standing(keys) if store else {}
    return json_response(
        {
            "now": now,
            "all": _left(found.get(None, ()), now),
            "keys": [{"name": name, "left": _left(left, now)} for name in keys if (left := found.get(name, ()))],
        }
    )


def _left(left: Sequence[Left], now: float) -> list[shapes.BudgetLeft]:
    return [
        {
            "name": one.name,
            "limit": one.limit,
            "left": one.remaining,
            "resets_at": round(now + one.reset, 3) if one.reset else None,
        }
        for one in left
    ]


OWN = {
    "start_time": "integer", "end_time": "integer", "bucket_width": "string", "group_by": "string",
    "models": "string", "limit": "integer", "page": "string",
}  # fmt: skip


@operation(
    router,
    "GET",
    "/v1/organization/usage/{what}",
    "usage.organization",
    group="any",
    answers="openai.UsageBuckets",
    query=OWN,
    summary="A key's own usage, in OpenAI's shape",
)
async def organization(context: NodeContext) -> Response:
    """`what`: completions, images, audio_transcriptions. A key sees its own numbers; an admin those of all keys."""
    what = context.request.path_params["what"]
    if what not in RESULTS:
        raise NotFound(
            f"There is no usage of {what[:40]} here; there is: {', '.join(RESULTS)}",
            f"没有 {what[:40]} 的用量；可用的有：{'、'.join(RESULTS)}",
            code="not_offered",
        )
    asked = read_usage_query(context.request.query_params.multi_items(), context.service.clock.now())
    await context.service.usage.written()
    return json_response(bucket_page(what, asked, await _found(context, what, asked)))


async def _found(context: NodeContext, what: str, asked: UsageQuery) -> list[tuple[dict[str, Any], Any]]:
    """Rows of the asked time and kinds, each with what it is of."""
    by = ("day", *(("hour",) if asked.hourly else ()), "key", "model", "kind")
    caller = context.caller
    where = () if caller.admin and not caller.tenant else (("key", caller.tenant),)
    question = UsageQuestion(by, asked.since_day, asked.until_day, where, usage_views.MOST + 1)
    rows = usage_views.checked(await context.service.usage.store.ask(question))
    found = [(dict(zip(by, row.of, strict=True)), row.sums) for row in rows]
    return [(of, sums) for of, sums in found if str(of["kind"]).rpartition("_")[2] in RESULTS[what].kinds]
