"""Routes that answer a conversation: OpenAI chat completions and the simple /v1/generate."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response

from gemgate.chat import Began, ChatRequest, Event, Reply, afold, fold
from gemgate.dialects import openai_chat, simple
from gemgate.gateway import Admission
from gemgate.ports import Caller
from gemgate.web.answers import json_response
from gemgate.web.call import Call, call_of
from gemgate.web.operation import operation
from gemgate.web.reading import model_reader, read_with, unless_gone
from gemgate.web.streaming import EventStream, StreamWriter, merged, written

router = APIRouter()


@operation(router, "POST", "/v1/chat/completions", "chat.completions", body=openai_chat.ChatCompletionRequest)
async def chat_completions(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    reader = model_reader(openai_chat.ChatCompletionRequest, openai_chat.read_request)
    body, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    admission = await admit(call, chat, caller)
    stamp = call.stamp("chatcmpl-", request)
    model = body.model or admission.card.id
    if chat.stream:
        writer = openai_chat.ChunkWriter(stamp, model, include_usage=openai_chat.include_usage(body))
        return await stream(request, call, chat, admission, writer)
    replies = await whole(request, call, chat, admission)
    return json_response(openai_chat.write(replies, stamp, model))


@operation(router, "POST", "/v1/generate", "generate", body=simple.GenerateRequest)
async def generate(request: Request, caller: Caller) -> Response:
    call = call_of(request)
    reader = model_reader(simple.GenerateRequest, simple.read_generate)
    body, chat = await read_with(request, call.service.settings.max_body_bytes, reader)
    admission = await admit(call, chat, caller)
    replies = await whole(request, call, chat, admission)
    return json_response(simple.write_generate(replies[0], body.model or admission.card.id))


async def admit(call: Call, chat: ChatRequest, caller: Caller) -> Admission:
    """Count the call and note in the headers what was left and what is ignored."""
    admission = await call.service.gateway.admit(chat.model, caller)
    call.admitted(admission.quota)
    if chat.ignored:
        call.headers["x-gemgate-ignored"] = ", ".join(chat.ignored)
    return admission


async def whole(request: Request, call: Call, chat: ChatRequest, admission: Admission) -> list[Reply]:
    """All answers of a call that does not stream; the upstream calls stop when the client leaves."""
    replies = await unless_gone(request, _folded(_answers(call, chat, admission)))
    began(call, admission.caller, replies[0].began)
    return replies


async def _folded(answers: list[AsyncGenerator[Event, None]]) -> list[Reply]:
    if len(answers) == 1:
        async with aclosing(answers[0]) as only:
            return [await afold(only)]
    collected: list[list[Event]] = [[] for _ in answers]
    async with aclosing(merged(answers)) as events:
        async for index, event in events:
            collected[index].append(event)
    return [fold(events) for events in collected]


async def stream(
    request: Request, call: Call, chat: ChatRequest, admission: Admission, writer: StreamWriter
) -> Response:
    """The answers as they come. The 200 waits for the first event; until then every error is a plain one."""
    events = _noted(merged(_answers(call, chat, admission)), call, admission.caller)
    chunks = written(events, writer, admission.caller.language, call.request_id)
    head = await unless_gone(request, anext(chunks))
    return EventStream(head, chunks, {}, writer.heartbeat)


async def _noted(
    events: AsyncGenerator[tuple[int, Event], None], call: Call, caller: Caller
) -> AsyncGenerator[tuple[int, Event], None]:
    async with aclosing(events):
        async for index, event in events:
            if isinstance(event, Began):
                began(call, caller, event)
            yield index, event


def _answers(call: Call, chat: ChatRequest, admission: Admission) -> list[AsyncGenerator[Event, None]]:
    return [call.service.gateway.chat(chat, admission) for _ in range(chat.n)]


def began(call: Call, caller: Caller, event: Began) -> None:
    """Headers and facts of an answer that has begun."""
    call.headers["x-gemgate-served-model"] = event.served_model
    call.headers["x-gemgate-conversation"] = event.reuse
    call.headers["x-gemgate-attempts"] = str(event.attempts)
    if caller.admin and event.account:
        call.headers["x-gemgate-account"] = event.account
    call.note("request.first_event", operation=call.operation, seconds=call.seconds())
