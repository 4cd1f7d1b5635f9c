"""Keys made on the page: for whom, for what, with which limit. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from gemgate import catalog
from gemgate.caller import MOST, Budget
from gemgate.dialects import wire
from gemgate.errors import Conflict
from gemgate.ports.keys import ClientKey
from gemgate.settings.api_keys import ApiKey
from gemgate.web.context import RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

BODY = 20_000
DAY = 86_400.0

Amount = Annotated[int, Field(ge=0, le=MOST)] | None
Group = Literal["chat", "images", "batches", "files"]


class BudgetBody(wire.Body):
    """What a key may use in a day and a month (UTC), and how many calls at once; null or absent: any number."""

    calls_per_day: Amount = None
    calls_per_month: Amount = None
    tokens_per_day: Amount = None
    tokens_per_month: Amount = None
    images_per_day: Amount = None
    images_per_month: Amount = None
    videos_per_day: Amount = None
    videos_per_month: Amount = None
    at_once: Amount = None

    def meant(self) -> Budget:
        return Budget.of(self.model_dump())


class KeyChange(wire.Body):
    """Body of PATCH /api/keys/{key_id}. The budget stands in the place of the one before."""

    budget: BudgetBody


class KeyRequest(wire.Body):
    """Body of POST /api/keys. Empty `models` or `operations`: all of them. `per_hour` none: the general limit."""

    name: str = Field(pattern=r"^[\w.@-]{1,40}$")
    models: list[str] = Field(default=[], max_length=50)
    operations: list[Group] = Field(default=[])
    per_hour: int | None = Field(default=None, ge=0)
    budget: BudgetBody = BudgetBody()
    days: float | None = Field(default=None, gt=0, le=3650)


@operation(
    router,
    "GET",
    "/api/keys",
    "keys.list",
    group="any",
    answers="operating.Keys",
    level="admin",
    summary="Client keys and the limits in force",
)
async def listing(context: RequestContext) -> Response:
    """Those of API_KEY, which only the settings can change, and those made here."""
    settings = context.state.settings
    now = context.state.clock.now()
    rows = [_made(key, now) for key in context.access.keybook.keys] + [_configured(key) for key in settings.api_keys]
    limits = {
        "per_hour": settings.rate_limit_per_hour,
        "model_interval_seconds": settings.model_interval_seconds,
        "rpm_limit": settings.rpm_limit,
        "budget": dict(Budget.parse(settings.budget).limits),
        "key_budget": dict(Budget.parse(settings.key_budget).limits),
        "concurrency": settings.concurrency,
        "degraded": context.state.degraded,
    }
    return json_response({"keys": rows, "limits": limits, "needed": bool(settings.api_keys)})


@operation(
    router,
    "POST",
    "/api/keys",
    "keys.make",
    group="any",
    answers="operating.NewKey",
    level="admin",
    body=KeyRequest,
    success=201,
    summary="Make a client key",
)
async def make(context: RequestContext) -> Response:
    """The answer's `key` is the only time that the secret is told."""
    body, _ = await read_with(context.request, BODY, model_reader(KeyRequest, lambda body: body))
    if body.name in {key.name for key in context.state.settings.api_keys}:
        raise Conflict(
            f"API_KEY has a key named {body.name}; choose another name",
            f"API_KEY 中已有名为 {body.name} 的密钥，请换一个名称",
            param="name",
            code="key_exists",
        )
    offers = context.state.models()
    models = {catalog.resolve(model, offers).id for model in body.models}
    key, secret = await context.access.keybook.make_key(
        body.name, models=models, operations=body.operations, per_hour=body.per_hour, seconds=(body.days or 0) * DAY,
        budget=body.budget.meant(),
    )  # fmt: skip
    await _note(context, "key made", key)
    shown = {**_made(key, context.state.clock.now()), "key": secret}
    return json_response(shown, 201, {"cache-control": "no-store"})


@operation(
    router,
    "PATCH",
    "/api/keys/{key_id}",
    "keys.change",
    group="any",
    answers="operating.ClientKey",
    level="admin",
    body=KeyChange,
    summary="Give a key another budget",
)
async def change(context: RequestContext) -> Response:
    """What the day and the month have used so far stays counted."""
    body, _ = await read_with(context.request, BODY, model_reader(KeyChange, lambda body: body))
    key = await context.access.keybook.set_budget(context.request.path_params["key_id"], body.budget.meant())
    await _note(context, "key changed", key)
    return json_response(_made(key, context.state.clock.now()))


@operation(
    router,
    "DELETE",
    "/api/keys/{key_id}",
    "keys.revoke",
    group="any",
    answers="operating.RevokedKey",
    level="admin",
    summary="Revoke a key at once",
)
async def revoke(context: RequestContext) -> Response:
    key = await context.access.keybook.revoke_key(context.request.path_params["key_id"])
    await _note(context, "key revoked", key)
    return json_response({"id": key.id, "revoked": True})


async def _note(context: RequestContext, action: str, key: ClientKey) -> None:
    await context.state.audit(context.caller, action, "", key.name)


def _made(key: ClientKey, now: float) -> shapes.ClientKey:
    state: shapes.KeyState = "active" if key.holds(now) else "revoked" if key.revoked_at else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "origin": "page",
        "state": state,
        "hint": key.hint,
        "models": sorted(key.models),
        "operations": sorted(key.operations),
        "per_hour": key.per_hour,
        "budget": dict(key.budget.limits),
        "created_at": key.created_at,
        "expires_at": key.expires_at or None,
        "revoked_at": key.revoked_at or None,
        "used_at": key.used_at or None,
    }


def _configured(key: ApiKey) -> shapes.ClientKey:
    return {"name": key.name, "origin": "API_KEY", "state": "active", "per_hour": key.per_hour}
