"""Anthropic messages and their token counts. Models of this dialect are in models.py: the path is shared."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.chat import Began, ChatRequest, Ended, Event, Usage, fold
from gemgate.dialects import anthropic
from gemgate.dialects.wire import ResponseMeta
from gemgate.web.completions import admit, collect, name_ignored, start_answers, stream_response
from gemgate.web.context import RequestContext, context_of
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

router = Router()


@operation(router, "POST", "/v1/messages", "messages", body=anthropic.MessagesRequest)
async def messages(request: Request, caller: Caller) -> Response:
    """Anthropic messages"""
    call = context_of(request)
    reader = model_reader(anthropic.MessagesRequest, anthropic.read_request)
    body, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    meta = call.meta("msg_", request)
    if body.max_tokens == 0:
        return _nothing(call, caller, chat, meta, body.model)
    admission = await admit(call, chat, caller)
    pending = start_answers(call, chat, admission)
    if chat.stream:
        writer = anthropic.EventWriter(
            meta, body.model, prompt_tokens=call.service.gateway.count_tokens(chat, caller.tenant)
        )
        return await stream_response(request, call, pending, caller, writer)
    replies = await collect(request, call, pending, caller)
    return json_response(anthropic.write(replies[0], meta, body.model))


def _nothing(call: RequestContext, caller: Caller, chat: ChatRequest, meta: ResponseMeta, model: str) -> Response:
    """The answer to `max_tokens: 0`, by which clients warm a cache: the request is read, nothing is generated."""
    name_ignored(call, chat)
    tokens = call.service.gateway.count_tokens(chat, caller.tenant)
    events: list[Event] = [Began(model), Ended("length", Usage(tokens))]
    if not chat.stream:
        return json_response(anthropic.write(fold(events), meta, model))
    writer = anthropic.EventWriter(meta, model, prompt_tokens=tokens)
    body = b"".join([writer.event(0, event) for event in events])
    return Response(body, media_type="text/event-stream; charset=utf-8")


@operation(router, "POST", "/v1/messages/count_tokens", "messages.count_tokens", body=anthropic.MessageTokensRequest)
async def count_tokens(request: Request, caller: Caller) -> Response:
    """Estimated tokens of an Anthropic messages request"""
    call = context_of(request)
    reader = model_reader(anthropic.MessageTokensRequest, anthropic.read_token_count)
    _, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    name_ignored(call, chat)
    return json_response(anthropic.write_token_count(call.service.gateway.count_tokens(chat, caller.tenant)))
