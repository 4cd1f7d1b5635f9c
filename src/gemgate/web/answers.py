"""A call for words begins, whatever its dialect: admitted at once, or durable under an idempotency key.

Under a key it is a job: the same key and call find it again, whole or streamed, however often and after a restart.
Without one nothing of that is in its way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.responses import Response

from gemgate.batches import Batch
from gemgate.catalog import ModelCard
from gemgate.chat import ChatRequest, Event
from gemgate.dialects import image_tasks, wire
from gemgate.dialects.rows import Operation, ReadContext
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import ModelNotFound
from gemgate.frozen import frozen
from gemgate.gateway.admission import Admission, charge_of
from gemgate.jobs import answers
from gemgate.jobs.answers import AnswerKind, AnswerOrder
from gemgate.jobs.background import HEARTBEAT
from gemgate.jobs.batches import Submitter, digest_of
from gemgate.jobs.event_log import AnswerCall
from gemgate.jobs.media_chat import media_call, told
from gemgate.jobs.payloads import dumps, loads
from gemgate.media import MEDIA_KINDS
from gemgate.offload import offload
from gemgate.web import sse
from gemgate.web.context import NodeContext
from gemgate.web.json_response import large_json_response
from gemgate.web.media_routes import address_of, jobs_of, submitted
from gemgate.web.sse import merged
from gemgate.web.unmet import unmet

Events = AsyncGenerator[tuple[int, Event], None]
"""Of the `n` answers of a call, each with the number of its answer."""


@frozen
class Asked:
    """A call that was read. raw: its body as it came; b"" will do for one that is neither durable nor has a key."""

    row: Operation
    raw: bytes
    chat: ChatRequest
    given: ReadContext


@frozen
class Begun:
    """A call that is admitted, its events not read yet. model: as it is called; inline: images were asked for."""

    events: Events
    meta: ResponseMeta
    model: str
    inline: bool


def key_of(context: NodeContext) -> str:
    """The call's idempotency key, "" for none. BadRequest."""
    return image_tasks.read_idempotency_key(context.request.headers.get("idempotency-key"))


async def begin(context: NodeContext, asked: Asked) -> Begun:
    """Admit the call and begin it, or find the one that came under its idempotency key before. Conflict."""
    row, chat = asked.row, asked.chat
    key = key_of(context)
    card = _card(context, chat)
    if card is not None and card.kind in MEDIA_KINDS:
        return await _media(context, asked, card)
    if key and row.form is not None:  # a form is not kept, so that nothing could be begun again
        unmet(context, ("idempotency-key",))
        key = ""
    if not key:
        admission = await admit(context, chat, card)
        inline = admission.card.kind == "image" or chat.images is not None
        pending = [context.service.gateway.chat(chat, admission) for _ in range(chat.n)]
        return Begun(merged(pending), context.meta(row.id_prefix), chat.model or admission.card.id, inline)
    batch = await _entered(context, asked, "answer", key)
    context.headers["x-gemgate-task"] = batch.id
    own = batch.id.removeprefix(answers.PREFIX)
    meta = replace(context.meta(""), id=row.id_prefix + own, created=int(batch.created_at))
    events = context.service.answers.events(batch)
    return Begun(events, meta, batch.model, loads(batch.metadata)["inline"])


def _card(context: NodeContext, chat: ChatRequest) -> ModelCard | None:
    """The model that is asked; whatever is wrong with its name is told on the way."""
    gateway = context.service.gateway
    with suppress(ModelNotFound):
        return gateway.resolve(chat.model or gateway.default_model, context.caller.tenant)
    return None


async def _media(context: NodeContext, asked: Asked, card: ModelCard) -> Begun:
    """An order of a video or music, whose answer tells where it is."""
    chat, gateway, caller = asked.chat, context.service.gateway, context.caller
    made = await submitted(context, media_call(chat, card))
    tokens = gateway.count_tokens(chat, caller.tenant)
    jobs, link = jobs_of(context, made.kind), partial(address_of, context)
    events = told(jobs, caller, made, link, plays=chat.plays, prompt_tokens=tokens)
    return Begun(merged([events]), context.meta(asked.row.id_prefix), chat.model or card.id, False)


async def in_background(context: NodeContext, asked: Asked, kind: AnswerKind) -> Response:
    """Enter it and answer at once, or follow it; under an idempotency key that is known, the one from before."""
    batch = await _entered(context, asked, kind, key_of(context))
    if asked.chat.stream:
        return await followed(context, batch, "")
    return large_json_response(await context.service.background.shown(batch, context.caller.language))


async def followed(context: NodeContext, batch: Batch, after: str) -> Response:
    """The events of one in the background behind the one named `after`. Whoever leaves ends nothing."""
    chunks = context.service.background.stream(batch, after, context.caller.language)
    return await sse.answer(context.request, chunks, lambda: HEARTBEAT, sse.Opened(), context.headers)


async def order_of(context: NodeContext, asked: Asked, kind: AnswerKind, key: str) -> AnswerOrder:
    """The call as one that is durable."""
    raw, row, given = asked.raw, asked.row, asked.given
    value: Mapping[str, Any] = await offload(len(raw), lambda: wire.parse_json(raw))
    meta = context.meta(row.id_prefix)
    return AnswerOrder(
        kind=kind,
        id="" if kind == "answer" else meta.id,
        created_at=float(meta.created),
        call=AnswerCall(row.name, value, given),
        chat=asked.chat,
        policy=context.model_policy or asked.chat.model_policy,
        key=key,
        digest=digest_of(dumps([row.name, dict(given.parameters)]).encode() + raw) if key else "",
    )


async def _entered(context: NodeContext, asked: Asked, kind: AnswerKind, key: str) -> Batch:
    order = await order_of(context, asked, kind, key)

    def entering() -> None:
        if not key:
            context.note("task.entering")  # a fleet's gateway must not have another node enter it as well

    origin = Submitter(context.caller, context.base_url)
    batch = await context.service.answers.submit(order, origin, admitted=context.admitted, entering=entering)
    context.note("request.task", id=batch.id)
    name_ignored(context, asked.chat)
    return batch


async def admit(context: NodeContext, chat: ChatRequest, card: ModelCard | None = None) -> Admission:
    """Count the call and note in the headers what was left and what is ignored. card: its model's, if that is known."""
    admission = await context.service.gateway.admit(
        chat.model, context.caller, context.model_policy or chat.model_policy, charge=charge_of(chat), card=card
    )
    context.admitted(admission.quota)
    name_ignored(context, chat)
    return admission


def name_ignored(context: NodeContext, chat: ChatRequest) -> None:
    """Wishes that are not honoured, in the headers and in the facts."""
    unmet(context, chat.ignored)
