"""OpenAI chat completions and the simple /v1/generate."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.dialects import openai_chat, simple
from gemgate.web.completions import admit, collect, start_answers, stream_response
from gemgate.web.context import context_of
from gemgate.web.json_response import json_response
from gemgate.web.operation import Router, operation
from gemgate.web.request_body import model_reader, read_with

router = Router()


@operation(router, "POST", "/v1/chat/completions", "chat.completions", body=openai_chat.ChatCompletionRequest)
async def chat_completions(request: Request, caller: Caller) -> Response:
    """OpenAI chat completions"""
    call = context_of(request)
    reader = model_reader(openai_chat.ChatCompletionRequest, openai_chat.read_request)
    body, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    admission = await admit(call, chat, caller)
    meta = call.meta("chatcmpl-", request)
    model = body.model or admission.card.id
    pending = start_answers(call, chat, admission)
    box = openai_chat.toolbox(body)
    if chat.stream:
        writer = openai_chat.ChunkWriter(meta, model, include_usage=openai_chat.include_usage(body), box=box)
        return await stream_response(request, call, pending, caller, writer)
    return json_response(openai_chat.write(await collect(request, call, pending, caller), meta, model, box))


@operation(router, "POST", "/v1/generate", "generate", body=simple.GenerateRequest)
async def generate(request: Request, caller: Caller) -> Response:
    """One prompt, one text"""
    call = context_of(request)
    reader = model_reader(simple.GenerateRequest, simple.read_generate)
    body, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    admission = await admit(call, chat, caller)
    replies = await collect(request, call, start_answers(call, chat, admission), caller)
    return json_response(simple.write_generate(replies[0], body.model or admission.card.id))
