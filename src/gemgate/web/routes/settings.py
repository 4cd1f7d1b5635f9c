"""The settings in force and where each came from; secrets only as set or not. Some can be changed here, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import Field, SecretStr
from starlette.responses import Response

from gemgate.assembly.live_settings import LIVE
from gemgate.dialects import wire
from gemgate.errors import StorageDown
from gemgate.pool.registry import actor_of
from gemgate.ports.settings import SettingChange
from gemgate.settings import Settings, shown
from gemgate.settings.sections import about
from gemgate.web.context import RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import operating as shapes

router = Router()

BODY = 20_000


class SettingsChange(wire.Body):
    """Body of PATCH /api/settings: names and new values; null gives one back to file, environment and options."""

    settings: dict[str, Any] = Field(min_length=1, max_length=50)


class SettingUndo(wire.Body):
    """Body of POST /api/settings/undo: which change of which setting."""

    name: str = Field(max_length=100)
    version: int = Field(ge=1)


@operation(
    router,
    "GET",
    "/api/settings",
    "settings",
    group="any",
    answers="operating.SettingsInForce",
    level="admin",
    summary="Settings in force, secrets redacted, and who changed which while running",
)
async def settings_in_force(context: RequestContext) -> Response:
    """`live`: PATCH takes it; `origin` is `database` for those that were changed so. The last 50 `changes`, null while
    the database is away.
    """
    try:
        changes = [_line(one) for one in await context.state.live.store.changes()]
    except StorageDown:
        changes = None
    return json_response({"settings": _rows(context), "changes": changes})


@operation(
    router,
    "PATCH",
    "/api/settings",
    "settings.change",
    group="any",
    answers="operating.SettingsChanged",
    level="admin",
    body=SettingsChange,
    summary="Change settings of all gateways on this database while they run",
)
async def change(context: RequestContext) -> Response:
    """All of them, or none. Other nodes have it within 2 s."""
    body, _ = await read_with(context.request, BODY, model_reader(SettingsChange, lambda body: body))
    return await _changed(context, await context.state.live.change(body.settings, actor_of(context.caller)))


@operation(
    router,
    "POST",
    "/api/settings/undo",
    "settings.undo",
    group="any",
    answers="operating.SettingsChanged",
    level="admin",
    body=SettingUndo,
    summary="Take a change of a setting back",
)
async def undo(context: RequestContext) -> Response:
    """409 when the setting was changed again since."""
    body, _ = await read_with(context.request, BODY, model_reader(SettingUndo, lambda body: body))
    return await _changed(context, await context.state.live.undo(body.name, body.version, actor_of(context.caller)))


async def _changed(context: RequestContext, changes: Sequence[SettingChange]) -> Response:
    for one in changes:
        await context.state.audit(
            context.caller, "setting changed", "", f"{one.name.upper()}: {one.before or '-'} -> {one.after or '-'}"
        )
    return json_response({"changes": [_line(one) for one in changes]})


def _rows(context: RequestContext) -> list[shapes.SettingInForce]:
    state = context.state
    settings, origins, changed = state.settings, state.origins, state.live.changed
    return [
        {
            "name": name.upper(),
            "value": shown(settings, name),
            "origin": "database"
            if name in changed
            else origins.get(name, "given" if name in state.live.base.model_fields_set else "default"),
            "secret": isinstance(getattr(settings, name), SecretStr),
            "about": about(name, context.caller.language),
            "live": _control(name, getattr(settings, name)) if name in LIVE else None,
        }
        for name in Settings.model_fields
    ]


def _control(name: str, value: Any) -> shapes.SettingControl:
    """What a form needs: the kind of the value, and the value itself."""
    kind: Any = Settings.model_fields[name].annotation
    if get_origin(kind) is Literal:
        return {"kind": "choice", "choices": list(get_args(kind)), "value": value}
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if bool in kinds:
        return {"kind": "boolean", "choices": [], "value": value}
    numeric = int in kinds or float in kinds
    return {"kind": "number" if numeric else "text", "choices": [], "value": value}


def _line(one: SettingChange) -> shapes.SettingChanged:
    return {
        "name": one.name.upper(),
        "version": one.version,
        "at": one.at,
        "actor": one.actor,
        "before": None if one.before is None else json.loads(one.before),
        "after": None if one.after is None else json.loads(one.after),
    }
