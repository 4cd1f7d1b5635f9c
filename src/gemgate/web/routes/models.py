"""GET models: one path for three dialects, told apart by what their clients send (docs/client-contracts.md 0.5)."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from gemgate.catalog import ModelCard
from gemgate.dialects import anthropic, gemini, openai_chat, table
from gemgate.web.context import NodeContext
from gemgate.web.errors import speaks_anthropic, speaks_google
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import whole_number

router = Router()


def verbs_of_models() -> list[str]:
    """What can be asked of one of Google's models, as `:generateContent`."""
    found = (row.path.partition("/models/{model:path}")[2] for row in table.GEMINI.operations)
    return sorted({verb for verb in found if verb})


def _asked(context: NodeContext) -> ModelCard:
    """The model in the path; with a verb behind it (`:generateContent`) a POST was meant."""
    name = context.request.path_params["model"]
    if name.endswith(tuple(verbs_of_models())):
        raise HTTPException(405)
    return context.service.gateway.resolve(name, context.caller.tenant)


@operation(
    router,
    "GET",
    "/v1/models",
    "models",
    group="any",
    answers="openai.OpenAIModels | gemini.GoogleModels | anthropic.AnthropicModels",
    query={"limit": "integer", "after_id": "string", "before_id": "string", "pageSize": "integer"},
)
async def listing(context: NodeContext) -> Response:
    """Models that can be named, in the dialect of the client"""
    cards = context.service.gateway.models(context.caller.tenant)
    if speaks_google(context.request):
        return await google_listing(context)
    if speaks_anthropic(context.request):
        query = context.request.query_params
        return json_response(
            anthropic.model_listing(
                cards,
                limit=whole_number(context.request, "limit", 20, least=1, most=1000),
                after_id=query.get("after_id"),
                before_id=query.get("before_id"),
            )
        )
    return json_response({"object": "list", "data": [openai_chat.model_object(card.id) for card in cards]})


@operation(
    router,
    "GET",
    "/v1/models/{model:path}",
    "models.one",
    group="any",
    answers="openai.OpenAIModel | gemini.GoogleModel | anthropic.AnthropicModel",
)
async def one(context: NodeContext) -> Response:
    """One model, in the dialect of the client"""
    card = _asked(context)
    if speaks_google(context.request):
        return json_response(gemini.model_object(card, context.caller.language))
    if speaks_anthropic(context.request):
        return json_response(anthropic.model_object(card))
    return json_response(openai_chat.model_object(card.id))


async def google_listing(context: NodeContext) -> Response:
    """Google's list of models"""
    cards = context.service.gateway.models(context.caller.tenant)
    page: dict[str, Any] = gemini.model_listing(
        cards,
        page_size=whole_number(context.request, "pageSize", 50, least=0, most=1000),
        page_token=context.request.query_params.get("pageToken", ""),
        language=context.caller.language,
    )
    return json_response(page)


async def google_one(context: NodeContext) -> Response:
    """One of Google's models"""
    card = _asked(context)
    return json_response(gemini.model_object(card, context.caller.language))


for _prefix in ("/gemini/v1beta", "/gemini/v1", "/v1beta"):
    _shown = _prefix == "/gemini/v1beta"
    operation(
        router,
        "GET",
        _prefix + "/models",
        "gemini.models",
        group="any",
        answers="gemini.GoogleModels",
        query={"pageSize": "integer", "pageToken": "string"},
        documented=_shown,
    )(google_listing)
    operation(
        router,
        "GET",
        _prefix + "/models/{model:path}",
        "gemini.models.one",
        group="any",
        answers="gemini.GoogleModel",
        documented=_shown,
    )(google_one)
