"""Admin routes: the gems of the accounts, each of which is a model `gem:NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from starlette.responses import Response

from gemgate.accounts import Gem
from gemgate.dialects import wire
from gemgate.errors import GatewayError
from gemgate.pool import gems
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

router = Router()

BODY = 200_000
NAME = Field(min_length=1, max_length=200, pattern=r"\S")


class GemRequest(wire.Body):
    """Body of POST /api/gems/{name}. `prompt` is the instruction; `description` is for people."""

    name: str = NAME
    prompt: str = Field(min_length=1, max_length=100_000)
    description: str = Field(default="", max_length=2000)


class GemChange(wire.Body):
    """Body of PATCH /api/gems/{name}/{gem_id}: what is left out stays as it is."""

    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"\S")
    prompt: str | None = Field(default=None, min_length=1, max_length=100_000)
    description: str | None = Field(default=None, max_length=2000)


@operation(
    router,
    "GET",
    "/api/gems",
    "gems.list",
    group="any",
    answers="accounts.Gems",
    level="admin",
    summary="The gems of all accounts, asked for now",
)
async def listing(context: NodeContext) -> Response:
    rows: list[shapes.GemState] = []
    problems: dict[str, str] = {}
    for account in context.service.pool.accounts:
        if not gems.has_gems(account):
            continue
        try:
            rows += [_shown(gem, account.name) for gem in await gems.told(account)]
        except GatewayError as error:
            problems[account.name] = error.text(context.caller.language)
    return json_response({"gems": rows, "problems": problems})


@operation(
    router,
    "POST",
    "/api/gems/{name}",
    "accounts.gems.make",
    group="any",
    answers="accounts.GemState",
    level="admin",
    body=GemRequest,
    summary="Make a gem in an account",
)
async def make(context: NodeContext) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(GemRequest, lambda body: body))
    name = context.request.path_params["name"]
    gem = Gem("", body.name.strip(), body.prompt, body.description)
    made = await gems.make(context.service.account_registry, name, gem, context.caller)
    return json_response(_shown(made, name))


@operation(
    router,
    "PATCH",
    "/api/gems/{name}/{gem_id}",
    "accounts.gems.change",
    group="any",
    answers="accounts.GemState",
    level="admin",
    body=GemChange,
    summary="Change a gem of an account",
)
async def change(context: NodeContext) -> Response:
    body, _ = await read_with(context.request, BODY, model_reader(GemChange, lambda body: body))
    name, gem_id = context.request.path_params["name"], context.request.path_params["gem_id"]
    changed = await gems.change(
        context.service.account_registry,
        name,
        gem_id,
        context.caller,
        title=body.name.strip() if body.name is not None else None,
        prompt=body.prompt,
        description=body.description,
    )
    return json_response(_shown(changed, name))


@operation(
    router,
    "DELETE",
    "/api/gems/{name}/{gem_id}",
    "accounts.gems.delete",
    group="any",
    answers="accounts.DeletedGem",
    level="admin",
    summary="Delete a gem of an account",
)
async def delete(context: NodeContext) -> Response:
    name, gem_id = context.request.path_params["name"], context.request.path_params["gem_id"]
    await gems.delete(context.service.account_registry, name, gem_id, context.caller)
    return json_response({"id": gem_id, "account": name, "deleted": True})


@operation(
    router,
    "POST",
    "/api/gems/{name}/{gem_id}/copy",
    "accounts.gems.copy",
    group="any",
    answers="accounts.Gems",
    level="admin",
    summary="Copy a gem to all other accounts; one of its name there is changed",
)
async def copy(context: NodeContext) -> Response:
    service, language = context.service, context.caller.language
    name, gem_id = context.request.path_params["name"], context.request.path_params["gem_id"]
    others = [one for one in service.pool.accounts if one.name != name and gems.has_gems(one)]
    done = await gems.copy(service.account_registry, name, gem_id, others, context.caller)
    return json_response(
        {
            "gems": [_shown(one.gem, one.account) for one in done if one.gem is not None],
            "problems": {one.account: one.error.text(language) for one in done if one.error is not None},
        }
    )


def _shown(gem: Gem, account: str) -> shapes.GemState:
    return {
        "id": gem.id,
        "account": account,
        "model": gem.model,
        "name": gem.name,
        "description": gem.description,
        "prompt": gem.prompt,
    }
