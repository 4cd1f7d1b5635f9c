"""OpenAI responses: create, at once or in the background, ask for again, follow, continue, cancel, delete
(docs/client-contracts.md 3).
"""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from gemgate.chat import Message, Reply
from gemgate.dialects import research, responses, table, wire
from gemgate.dialects.responses import stored_prompt
from gemgate.dialects.rows import JSON, SSE, ReadContext
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest, ModelNotFound
from gemgate.gateway.response_history import previous_messages, referenced_messages
from gemgate.jobs.answers import AnswerKind, answer_not_found, is_open
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered
from gemgate.web.answers import Asked, begin, followed, in_background
from gemgate.web.completions import collect, stream_response
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.media_routes import LONGEST_WAIT
from gemgate.web.operation import Router, operation, serves
from gemgate.web.request_body import judged, read_body, whole_number
from gemgate.web.research import entered
from gemgate.web.stored_answers import stored

router = Router()

CREATE = table.operation("responses.create")
KIND: AnswerKind = "response"


@serves(router, "responses.create")
async def create(context: NodeContext) -> Response:
    """OpenAI responses"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(responses.ResponsesRequest, wire.parse_json(raw)))
    previous = await previous_of(context, body)
    references = await references_of(context, body)
    chat = await offload(len(raw), lambda: judged(responses.read_request(body, previous, references)))
    if body.prompt is not None:
        _check_prompt(context, body.prompt)
    asked = Asked(CREATE, raw, chat, ReadContext(previous=previous, references=references))
    if research.is_model(chat.model):
        if not body.background:
            raise research.needs_background(chat.model or "")
        return await entered(context, asked, KIND, research.read_call(chat), None)
    if body.background:
        return await in_background(context, asked, KIND)
    begun = await begin(context, asked)
    events, meta, model = begun.events, begun.meta, begun.model
    if body.store is not False:
        history = responses.continuation(body, previous, references)
        events = stored(events, context, meta, partial(_texts, meta=meta, body=body, model=model, history=history))
    if chat.stream:
        return await stream_response(context, events, responses.EventWriter(meta, body, model))
    replies = await collect(context, events, 1)
    return large_json_response(responses.write(replies[0], meta, body, model))


def _check_prompt(context: NodeContext, prompt: stored_prompt.StoredPrompt) -> None:
    """NotFound where no account has the gem that the prompt is."""
    try:
        context.service.gateway.resolve(prompt.model, context.caller.tenant)
    except ModelNotFound:
        gems = (offer.name for account in context.service.pool.accounts for offer in account.models if offer.gem)
        raise stored_prompt.not_found(prompt, ", ".join(dict.fromkeys(gems))) from None


def _texts(
    reply: Reply, meta: ResponseMeta, body: responses.ResponsesRequest, model: str, history: tuple[Message, ...]
) -> tuple[str, str]:
    """What is kept of a response: itself, and all messages up to and with it."""
    written = wire.dumps(responses.write(reply, meta, body, model)).decode()
    return written, transcript.dump(answered(history, transcript.message_of(reply)))


async def previous_of(context: NodeContext, body: responses.TokenCountRequest) -> tuple[Message, ...]:
    """The conversation up to `previous_response_id`."""
    return await previous_messages(partial(_kept, context), body.previous_response_id)


async def _kept(context: NodeContext, response_id: str) -> StoredResponse | None:
    """A stored response of the caller's, whichever way it was made."""
    tenant = context.caller.tenant
    found = await context.service.responses.get(response_id, tenant)
    return found or await context.service.background.stored(response_id, tenant, KIND)


async def references_of(context: NodeContext, body: responses.TokenCountRequest) -> dict[str, Message]:
    """What the items are that the input only refers to."""
    return await referenced_messages(partial(_kept, context), body)


@serves(router, "responses.input_tokens")
async def input_tokens(context: NodeContext) -> Response:
    """Estimated tokens of a responses request"""
    raw = await read_body(context.request, context.service.settings.max_body_bytes)
    body = await offload(len(raw), lambda: wire.read(responses.TokenCountRequest, wire.parse_json(raw)))
    previous = await previous_of(context, body)
    references = await references_of(context, body)
    chat = await offload(len(raw), lambda: judged(responses.read_token_count(body, previous, references)))
    return json_response(responses.write_token_count(context.service.gateway.count_tokens(chat, context.caller.tenant)))


@operation(
    router,
    "GET",
    "/v1/responses/{response_id}",
    "responses.get",
    group="chat",
    answers="responses.OpenAIResponse",
    produces=(JSON, SSE),
    query={"stream": "boolean", "starting_after": "integer", "wait": "integer"},
)
async def get(context: NodeContext) -> Response:
    """A stored response, or one in the background: as it stands, or its events from a number on

    `?wait=SECONDS` (300 at most) answers when one in the background has ended, or then.
    """
    query, response_id = context.request.query_params, context.request.path_params["response_id"]
    batch = await context.service.answers.find(context.caller, response_id, KIND)
    streamed = query.get("stream", "").lower() in ("true", "1")
    if batch is None:
        found = await _owned(context, response_id)
        if streamed:
            raise _not_in_background("stream")
        return Response(found.body, media_type="application/json")
    if streamed:
        after = whole_number(context.request, "starting_after", -1, least=0, most=10**9)
        return await followed(context, batch, str(after))
    if seconds := whole_number(context.request, "wait", 0, least=0, most=LONGEST_WAIT):
        ended = context.service.jobs.wait(response_id, seconds, lambda now: not is_open(now))
        await cancel_on_disconnect(context.request.receive, ended)
        batch = await context.service.answers.get(context.caller, response_id, KIND)
    return large_json_response(await context.service.background.shown(batch, context.caller.language))


@operation(
    router,
    "POST",
    "/v1/responses/{response_id}/cancel",
    "responses.cancel",
    group="chat",
    answers="responses.OpenAIResponse",
)
async def cancel(context: NodeContext) -> Response:
    """Give a background response up; one that has ended stays as it is"""
    response_id = context.request.path_params["response_id"]
    batch = await context.service.answers.find(context.caller, response_id, KIND)
    if batch is None:
        await _owned(context, response_id)
        raise _not_in_background("response_id")
    batch = await context.service.jobs.cancel(batch)
    return large_json_response(await context.service.background.shown(batch, context.caller.language))


@operation(
    router,
    "DELETE",
    "/v1/responses/{response_id}",
    "responses.delete",
    group="chat",
    answers="responses.DeletedResponse",
)
async def delete(context: NodeContext) -> Response:
    """Forget a stored response; one under way in the background ends"""
    response_id = context.request.path_params["response_id"]
    if not await context.service.researches.forget(context.caller, response_id, KIND):
        await _owned(context, response_id)
        await context.service.responses.delete(response_id, context.caller.tenant)
    return json_response(responses.write_deleted(response_id))


async def _owned(context: NodeContext, response_id: str) -> StoredResponse:
    found = await context.service.responses.get(response_id, context.caller.tenant)
    if found is None:
        raise answer_not_found(response_id, KIND)
    return found


def _not_in_background(param: str) -> BadRequest:
    return BadRequest(
        "Only a response that was created with background: true can be streamed again or cancelled",
        "只有以 background: true 创建的 response 才能再次流式获取或取消",
        param=param,
        code="not_a_background_response",
    )
