"""Who is told of accounts' troubles: set up here, tried out here. An address is a secret and never shown again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pydantic import Field
from starlette.responses import Response

from gemgate.alerts.channels import Channel, channel_of
from gemgate.assembly.loops import alert_channels
from gemgate.dialects import wire
from gemgate.errors import BadRequest, NotFound
from gemgate.policy.alert_address import host_of
from gemgate.ports.alerts import AlertChannel, ChannelKind
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

BODY = 10_000


class ChannelRequest(wire.Body):
    """Body of POST /api/alerts. `url`: as docs/operations.md has it for each kind; all but its host is a secret."""

    kind: ChannelKind
    url: str = Field(min_length=1, max_length=2000, repr=False)


@operation(
    router,
    "GET",
    "/api/alerts",
    "alerts.list",
    group="any",
    answers="operating.Alerts",
    level="admin",
    summary="Channels of alerts, and what was told",
)
async def listing(context: NodeContext) -> Response:
    """Those of the settings have their setting's name as id. Of addresses only the host is shown. `told` has what
    nobody took as well, with `taken` false.
    """
    service = context.service
    fixed = [
        {
            "id": name,
            "kind": channel.kind,
            "host": host_of(channel.kind, channel.url),
            "origin": _setting(name),
            "usable": True,
        }
        for name, channel in alert_channels(service.settings).items()
    ]
    kept = [_shown(channel) for channel in await service.alert_store.channels()]
    sent = [
        {
            "at": one.at,
            "account": one.account or None,
            "kind": one.kind,
            "of": one.of,
            "over": one.over,
            "taken": one.taken,
        }
        for one in await service.alerts.sent()
    ]
    return json_response({"channels": [*fixed, *kept], "told": sent})


@operation(
    router,
    "POST",
    "/api/alerts",
    "alerts.add",
    group="any",
    answers="operating.AlertChannel",
    level="admin",
    body=ChannelRequest,
    success=201,
    summary="Add a channel of alerts",
)
async def add(context: NodeContext) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(ChannelRequest, lambda body: body))
    url = body.url.strip()
    channel = AlertChannel(
        f"alert_{secrets.token_hex(8)}", body.kind, host_of(body.kind, url), url, context.service.clock.now()
    )
    await context.service.alert_store.add(channel)
    await context.service.audit(context.caller, "alert channel added", "", f"{channel.kind} {channel.host}")
    return json_response(_shown(channel), 201)


@operation(
    router,
    "POST",
    "/api/alerts/{channel_id}/test",
    "alerts.test",
    group="any",
    answers="operating.AlertTest",
    level="admin",
    summary="Send a test to a channel",
)
async def test(context: NodeContext) -> Response:
    """`taken`, and `why` not: an HTTP status, the service's own code, or what kind of error it was."""
    why = await context.service.alerts.send_test(await _channel(context, context.request.path_params["channel_id"]))
    return json_response({"taken": not why, "why": why})


@operation(
    router,
    "DELETE",
    "/api/alerts/{channel_id}",
    "alerts.remove",
    group="any",
    answers="operating.RemovedAlert",
    level="admin",
    summary="Forget a channel of alerts",
)
async def remove(context: NodeContext) -> Response:
    channel_id = context.request.path_params["channel_id"]
    if channel_id in alert_channels(context.service.settings):
        name = _setting(channel_id)
        raise BadRequest(f"This channel is set by {name}; change the setting", f"该渠道由 {name} 设置，请修改该设置")
    if not await context.service.alert_store.remove(channel_id):
        raise _no_channel(channel_id)
    await context.service.audit(context.caller, "alert channel removed", "", channel_id[:40])
    return json_response({"id": channel_id, "removed": True})


async def _channel(context: NodeContext, channel_id: str) -> Channel:
    """NotFound; BadRequest when its address cannot be opened any more."""
    if (fixed := alert_channels(context.service.settings).get(channel_id)) is not None:
        return fixed
    for kept in await context.service.alert_store.channels():
        if kept.id == channel_id:
            if not kept.url:
                raise BadRequest(
                    "Its address was encrypted with a key that is gone; add the channel anew",
                    "其地址由已丢失的密钥加密，请重新添加该渠道",
                    code="cookie_key_lost",
                )
            return channel_of(kept)
    raise _no_channel(channel_id)


def _no_channel(channel_id: str) -> NotFound:
    return NotFound(
        f"There is no channel {channel_id[:40]}", f"渠道 {channel_id[:40]} 不存在", code="channel_not_found"
    )


def _setting(channel_id: str) -> str:
    """The setting that a fixed channel comes from."""
    return channel_id.partition(":")[0]


def _shown(channel: AlertChannel) -> shapes.AlertChannel:
    return {
        "id": channel.id,
        "kind": channel.kind,
        "host": channel.host,
        "origin": "page",
        "usable": bool(channel.url),
        "created_at": channel.created_at,
    }
