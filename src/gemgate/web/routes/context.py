"""POST /v1/context/plan: how a call in any dialect would be sent. Nothing is generated.

A plan is counted against the caller's limits like a call when it has links: they are fetched, to know their sizes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.chat import ChatRequest
from gemgate.dialects import anthropic, gemini, interactions, openai_chat, responses, wire
from gemgate.errors import BadRequest
from gemgate.gateway.answer import Planned
from gemgate.offload import offload
from gemgate.web.context import NodeContext
from gemgate.web.errors import speaks_anthropic, speaks_google
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import read_body
from gemgate.web.routes.gemini_interactions import previous_of as previous_interaction
from gemgate.web.routes.openai_responses import previous_of, references_of

router = Router()

DIALECTS = ("chat", "responses", "anthropic", "gemini", "interactions")
OF_INTERACTIONS = ("previous_interaction_id", "system_instruction", "generation_config", "response_modalities")
"""Words that tell an interaction from a response: both have an `input`."""


class ContextPlanRequest(wire.Echo):
    """Body of POST /v1/context/plan: the body of a chat call in any dialect."""


@operation(
    router,
    "POST",
    "/v1/context/plan",
    "context.plan",
    group="any",
    answers="simple.ContextPlan",
    body=ContextPlanRequest,
    query={"dialect": "string", "model": "string"},
    summary="How a call would be sent: inline or as files, its bytes, what the account reads",
)
async def plan(context: NodeContext) -> Response:
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.parse_json(raw))
    dialect = _dialect(context.request, body)
    chat = await _read(context, dialect, body, context.request.query_params.get("model") or "", len(raw))
    planned = await context.service.gateway.plan_context(chat, context.caller)
    if planned.quota is not None:
        context.admitted(planned.quota)
    return json_response(_written(planned, dialect, context.caller))


def _dialect(request: Request, body: dict[str, Any]) -> str:
    """What the query says, else what the body looks like."""
    said = request.query_params.get("dialect")
    if said is None:
        if "contents" in body:
            return "gemini"
        if "input" in body:
            google = speaks_google(request) or any(word in body for word in OF_INTERACTIONS)
            return "interactions" if google else "responses"
        return "anthropic" if speaks_anthropic(request) or "system" in body else "chat"
    if said not in DIALECTS:
        raise BadRequest(
            f"dialect is one of {', '.join(DIALECTS)}", f"dialect 可为 {'、'.join(DIALECTS)}", param="dialect"
        )
    return said


async def _read(context: NodeContext, dialect: str, body: dict[str, Any], model: str, size: int) -> ChatRequest:
    """The words of the body, as the dialect's own route reads them."""
    match dialect:
        case "gemini":
            named = model or str(body.get("model") or context.service.settings.default_model)
            given = {name: value for name, value in body.items() if name != "model"}
            read = partial(wire.read, gemini.GenerateContentRequest, given)
            return await offload(size, lambda: gemini.read_request(read(), named, stream=False))
        case "responses":
            asked = await offload(size, lambda: wire.read(responses.ResponsesRequest, body))
            previous = await previous_of(context, asked)
            references = await references_of(context, asked)
            return await offload(size, lambda: responses.read_request(asked, previous, references))
        case "interactions":
            interaction = await offload(size, lambda: wire.read(interactions.InteractionRequest, body))
            said = await previous_interaction(context, interaction)
            return await offload(size, lambda: interactions.read_request(interaction, said))
        case "anthropic":
            messages = partial(wire.read, anthropic.MessagesRequest, {"max_tokens": 1, **body})
            return await offload(size, lambda: anthropic.read_request(messages()))
        case _:
            completion = partial(wire.read, openai_chat.ChatCompletionRequest, body)
            return await offload(size, lambda: openai_chat.read_request(completion()))


def _written(planned: Planned, dialect: str, caller: Caller) -> dict[str, Any]:
    """The plan as JSON; sizes in UTF-8 bytes, null where any number is read."""
    content, refusal = planned.content, planned.refusal
    fields: dict[str, Any] = {
        "object": "context.plan",
        "dialect": dialect,
        "model": planned.card.id,
        "conversation": planned.reuse,
        "fits": content is not None,
        "limits": {"text": planned.walls.plain or None, "with_files": planned.walls.with_files or None},
    }
    if caller.admin:
        fields["account"] = planned.account
    if content is not None:
        fields |= {
            "context": "file" if content.filed else "inline",
            "bytes": content.bytes,
            "limit": content.limit or None,
            "text_bytes": len(content.text.encode("utf-8", "replace")),
            "filed_bytes": content.filed,
            "dropped_bytes": content.dropped,
            "files_left_out": content.files_left_out,
            "files_of_unknown_length": content.uncounted,
            "files": [{"name": one.name, "type": one.mime, "bytes": len(one.data)} for one in content.uploads],
        }
    elif refusal is not None:
        fields |= {
            "context": "too_long",
            "bytes": refusal.details["bytes"],
            "limit": refusal.details["maximum"],
            "error": {"code": refusal.code, "message": refusal.text(caller.language)},
        }
    return fields
