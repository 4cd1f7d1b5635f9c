"""Responses in the background (OpenAI's `background: true`): ordered, asked for, followed, cancelled, continued.

Each is a batch of one task that has the response's id. Everything that is shown of it is written anew from its log, so
that it says the same, with the same numbers, whoever asks and whenever.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gemgate.batches import Batch, BatchKind, Task, TaskDraft
from gemgate.caller import Caller
from gemgate.chat import Ended, Event, Fold, ImageGenerated
from gemgate.dialects import responses, wire
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import BadRequest, GatewayError, NotFound, StorageDown
from gemgate.jobs.batches import Jobs, Submitter, scope
from gemgate.jobs.event_log import EventLog, ResponseCall
from gemgate.jobs.payloads import dumps, loads
from gemgate.offload import offload
from gemgate.ports.blobs import BlobStore
from gemgate.ports.conversations import StoredResponse
from gemgate.prompting import transcript
from gemgate.prompting.prefill import answered

KINDS: tuple[BatchKind, ...] = ("response",)
HEARTBEAT = b": ping\n\n"


@dataclass(frozen=True, slots=True)
class ResponseOrder:
    """A background response that is being ordered. paints: an image is asked for. key, digest: of its idempotency."""

    meta: ResponseMeta
    call: ResponseCall
    model: str
    paints: bool
    key: str = ""
    digest: str = ""


@dataclass(slots=True)
class BackgroundResponses:
    """What doors call. `log`: the same that the runner writes. webhook: whom ends are told, and its secret."""

    jobs: Jobs
    log: EventLog
    blobs: BlobStore
    webhook: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.log.said = self.jobs.wake_watchers

    async def submit(self, order: ResponseOrder, origin: Submitter) -> Batch:
        """Enter a response that was counted; or find the one that came under the same idempotency key."""
        meta = order.meta
        batch = Batch(
            id=meta.id,
            kind="response",
            tenant=origin.caller.tenant,
            created_at=float(meta.created),
            concurrency=1,
            requested_concurrency=1,
            need="image" if order.paints else "text",
            model=order.model,
            defaults=order.call.dump_echo(),
            metadata=dumps({"base_url": origin.base_url, "language": origin.caller.language}),
            idempotency_key=_key(order.key),
            digest=order.digest,
        )
        return await self.jobs.submit_response(batch, TaskDraft("", order.call.dump()), self.webhook)

    async def earlier(self, origin: Submitter, key: str, digest: str) -> Batch | None:
        """The response that came under this idempotency key before; Conflict when it was another call."""
        return await self.jobs.find_by_idempotency_key(origin, _key(key), digest)

    async def find(self, caller: Caller, response_id: str) -> Batch | None:
        """A background response of the caller's."""
        batch = await self.jobs.store.get(scope(caller), response_id)
        return batch if batch is not None and batch.kind in KINDS else None

    async def shown(self, batch: Batch, language: str) -> dict[str, Any]:
        """The response object as it stands now; what it says is shown once it has ended."""
        if _open(batch):
            echo = wire.read(responses.ResponsesRequest, loads(batch.defaults))
            begun = responses.EventWriter(_meta(batch), echo, batch.model).response
            return {**begun, "status": "in_progress" if batch.started_at else "queued"}
        task = await self._task(batch)
        writer = responses.EventWriter(_meta(batch), (await _called(task))[1], batch.model)
        events, _ = await self.log.read(batch.id)
        for event in events:
            writer.event(0, await self._with_bytes(event))
        _finish(writer, task, language)
        return writer.response

    async def stream(self, batch: Batch, after: int, language: str) -> AsyncGenerator[bytes, None]:
        """Its events behind number `after` as they come, until it has ended or the process stops.

        While the database is away there is nothing to tell.
        """
        _, body = await _called(await self._task(batch))
        writer = responses.EventWriter(_meta(batch), body, batch.model, after=after)
        if beginning := writer.queued():
            yield beginning
        row = -1
        async for _ in self.jobs.watch(batch.id):
            try:
                end = await self._ending(batch.id)
                events, row = await self.log.read(batch.id, row)  # after it is known whether there will be more
                written = [writer.event(0, await self._with_bytes(event)) for event in events]
            except StorageDown:
                continue
            except NotFound:  # it was deleted
                yield writer.stop("cancelled")
                return
            if end is not None:
                written.append(_finish(writer, end, language))
            if piece := b"".join(written):
                yield piece
            if end is not None or (events and isinstance(events[-1], Ended)):
                return

    async def stored(self, response_id: str, tenant: str) -> StoredResponse | None:
        """A background response that has ended, as one to go on from; BadRequest for one that has not."""
        batch = await self.jobs.store.get(tenant, response_id)
        if batch is None or batch.kind not in KINDS:
            return None
        events, _ = await self.log.read(batch.id)
        if not events or not isinstance(events[-1], Ended):
            raise _without_answer(response_id)
        call, body = await _called(await self._task(batch))
        fold = Fold()
        writer = responses.EventWriter(_meta(batch), body, batch.model)
        for event in events:
            whole = await self._with_bytes(event)
            fold.add(whole)
            writer.event(0, whole)
        history = responses.continuation(body, call.previous, call.references)
        told = transcript.dump(answered(history, transcript.message_of(fold.reply())))
        return StoredResponse(batch.id, tenant, wire.dumps(writer.response).decode(), told, batch.created_at)

    async def _task(self, batch: Batch) -> Task:
        found = await self.jobs.store.tasks(batch.id, limit=1)
        if not found:  # it was deleted a moment ago
            raise response_not_found(batch.id)
        return found[0]

    async def _ending(self, response_id: str) -> Task | None:
        """Its task once it has ended; None while it has not. NotFound when it is gone."""
        batch = await self.jobs.store.get(None, response_id)
        if batch is None:
            raise response_not_found(response_id)
        return None if _open(batch) else await self._task(batch)

    async def _with_bytes(self, event: Event) -> Event:
        """An image with its bytes, as it was told at first; with its address alone where the file was taken away."""
        if not isinstance(event, ImageGenerated):
            return event
        image = replace(event.image, url=self.jobs.gateway.images.url_of(event.image.name))
        with suppress(NotFound):
            image = replace(image, data=(await self.blobs.get("images/" + image.name)).data)
        return ImageGenerated(image)


def _key(given: str) -> str:
    """A batch that came under the same idempotency key is another matter."""
    return f"response {given}" if given else ""


def _meta(batch: Batch) -> ResponseMeta:
    return ResponseMeta(batch.id, int(batch.created_at), loads(batch.metadata).get("base_url", ""))


async def _called(task: Task) -> tuple[ResponseCall, responses.ResponsesRequest]:
    """What was asked, and its body as it is read."""

    def read() -> tuple[ResponseCall, responses.ResponsesRequest]:
        call = ResponseCall.load(task.payload)
        return call, call.request

    return await offload(len(task.payload), read)


def _open(batch: Batch) -> bool:
    """Whether more may come of it."""
    return batch.tally.open > 0 and batch.state in ("active", "paused")


def _finish(writer: responses.EventWriter, task: Task, language: str) -> bytes:
    """The end of a response that has ended otherwise than by its answer; what stands in the log counts first."""
    if writer.response["status"] in ("completed", "incomplete"):
        return b""
    if task.status == "failed":
        stored = loads(task.result).get("zh" if language.startswith("zh") else "en")
        error = GatewayError(task.error, task.error_zh, code=task.code)
        return writer.stop("failed", stored or responses.failure(error, language))
    return writer.stop("cancelled")


def response_not_found(response_id: str) -> NotFound:
    return NotFound(
        f"Response with id {response_id[:100]!r} not found",
        f"找不到 id 为 {response_id[:100]!r} 的 response",
        param="response_id",
    )


def _without_answer(response_id: str) -> BadRequest:
    return BadRequest(
        f"The response {response_id[:100]} has no whole answer (yet), so nothing can go on from it",
        f"response {response_id[:100]} 尚无完整回答，无法继续",
        param="previous_response_id",
        code="response_not_completed",
    )
