"""What every route that answers a conversation does, whatever its dialect: admit, tell whole or as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from gemgate.chat import Began, ChatRequest, Ended, Event, Fold, Reply, Usage, fold
from gemgate.dialects import table
from gemgate.dialects.rows import Act, Operation, ReadContext
from gemgate.dialects.wire import ResponseMeta, served_by
from gemgate.dialects.writing import Answering, StreamWriter
from gemgate.errors import GatewayError, Refused
from gemgate.offload import next_stage
from gemgate.web import sse
from gemgate.web.answers import Asked, Events, begin, key_of, name_ignored
from gemgate.web.context import NodeContext
from gemgate.web.disconnect import cancel_on_disconnect
from gemgate.web.json_response import json_response, large_json_response
from gemgate.web.operation import Router, serve_row
from gemgate.web.request_body import form_reader, model_reader, read_form_with, read_with
from gemgate.web.sse import Opened, encode
from gemgate.web.unmet import unmet

T = TypeVar("T")


def completion_routes() -> Router:
    """Routes of every operation of the dialect table that answers, or counts, in the one way that all share."""
    router = Router()
    for row in table.operations():
        if row.is_generic:
            serve_row(router, row, partial(count_tokens if row.act is Act.TOKENS else complete, row))
    return router


async def complete(row: Operation, context: NodeContext) -> Response:
    """Serves an operation whose act is CHAT, in any dialect: read, admit, answer whole or as it comes."""
    raw, body, chat = await _read(row, context)
    if row.is_empty is not None and row.is_empty(body):
        return _nothing(row, context, body, chat)
    begun = await begin(context, Asked(row, raw, chat, ReadContext(context.request.path_params)))
    answering = _answering(context, chat, begun.meta, begun.model, inline=begun.inline)
    writer = row.writer(body, answering) if row.writer and chat.stream else None
    try:
        if writer is not None:
            return await stream_response(context, begun.events, writer)
        plain = row.is_plain(body)
        replies = await collect(context, begun.events, chat.n, blanks=not plain)
    except Refused as error:
        if row.refused is None:
            raise
        if writer is not None:
            return Response(
                writer.fail(error, context.caller.language, context.request_id), media_type=writer.media_type
            )
        return json_response(row.refused(error, answering))
    assert row.write is not None
    answer = row.write(replies, body, answering)
    if plain:
        return PlainTextResponse(answer)
    return (large_json_response if row.large else json_response)(answer)


async def count_tokens(row: Operation, context: NodeContext) -> Response:
    """Serves an operation whose act is TOKENS: how many a request has, as far as we can tell."""
    _, _, chat = await _read(row, context)
    name_ignored(context, chat)
    assert row.write is not None
    return json_response(row.write(context.service.gateway.count_tokens(chat, context.caller.tenant)))


async def _read(row: Operation, context: NodeContext) -> tuple[bytes, BaseModel, ChatRequest]:
    """The body as it came, b"" unless it has an idempotency key; as it is read; and its words."""
    assert row.read is not None
    read, given = row.read, ReadContext(context.request.path_params)
    limit = context.service.settings.max_body_bytes

    def words(body: BaseModel) -> ChatRequest:
        return read(body, given)

    if row.form is not None:
        return b"", *await read_form_with(context.request, limit, form_reader(row.body, row.form, words))
    reader, keyed = model_reader(row.body, words), bool(key_of(context))
    return await read_with(context.request, limit, lambda body: (body if keyed else b"", *reader(body)))


def _answering(context: NodeContext, chat: ChatRequest, meta: ResponseMeta, model: str, *, inline: bool) -> Answering:
    gateway = context.service.gateway
    return Answering(
        meta=meta,
        model=model,
        answers=chat.n,
        query=lambda: context.request.query_params,
        language=context.caller.language,
        prompt_tokens=lambda: gateway.count_tokens(chat, context.caller.tenant),
        inline_images=inline,
    )


def _nothing(row: Operation, context: NodeContext, body: BaseModel, chat: ChatRequest) -> Response:
    """The answer to who asks for none (`max_tokens: 0`, to warm a cache): the request is read, nothing is generated."""
    name_ignored(context, chat)
    model = chat.model or ""
    answering = _answering(context, chat, context.meta(row.id_prefix), model, inline=False)
    events: list[Event] = [Began(model), Ended("length", Usage(answering.prompt_tokens()))]
    if row.writer is not None and chat.stream:
        writer = row.writer(body, answering)
        return Response(b"".join([writer.event(0, event) for event in events]), media_type=writer.media_type)
    assert row.write is not None
    return json_response(row.write([fold(events)], body, answering))


async def collect(context: NodeContext, events: Events, answers: int, *, blanks: bool = True) -> list[Reply]:
    """All answers of a call that does not stream; the upstream calls stop when the client leaves.

    blanks: white space may go ahead of the answer, as it may of JSON.
    """
    replies = await made_whole(context, _folded(events, answers), blanks=blanks)
    await next_stage()
    began(context, replies[0].began)
    context.headers["x-gemgate-served-model"] = served_by(reply.ended for reply in replies)
    unmet(context, dict.fromkeys(name for reply in replies for name in reply.ended.unmet))
    return replies


def made_whole(context: NodeContext, work: Awaitable[T], *, blanks: bool = True) -> Awaitable[T]:
    """The result of `work`, which generates a whole answer: its client is kept waiting with blanks if it takes long
    (`web/keepalive.py`), and the work ends when the client leaves.
    """
    if blanks:
        context.keepalive.begin()
    return cancel_on_disconnect(context.request.receive, work)


async def _folded(events: Events, answers: int) -> list[Reply]:
    folds = [Fold() for _ in range(answers)]
    async with aclosing(events):
        async for index, event in events:
            folds[index].add(event)
    return [one.reply() for one in folds]


async def stream_response(
    context: NodeContext,
    events: Events,
    writer: StreamWriter,
) -> Response:
    """The answers as they come. The 200 waits a moment for the first event; until it, every error is a plain one."""
    opened = Opened()
    chunks = encode(_observe(events, context, opened), writer, context.caller.language, context.request_id, opened)
    headers = {"content-type": writer.media_type}
    return await sse.answer(context.request, chunks, lambda: writer.heartbeat, opened, headers)


async def _observe(
    events: AsyncGenerator[tuple[int, Event], None], context: NodeContext, opened: Opened
) -> AsyncGenerator[tuple[int, Event], None]:
    """The same events; the answer's beginning, its end and what goes wrong between them are noted."""
    context.note("stream.opened")
    try:
        async with aclosing(events):
            async for index, event in events:
                if isinstance(event, Began):
                    began(context, event)
                if isinstance(event, Ended):
                    unmet(context, event.unmet)
                yield index, event
    except GatewayError as error:
        if opened.yes:
            context.failed(error, in_band=True)
        raise
    finally:
        context.note("stream.closed")


def began(context: NodeContext, event: Began) -> None:
    """Headers of an answer that has begun. Who gives it is told by Google at its end only."""
    context.headers["x-gemgate-conversation"] = event.reuse
    context.headers["x-gemgate-attempts"] = str(event.attempts)
    context.headers["x-gemgate-context"] = context_header(event)
    if context.caller.admin and event.account:
        context.headers["x-gemgate-account"] = event.account


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
