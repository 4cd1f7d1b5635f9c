"""What every route that answers a conversation does, whatever its dialect: admit, tell whole or as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from functools import partial

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from gemgate.caller import Caller
from gemgate.chat import Began, ChatRequest, Ended, Event, Reply, Usage, afold, fold
from gemgate.dialects import table
from gemgate.dialects.table import Act, Answering, Operation, StreamWriter
from gemgate.dialects.wire import ResponseMeta, served_by
from gemgate.errors import GatewayError, Refused
from gemgate.gateway.admission import Admission
from gemgate.web import sse
from gemgate.web.context import NodeContext, node_context_of
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Router, serve_row
from gemgate.web.request_body import model_reader, read_with
from gemgate.web.sse import Opened, encode, merged

Answer = AsyncGenerator[Event, None]


def completion_routes() -> Router:
    """Routes of every operation of the dialect table that answers, or counts, in the one way that all share."""
    router = Router()
    for row in table.operations():
        if row.is_generic:
            serve_row(router, row, partial(count_tokens if row.act is Act.TOKENS else complete, row))
    return router


async def complete(row: Operation, request: Request, caller: Caller) -> Response:
    """Serves an operation whose act is CHAT, in any dialect: read, admit, answer whole or as it comes."""
    call = node_context_of(request)
    body, chat = await _read(row, request, call)
    meta = call.meta(row.id_prefix, request)
    if row.is_empty is not None and row.is_empty(body):
        return _nothing(row, request, caller, body, chat, meta)
    admission = await admit(call, chat, caller)
    inline = admission.card.kind == "image" or chat.images is not None
    answering = _answering(request, caller, chat, meta, chat.model or admission.card.id, inline=inline)
    pending = start_answers(call, chat, admission)
    writer = row.writer(body, answering) if row.writer and chat.stream else None
    try:
        if writer is not None:
            return await stream_response(request, call, pending, caller, writer)
        replies = await collect(request, call, pending, caller)
    except Refused as error:
        if row.refused is None:
            raise
        if writer is not None:
            return Response(writer.fail(error, caller.language, call.request_id), media_type=writer.media_type)
        return json_response(row.refused(error, answering))
    assert row.write is not None
    return (large_json_response if row.large else json_response)(row.write(replies, body, answering))


async def count_tokens(row: Operation, request: Request, caller: Caller) -> Response:
    """Serves an operation whose act is TOKENS: how many a request has, as far as we can tell."""
    call = node_context_of(request)
    _, chat = await _read(row, request, call)
    name_ignored(call, chat)
    assert row.write is not None
    return json_response(row.write(call.service.gateway.count_tokens(chat, caller.tenant)))


async def _read(row: Operation, request: Request, call: NodeContext) -> tuple[BaseModel, ChatRequest]:
    assert row.read is not None
    read = row.read
    reader = model_reader(row.body, lambda body: read(body, request.path_params))
    return await read_with(request, call.service.settings.max_body_bytes, reader)


def _answering(
    request: Request, caller: Caller, chat: ChatRequest, meta: ResponseMeta, model: str, *, inline: bool
) -> Answering:
    gateway = node_context_of(request).service.gateway
    return Answering(
        meta=meta,
        model=model,
        answers=chat.n,
        query=request.query_params,
        language=caller.language,
        prompt_tokens=lambda: gateway.count_tokens(chat, caller.tenant),
        inline_images=inline,
    )


def _nothing(
    row: Operation, request: Request, caller: Caller, body: BaseModel, chat: ChatRequest, meta: ResponseMeta
) -> Response:
    """The answer to who asks for none (`max_tokens: 0`, to warm a cache): the request is read, nothing is generated."""
    name_ignored(node_context_of(request), chat)
    model = chat.model or ""
    answering = _answering(request, caller, chat, meta, model, inline=False)
    events: list[Event] = [Began(model), Ended("length", Usage(answering.prompt_tokens()))]
    if row.writer is not None and chat.stream:
        writer = row.writer(body, answering)
        return Response(b"".join([writer.event(0, event) for event in events]), media_type=writer.media_type)
    assert row.write is not None
    return json_response(row.write([fold(events)], body, answering))


async def admit(call: NodeContext, chat: ChatRequest, caller: Caller) -> Admission:
    """Count the call and note in the headers what was left and what is ignored."""
    admission = await call.service.gateway.admit(chat.model, caller, call.model_policy or chat.model_policy)
    call.admitted(admission.quota)
    name_ignored(call, chat)
    return admission


def name_ignored(call: NodeContext, chat: ChatRequest) -> None:
    """Wishes that are not honoured, in the headers and in the facts."""
    unmet(call, chat.ignored)


def unmet(call: NodeContext, names: Iterable[str]) -> None:
    """Name wishes that are not honoured: those that never could be, and beside them those that turned out so."""
    if names := tuple(names):
        before = call.headers.get("x-gemgate-ignored")
        call.headers["x-gemgate-ignored"] = all_names = ", ".join(filter(None, (before, *names)))
        call.note("request.ignored", names=all_names)


def start_answers(call: NodeContext, chat: ChatRequest, admission: Admission) -> list[Answer]:
    """The `n` answers of a chat, not yet begun."""
    return [call.service.gateway.chat(chat, admission) for _ in range(chat.n)]


async def collect(request: Request, call: NodeContext, pending: Sequence[Answer], caller: Caller) -> list[Reply]:
    """All answers of a call that does not stream; the upstream calls stop when the client leaves."""
    replies = await cancel_on_disconnect(request.receive, _folded(pending))
    began(call, caller, replies[0].began)
    call.headers["x-gemgate-served-model"] = served_by(reply.ended for reply in replies)
    unmet(call, dict.fromkeys(name for reply in replies for name in reply.ended.unmet))
    return replies


async def _folded(pending: Sequence[Answer]) -> list[Reply]:
    if len(pending) == 1:
        async with aclosing(pending[0]) as only:
            return [await afold(only)]
    collected: list[list[Event]] = [[] for _ in pending]
    async with aclosing(merged(pending)) as events:
        async for index, event in events:
            collected[index].append(event)
    return [fold(events) for events in collected]


async def stream_response(
    request: Request,
    call: NodeContext,
    pending: Sequence[Answer],
    caller: Caller,
    writer: StreamWriter,
) -> Response:
    """The answers as they come. The 200 waits a moment for the first event; until it, every error is a plain one."""
    opened = Opened()
    events = _observe(merged(pending), call, caller, opened)
    chunks = encode(events, writer, caller.language, call.request_id, opened)
    headers = {"content-type": writer.media_type}
    return await sse.answer(request, chunks, lambda: writer.heartbeat, opened, headers)


async def _observe(
    events: AsyncGenerator[tuple[int, Event], None], call: NodeContext, caller: Caller, opened: Opened
) -> AsyncGenerator[tuple[int, Event], None]:
    """The same events; the answer's beginning, its end and what goes wrong between them are noted."""
    call.note("stream.opened")
    try:
        async with aclosing(events):
            async for index, event in events:
                if isinstance(event, Began):
                    began(call, caller, event)
                if isinstance(event, Ended):
                    unmet(call, event.unmet)
                yield index, event
    except GatewayError as error:
        if opened.yes:
            call.failed(error, in_band=True)
        raise
    finally:
        call.note("stream.closed")


def began(call: NodeContext, caller: Caller, event: Began) -> None:
    """Headers of an answer that has begun. Who gives it is told by Google at its end only."""
    call.headers["x-gemgate-conversation"] = event.reuse
    call.headers["x-gemgate-attempts"] = str(event.attempts)
    call.headers["x-gemgate-context"] = context_header(event)
    if caller.admin and event.account:
        call.headers["x-gemgate-account"] = event.account


def context_header(event: Began) -> str:
    """How the prompt went up: `inline` or `file`, its bytes, what the account reads, and what was left out."""
    parts = [f"bytes={event.bytes}", f"limit={event.limit or 'none'}"]
    if event.dropped:
        parts.append(f"dropped={event.dropped}")
    if event.files_left_out:
        parts.append(f"files_left_out={event.files_left_out}")
    if event.uncounted:
        parts.append(f"files_of_unknown_length={event.uncounted}")
    return "; ".join(("file" if event.filed else "inline", *parts))
