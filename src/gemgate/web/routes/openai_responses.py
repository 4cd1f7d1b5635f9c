"""OpenAI responses: create, ask for again, continue, delete (docs/client-contracts.md 3).

A response is stored before its last event leaves, so that whoever has seen its end can continue it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from starlette.responses import Response

from gemgate.chat import Ended, Event, Fold, Message, Reply
from gemgate.dialects import responses, wire
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import NotFound, StorageDown
from gemgate.gateway.response_history import previous_messages, referenced_messages
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered
from gemgate.web.completions import Answer, admit, collect, start_answers, stream_response
from gemgate.web.context import NodeContext
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Router, operation, serves
from gemgate.web.request_body import judged, read_body

router = Router()

STORE_TIMEOUT = 2.0
"""Seconds that a finished answer waits until it is kept."""


@serves(router, "responses.create")
async def create(context: NodeContext) -> Response:
    """OpenAI responses"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(responses.ResponsesRequest, wire.parse_json(raw)))
    previous = await previous_of(context, body)
    references = await references_of(context, body)
    chat = await offload(len(raw), lambda: judged(responses.read_request(body, previous, references)))
    admission = await admit(context, chat)
    meta = context.meta("resp_")
    model = body.model or admission.card.id
    (answer,) = start_answers(context, chat, admission)
    if body.store is not False:
        history = responses.continuation(body, previous, references)
        answer = stored(answer, context, meta, partial(_texts, meta=meta, body=body, model=model, history=history))
    if chat.stream:
        return await stream_response(context, [answer], responses.EventWriter(meta, body, model))
    replies = await collect(context, [answer])
    return large_json_response(responses.write(replies[0], meta, body, model))


async def stored(
    answer: Answer, context: NodeContext, meta: ResponseMeta, texts: Callable[[Reply], tuple[str, str]]
) -> AsyncGenerator[Event, None]:
    """The same events; right before the last one goes out the answer is kept, as the body and transcript of `texts`."""
    fold = Fold()
    async with aclosing(answer):
        async for event in answer:
            fold.add(event)
            if isinstance(event, Ended):
                written, text = await asyncio.to_thread(texts, fold.reply())
                kept = StoredResponse(meta.id, context.caller.tenant, written, text, meta.created)
                try:
                    async with asyncio.timeout(STORE_TIMEOUT):
                        await context.service.responses.save(kept)
                except (StorageDown, TimeoutError):
                    # The answer is worth more than that it can be continued by its id.
                    context.note("response.not_kept")
            yield event


def _texts(
    reply: Reply, meta: ResponseMeta, body: responses.ResponsesRequest, model: str, history: tuple[Message, ...]
) -> tuple[str, str]:
    """What is kept of a response: itself, and all messages up to and with it."""
    written = wire.dumps(responses.write(reply, meta, body, model)).decode()
    return written, transcript.dump(answered(history, transcript.message_of(reply)))


async def previous_of(context: NodeContext, body: responses.TokenCountRequest) -> tuple[Message, ...]:
    """The conversation up to `previous_response_id`."""
    return await previous_messages(context.service.responses, context.caller.tenant, body.previous_response_id)


async def references_of(context: NodeContext, body: responses.TokenCountRequest) -> dict[str, Message]:
    """What the items are that the input only refers to."""
    return await referenced_messages(context.service.responses, context.caller.tenant, body)


@serves(router, "responses.input_tokens")
async def input_tokens(context: NodeContext) -> Response:
    """Estimated tokens of a responses request"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(responses.TokenCountRequest, wire.parse_json(raw)))
    previous = await previous_of(context, body)
    references = await references_of(context, body)
    chat = await offload(len(raw), lambda: judged(responses.read_token_count(body, previous, references)))
    return json_response(responses.write_token_count(context.service.gateway.count_tokens(chat, context.caller.tenant)))


@operation(router, "GET", "/v1/responses/{response_id}", "responses.get", group="chat")
async def get(context: NodeContext) -> Response:
    """A stored response"""
    found = await _owned(context, context.request.path_params["response_id"])
    return Response(found.body, media_type="application/json")


@operation(router, "DELETE", "/v1/responses/{response_id}", "responses.delete", group="chat")
async def delete(context: NodeContext) -> Response:
    """Forget a stored response"""
    found = await _owned(context, context.request.path_params["response_id"])
    await context.service.responses.delete(found.id, context.caller.tenant)
    return json_response(responses.write_deleted(found.id))


async def _owned(context: NodeContext, response_id: str) -> StoredResponse:
    found = await context.service.responses.get(response_id, context.caller.tenant)
    if found is None:
        raise NotFound(
            f"Response with id {response_id[:100]!r} not found",
            f"找不到 id 为 {response_id[:100]!r} 的 response",
            param="response_id",
        )
    return found
