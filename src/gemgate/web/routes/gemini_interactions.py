"""Gemini interactions: create, ask for again, follow again, continue, delete (docs/client-contracts.md 9).

They stand in the store of OpenAI's responses under ids of their own. A stored one is told again as events from any
event on; one whose stream broke off before its end is not stored.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from starlette.responses import Response

from gemgate.chat import Message, Reply
from gemgate.dialects import interactions, table, wire
from gemgate.dialects.interactions import InteractionRequest
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest, NotFound
from gemgate.gateway.response_history import previous_messages
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered
from gemgate.web.completions import admit, collect, start_answers, stream_response
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Endpoint, Router, operation, serves
from gemgate.web.request_body import judged, read_body
from gemgate.web.stored_answers import stored

router = Router()


@serves(router, "interactions.create")
async def create(context: NodeContext) -> Response:
    """Gemini interactions: whole, or as server-sent events with `stream`"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(InteractionRequest, wire.parse_json(raw)))
    find = partial(context.service.interactions.get, tenant=context.caller.tenant)
    previous = await previous_messages(find, body.previous_interaction_id, "interaction")
    chat = await offload(len(raw), lambda: judged(interactions.read_request(body, previous)))
    admission = await admit(context, chat)
    meta = context.meta(interactions.PREFIX)
    model = body.model or admission.card.id
    (answer,) = start_answers(context, chat, admission)
    if body.store is not False:
        # An instruction is not carried over to the next one.
        history = tuple(message for message in chat.messages if message.role != "system")
        answer = stored(answer, context, meta, partial(_texts, meta=meta, body=body, model=model, history=history))
    if chat.stream:
        return await stream_response(context, [answer], interactions.EventWriter(meta, body, model))
    replies = await collect(context, [answer])
    return large_json_response(interactions.write(replies[0], meta, body, model))


def _texts(
    reply: Reply, meta: ResponseMeta, body: InteractionRequest, model: str, history: tuple[Message, ...]
) -> tuple[str, str]:
    """What is kept of an interaction: itself with its input, and all messages up to and with its answer."""
    written = {**interactions.write(reply, meta, body, model), "input": body.input}
    return wire.dumps(written).decode(), transcript.dump(answered(history, transcript.message_of(reply)))


async def get(context: NodeContext) -> Response:
    """A stored interaction; with `stream` as events, from behind `last_event_id` on"""
    found = await _owned(context)
    query = context.request.query_params
    interaction = await offload(len(found.body), lambda: _read(found, with_input=_is(query.get("include_input"))))
    if _is(query.get("stream")):
        after = query.get("last_event_id") or context.request.headers.get("last-event-id", "")
        events = interactions.replay(interaction, after)
        told = await offload(len(found.body), lambda: b"".join(events))
        return Response(told, headers={"cache-control": "no-cache"}, media_type=interactions.EventWriter.media_type)
    return large_json_response(interaction)


async def delete(context: NodeContext) -> Response:
    """Forget a stored interaction"""
    found = await _owned(context)
    await context.service.interactions.delete(found.id, context.caller.tenant)
    return json_response({})


async def cancel(context: NodeContext) -> Response:
    """Cancel an interaction that runs in the background; a stored one has ended"""
    found = await _owned(context)
    raise BadRequest(
        f"Interaction {found.id} has ended; only one that runs in the background can be cancelled",
        f"interaction {found.id} 已结束；只有在后台运行的才能取消",
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


async def _owned(context: NodeContext) -> StoredResponse:
    interaction_id: str = context.request.path_params["interaction_id"]
    found = await context.service.interactions.get(interaction_id, context.caller.tenant)
    if found is None:
        raise NotFound(
            f"Interaction with id {interaction_id[:100]!r} not found",
            f"找不到 id 为 {interaction_id[:100]!r} 的 interaction",
            param="id",
        )
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
    query={"include_input": "boolean", "stream": "boolean", "last_event_id": "string"},
)
_serve("DELETE", "", "interactions.delete", delete)
_serve("POST", "/cancel", "interactions.cancel", cancel)
