"""The settings in force and where each came from; secrets only as set or not."""

from __future__ import annotations

from pydantic import SecretStr
from starlette.responses import Response

from gemgate.settings import Settings, shown
from gemgate.web.context import RequestContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation

router = Router()


@operation(
    router,
    "GET",
    "/api/settings",
    "settings",
    group="any",
    answers="operating.SettingsInForce",
    level="admin",
    summary="Settings in force, secrets redacted",
)
async def settings_in_force(context: RequestContext) -> Response:
    state = context.state
    settings, origins = state.settings, state.origins
    rows = [
        {
            "name": name.upper(),
            "value": shown(settings, name),
            "origin": origins.get(name, "given" if name in settings.model_fields_set else "default"),
            "secret": isinstance(getattr(settings, name), SecretStr),
            "about": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    return json_response({"settings": rows})
