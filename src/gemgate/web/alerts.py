"""Who is alerted: set up on the page or in the settings, tried out with a test. Addresses are never shown again."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from pydantic import Field

from gemgate.dialects import wire
from gemgate.errors import BadRequest, NotFound
from gemgate.ports import AlertPlace, Caller
from gemgate.web.answers import json_response
from gemgate.web.call import call_of
from gemgate.web.operation import operation
from gemgate.web.reading import model_reader, read_with

router = APIRouter()

BODY = 10_000
MOST = 20


class AlertRequest(wire.Body):
    """Body of POST /api/alerts. `url`: where a webhook takes JSON, or `https://SERVER/KEY` of Bark."""

    kind: Literal["webhook", "bark"]
    url: str = Field(min_length=8, max_length=2000)


@operation(router, "GET", "/api/alerts", "alerts.list", level="admin", summary="Who is alerted")
async def listing(request: Request, caller: Caller) -> Response:
    service = call_of(request).service
    settings = service.settings
    rows: list[dict[str, object]] = [_shown(place) for place in await service.alert_places.all()]
    for kind, secret in (("webhook", settings.alert_webhook_url), ("bark", settings.alert_bark_url)):
        if secret:
            where = _host(secret.get_secret_value())
            rows.append({"id": None, "kind": kind, "where": where, "origin": "settings", "created_at": None})
    return json_response({"channels": rows})


@operation(router, "POST", "/api/alerts", "alerts.add", level="admin", body=AlertRequest, summary="Alert somebody more")
async def add(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    body, _ = await read_with(request, BODY, model_reader(AlertRequest, lambda body: body))
    parts = urlsplit(body.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadRequest(
            "An address begins with http:// or https://", "地址必须以 http:// 或 https:// 开头", param="url"
        )
    if len(await call.service.alert_places.all()) >= MOST:
        raise BadRequest(f"{MOST} addresses are enough; remove one first", f"最多 {MOST} 个地址，请先移除一个")
    place = await call.service.alert_places.add(body.kind, body.url, call.service.clock.now())
    await call.service.roster.note(caller, "alert added", "", f"{place.kind} {place.place}")
    return json_response(_shown(place), 201)


@operation(router, "DELETE", "/api/alerts/{alert_id}", "alerts.remove", level="admin", summary="Alert somebody no more")
async def remove(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    alert_id = request.path_params["alert_id"]
    if not await call.service.alert_places.remove(alert_id):
        raise NotFound(f"There is no alert {alert_id[:40]}", f"提醒 {alert_id[:40]} 不存在")
    await call.service.roster.note(caller, "alert removed", "", alert_id)
    return json_response({"id": alert_id, "removed": True})


@operation(router, "POST", "/api/alerts/test", "alerts.test", level="admin", summary="Send everybody a test")
async def test(request: Request, caller: Caller) -> Response:
    """Once to each; why it was not taken, where it was not."""
    tried = await call_of(request).service.alerts.try_out()
    results = [
        {"kind": channel.name, "where": _host(channel.url), "taken": not why, "why": why or None}
        for channel, why in tried
    ]
    return json_response({"results": results})


def _shown(place: AlertPlace) -> dict[str, object]:
    return {
        "id": place.id,
        "kind": place.kind,
        "where": place.place,
        "origin": "page",
        "created_at": place.created_at,
    }


def _host(url: str) -> str:
    """What may be shown of an address."""
    return urlsplit(url).netloc.rpartition("@")[2]
