"""Gemini interactions: create, ask for again, follow again, continue, delete (docs/client-contracts.md 9).

They stand in the store of OpenAI's responses under ids of their own, those in the background among the jobs. Each is
told again as events from any event on; one whose stream broke off before its end is not stored, unless it is a job.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from starlette.responses import Response

from gemgate.batches import Batch
from gemgate.chat import Message, Reply
from gemgate.dialects import interactions, research, table, wire
from gemgate.dialects.interactions import InteractionRequest
from gemgate.dialects.rows import JSON, SSE, ReadContext
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest
from gemgate.gateway.response_history import previous_messages
from gemgate.jobs.answers import AnswerKind, answer_not_found, is_open
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered
from gemgate.web.answers import Asked, begin, followed, in_background
from gemgate.web.completions import collect, stream_response
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Endpoint, Router, operation, serves
from gemgate.web.request_body import judged, read_body
from gemgate.web.research import entered
from gemgate.web.stored_answers import stored

router = Router()

CREATE = table.operation("interactions.create")
KIND: AnswerKind = "interaction"


@serves(router, "interactions.create")
async def create(context: NodeContext) -> Response:
    """Gemini interactions: whole, or as server-sent events with `stream`"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(InteractionRequest, wire.parse_json(raw)))
    previous = await previous_of(context, body)
    chat = await offload(len(raw), lambda: judged(interactions.read_request(body, previous)))
    asked = Asked(CREATE, raw, chat, ReadContext(previous=previous))
    if research.is_agent(body.agent) or research.is_model(body.model):
        return await _research(context, asked, body)
    if body.background:
        return await in_background(context, asked, KIND)
    begun = await begin(context, asked)
    events, meta, model = begun.events, begun.meta, begun.model
    if body.store is not False:
        history = interactions.continuation(body, previous)
        events = stored(events, context, meta, partial(_texts, meta=meta, body=body, model=model, history=history))
    if chat.stream:
        return await stream_response(context, events, interactions.EventWriter(meta, body, model))
    replies = await collect(context, events, 1)
    return large_json_response(interactions.write(replies[0], meta, body, model))


async def _research(context: NodeContext, asked: Asked, body: InteractionRequest) -> Response:
    """A deep research: of the words, or of the plan that the interaction before made."""
    if not body.background:
        raise research.needs_background(asked.chat.model or "")
    config = research.read_config(body.agent_config)
    plan = await context.service.researches.plan_of(context.caller, body.previous_interaction_id or "")
    chat = asked.chat
    if plan is not None:
        chat = judged(interactions.read_request(body))  # Google has the rest in the chat of the plan
    call = research.read_call(chat, config)
    return await entered(context, asked, KIND, call, plan)


async def previous_of(context: NodeContext, body: InteractionRequest) -> tuple[Message, ...]:
    """The conversation up to `previous_interaction_id`."""
    return await previous_messages(partial(_kept, context), body.previous_interaction_id, "interaction")


async def _kept(context: NodeContext, interaction_id: str) -> StoredResponse | None:
    """A stored interaction of the caller's, whichever way it was made."""
    tenant = context.caller.tenant
    found = await context.service.interactions.get(interaction_id, tenant)
    return found or await context.service.background.stored(interaction_id, tenant, KIND)


def _texts(
    reply: Reply, meta: ResponseMeta, body: InteractionRequest, model: str, history: tuple[Message, ...]
) -> tuple[str, str]:
    """What is kept of an interaction: itself with its input, and all messages up to and with its answer."""
    written = {**interactions.write(reply, meta, body, model), "input": body.input}
    return wire.dumps(written).decode(), transcript.dump(answered(history, transcript.message_of(reply)))


async def get(context: NodeContext) -> Response:
    """An interaction, stored or in the background; with `stream` as events, from behind `last_event_id` on"""
    query, background = context.request.query_params, context.service.background
    after = query.get("last_event_id") or context.request.headers.get("last-event-id", "")
    with_input, streamed = _is(query.get("include_input")), _is(query.get("stream"))
    if (batch := await _in_background(context)) is not None:
        if streamed:
            return await followed(context, batch, after)
        shown = await background.shown(batch, context.caller.language)
        return large_json_response(shown | ({"input": await background.asked(batch)} if with_input else {}))
    found = await _owned(context)
    interaction = await offload(len(found.body), lambda: _read(found, with_input=with_input))
    if streamed:
        events = interactions.replay(interaction, after)
        told = await offload(len(found.body), lambda: b"".join(events))
        return Response(told, headers={"cache-control": "no-cache"}, media_type=interactions.EventWriter.media_type)
    return large_json_response(interaction)


async def delete(context: NodeContext) -> Response:
    """Forget an interaction; one under way in the background ends"""
    interaction_id = context.request.path_params["interaction_id"]
    if not await context.service.researches.forget(context.caller, interaction_id, KIND):
        found = await _owned(context)
        await context.service.interactions.delete(found.id, context.caller.tenant)
    return json_response({})


async def cancel(context: NodeContext) -> Response:
    """Cancel an interaction that runs in the background; one that has ended cannot be cancelled"""
    batch = await _in_background(context)
    if batch is None:
        raise _has_ended((await _owned(context)).id)
    if not is_open(batch) and batch.state != "cancelled":
        raise _has_ended(batch.id)
    batch = await context.service.jobs.cancel(batch)
    return large_json_response(await context.service.background.shown(batch, context.caller.language))


def _has_ended(interaction_id: str) -> BadRequest:
    return BadRequest(
        f"Interaction {interaction_id} has ended; only one that runs in the background can be cancelled",
        f"interaction {interaction_id} 已结束；只有在后台运行的才能取消",
        param="id",
        code="not_cancellable",
    )


def _is(flag: str | None) -> bool:
    return (flag or "").lower() in ("true", "1")


def _read(found: StoredResponse, *, with_input: bool) -> dict[str, Any]:
    """Numbers of any length come back as they are; the faster reader would round them."""
    interaction: dict[str, Any] = json.loads(found.body)
    if not with_input:
        interaction.pop("input", None)
    return interaction


async def _in_background(context: NodeContext) -> Batch | None:
    return await context.service.answers.find(context.caller, context.request.path_params["interaction_id"], KIND)


async def _owned(context: NodeContext) -> StoredResponse:
    interaction_id: str = context.request.path_params["interaction_id"]
    found = await context.service.interactions.get(interaction_id, context.caller.tenant)
    if found is None:
        raise answer_not_found(interaction_id, KIND)
    return found


def _serve(method: str, below: str, name: str, endpoint: Endpoint, **documented: Any) -> None:
    """On every prefix; the OpenAPI document shows the first one's only."""
    for prefix in table.GEMINI_PREFIXES:
        path = f"{prefix}/interactions/{{interaction_id}}{below}"
        shown = prefix == table.GEMINI_PREFIXES[0]
        operation(router, method, path, name, group="chat", documented=shown, **documented)(endpoint)


_serve(
    "GET",
    "",
    "interactions.get",
    get,
    answers="interactions.Interaction",
    produces=(JSON, SSE),
    query={"include_input": "boolean", "stream": "boolean", "last_event_id": "string"},
)
_serve("DELETE", "", "interactions.delete", delete, answers="gemini.Nothing")
_serve("POST", "/cancel", "interactions.cancel", cancel, answers="interactions.Interaction")
