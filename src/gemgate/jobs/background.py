"""Responses and interactions in the background: how they are shown, followed and gone on from, in their own dialects.

OpenAI's and Google's `background: true` are one engine (`jobs/answers.py`); a dialect adds its writer. Everything that
is shown is written anew from the log, with the same numbers or ids of its events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gemgate.batches import Batch, BatchKind, Task
from gemgate.chat import Ended, Event, Fold, Message
from gemgate.dialects import interactions, responses, wire
from gemgate.dialects.interactions import InteractionRequest
from gemgate.dialects.responses import ResponsesRequest
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest, Busy, GatewayError, NotFound
from gemgate.frozen import frozen
from gemgate.jobs.answers import AnswerKind, Answers, is_open
from gemgate.jobs.event_log import AnswerCall
from gemgate.jobs.payloads import error_of_task, loads
from gemgate.offload import offload
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered

HEARTBEAT = b": ping\n\n"


class Writer(Protocol):
    """A dialect's writer of events that can begin behind any of them. snapshot: the object as it stands."""

    snapshot: dict[str, Any]

    def queued(self) -> bytes: ...

    def event(self, index: int, event: Event) -> bytes: ...

    def close(self) -> bytes: ...

    def stop(self, status: Literal["failed", "cancelled"], error: dict[str, Any] | None = None) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one dialect shows what runs in the background.

    writer: (meta, body, model, the last event that was seen or "") -> its writer. waiting: the status before it begins.
    """

    body: type[wire.Body]
    writer: Callable[[ResponseMeta, Any, str, str], Writer]
    failure: Callable[[GatewayError, str], dict[str, Any]]
    continuation: Callable[[AnswerCall], tuple[Message, ...]]
    waiting: str
    previous: str


def _after_number(number: str) -> int:
    return int(number) if number else -1


FORMS: dict[BatchKind, Form] = {
    "response": Form(
        body=ResponsesRequest,
        writer=lambda meta, body, model, after: responses.EventWriter(meta, body, model, after=_after_number(after)),
        failure=responses.failure,
        continuation=lambda call: responses.continuation(call.request, call.given.previous, call.given.references),
        waiting="queued",
        previous="previous_response_id",
    ),
    "interaction": Form(
        body=InteractionRequest,
        writer=lambda meta, body, model, after: interactions.EventWriter(meta, body, model, after=after),
        failure=interactions.failure,
        continuation=lambda call: interactions.continuation(call.request, call.given.previous),
        waiting="in_progress",
        previous="previous_interaction_id",
    ),
}


@frozen
class BackgroundAnswers:
    """What doors call, for batches of the kinds of `FORMS`."""

    answers: Answers

    async def shown(self, batch: Batch, language: str) -> dict[str, Any]:
        """The object as it stands now; what it says is shown once it has ended."""
        form = FORMS[batch.told_as]
        if is_open(batch) and not await self.answers.has_said_all(batch):
            echo = wire.read(form.body, loads(batch.defaults))
            begun = form.writer(_meta(batch, language), echo, batch.model, "").snapshot
            waiting = wire.waiting(self.answers.jobs.standstill(batch), language)
            return {**begun, "status": "in_progress" if batch.started_at else form.waiting, **waiting}
        task = await self.answers.task(batch)
        writer = form.writer(_meta(batch, language), (await _called(task))[1], batch.model, "")
        ended = False
        for _, event in await self.answers.said(batch):
            writer.event(0, event)
            ended = isinstance(event, Ended)
        if not ended:  # what stands in the log counts first
            _stop(writer, form, task, language)
        return writer.snapshot

    async def stream(self, batch: Batch, after: str, language: str) -> AsyncGenerator[bytes, None]:
        """Its events behind the one that is named `after` ("" for all) as they come, until it has ended or the process
        stops. BadRequest for a name that no event has.
        """
        form = FORMS[batch.told_as]
        _, body = await _called(await self.answers.task(batch))
        writer = form.writer(_meta(batch, language), body, batch.model, after)
        if beginning := writer.queued():
            yield beginning
        try:
            async for told in self.answers.follow(batch):
                if piece := b"".join(writer.event(0, event) for _, event in told):
                    yield piece
        except Busy:  # the process stops: whoever reads goes on from here at the next one
            return
        except NotFound:  # it was deleted
            yield writer.stop("cancelled")
        except GatewayError:
            yield _stop(writer, form, await self.answers.task(batch), language)
        else:
            yield writer.close()

    async def stored(self, answer_id: str, tenant: str, kind: AnswerKind) -> StoredResponse | None:
        """One that has ended, as one to go on from; BadRequest for one that has not."""
        batch = await self.answers.jobs.store.get(tenant, answer_id)
        if batch is None or batch.told_as != kind:
            return None
        form, events = FORMS[batch.told_as], await self.answers.said(batch)
        if not events or not isinstance(events[-1][1], Ended):
            raise _without_answer(answer_id, form.previous)
        call, body = await _called(await self.answers.task(batch))
        fold = Fold()
        writer = form.writer(_meta(batch), body, batch.model, "")
        for _, event in events:
            fold.add(event)
            writer.event(0, event)
        told = transcript.dump(answered(form.continuation(call), transcript.message_of(fold.reply())))
        return StoredResponse(batch.id, tenant, wire.dumps(writer.snapshot).decode(), told, batch.created_at)

    async def asked(self, batch: Batch) -> Any:
        """The input that came with it."""
        return (await _called(await self.answers.task(batch)))[0].body.get("input")


def _meta(batch: Batch, language: str = "") -> ResponseMeta:
    """language: of who asks; without one, of who ordered."""
    about = loads(batch.metadata)
    return ResponseMeta(batch.id, int(batch.created_at), about.get("base_url", ""), language or about["language"])


async def _called(task: Task) -> tuple[AnswerCall, Any]:
    """What was asked, and its body as it is read."""

    def read() -> tuple[AnswerCall, Any]:
        call = AnswerCall.load(task.payload)
        return call, call.request

    return await offload(len(task.payload), read)


def _stop(writer: Writer, form: Form, task: Task, language: str) -> bytes:
    """The end of one that has ended otherwise than by its answer."""
    if task.status == "failed":
        return writer.stop("failed", form.failure(error_of_task(task), language))
    return writer.stop("cancelled")


def _without_answer(answer_id: str, param: str) -> BadRequest:
    return BadRequest(
        f"{answer_id[:100]} has no whole answer (yet), so nothing can go on from it",
        f"{answer_id[:100]} 尚无完整回答，无法继续",
        param=param,
        code="response_not_completed",
    )
