"""Answers in words that outlive their connection and their process: those in the background, and those of calls under
an idempotency key.

Each is a batch of one task. Whatever is told of it is read from its log, so that it says the same whoever asks and
whenever; a call with several answers has them made one after another.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from gemgate.batches import Batch, BatchKind, Need, Task, TaskDraft
from gemgate.caller import Caller, Quota
from gemgate.chat import ChatRequest, Ended, Event, ImageGenerated
from gemgate.dialects import table
from gemgate.errors import NotFound, StorageDown
from gemgate.frozen import frozen
from gemgate.gateway.admission import Admission, charge_of
from gemgate.images import ModelPolicy
from gemgate.jobs.batches import WINDOW, Jobs, Submitter
from gemgate.jobs.event_log import AnswerCall, EventLog, Said
from gemgate.jobs.image_calls import PRIORITY
from gemgate.jobs.payloads import dumps, error_of_task, loads
from gemgate.offload import offload
from gemgate.ports.blobs import BlobStore

AnswerKind = Literal["response", "interaction", "answer"]
BACKGROUND: tuple[BatchKind, ...] = ("response", "interaction", "research")
KEYED: tuple[BatchKind, ...] = ("answer",)
PREFIX = "answer_"
"""How ids of calls under a key begin."""


@frozen
class AnswerOrder:
    """A call for words that shall be durable.

    id: of one in the background, "" else. created_at: epoch seconds. policy: the caller's own about answers by another
    model. key, digest: of its idempotency, "" for none. awaited: its caller waits for the answer, so that its first
    failure is the answer.
    """

    kind: AnswerKind
    id: str
    created_at: float
    call: AnswerCall
    chat: ChatRequest
    policy: ModelPolicy | None
    key: str
    digest: str

    @property
    def awaited(self) -> bool:
        return self.kind == "answer"


@dataclass(slots=True)
class Answers:
    """What doors call. `log`: the same that the runner writes. webhook: whom ends of responses are told, its secret."""

    jobs: Jobs
    log: EventLog
    blobs: BlobStore
    webhook: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.log.said = self.jobs.wake_watchers

    async def submit(
        self,
        order: AnswerOrder,
        origin: Submitter,
        *,
        admitted: Callable[[Quota], None],
        entering: Callable[[], None] = lambda: None,
    ) -> Batch:
        """The call, counted and entered; or the one that came under its idempotency key before.

        One that was awaited and certainly generated nothing is begun again, and counted again. admitted: hears what is
        left once it is counted; entering: called right before it is entered. Conflict when another call came under the
        key; whatever refuses a single call.
        """
        jobs, chat = self.jobs, order.chat
        found = await jobs.find_by_idempotency_key(origin, _key(order.key), order.digest)
        if found is not None and not (order.awaited and await jobs.generated_nothing(found)):
            return found
        admission = await jobs.gateway.admit(
            chat.model, origin.caller, order.policy, later=not order.awaited, charge=charge_of(chat, durable=True)
        )
        admitted(admission.quota)
        if found is not None:
            return await jobs.retry_failed(found)
        call = replace(order.call, policy=admission.model_policy)
        batch = self._batch(order, call, admission, origin)
        payload = await offload(len(batch.defaults), call.dump)
        entering()
        hook = self.webhook if order.kind == "response" else ("", "")
        return await jobs.submit_answer(batch, TaskDraft("", payload), hook, prefix=PREFIX)

    def _batch(self, order: AnswerOrder, call: AnswerCall, admission: Admission, origin: Submitter) -> Batch:
        chat, card, caller = order.chat, admission.card, origin.caller
        paints = card.kind == "image" or chat.demands_image
        needs: tuple[Need, Need] = ("image", "image_call") if paints else ("text", "text_call")
        about = {
            "base_url": origin.base_url,
            "language": caller.language,
            "request_id": caller.request_id,
            "awaited": order.awaited,
            "answers": chat.n,
            "dialect": table.family_of(call.operation),
            "inline": card.kind == "image" or chat.images is not None,
        }
        return Batch(
            id=order.id,
            kind=order.kind,
            tenant=caller.tenant,
            created_at=order.created_at,
            concurrency=1,
            requested_concurrency=1,
            need=needs[order.awaited],
            priority=PRIORITY if order.awaited else 0,
            model=chat.model or card.id,
            defaults="" if order.awaited else call.dump_echo(),
            metadata=dumps(about),
            idempotency_key=_key(order.key),
            digest=order.digest,
            expires_at=order.created_at + WINDOW if order.awaited else 0.0,
        )

    async def find(self, caller: Caller, answer_id: str, kind: BatchKind) -> Batch | None:
        """An answer of the caller's in the background."""
        batch = await self.jobs.store.get(caller.tenant, answer_id)
        return batch if batch is not None and batch.told_as == kind else None

    async def get(self, caller: Caller, answer_id: str, kind: BatchKind) -> Batch:
        """The same; NotFound."""
        if (batch := await self.find(caller, answer_id, kind)) is None:
            raise answer_not_found(answer_id, kind)
        return batch

    async def forget(self, caller: Caller, answer_id: str, kind: BatchKind) -> bool:
        """Drop one of the caller's in the background, or what a stored one left that came under an idempotency key;
        whether it was one in the background.
        """
        batch = await self.find(caller, answer_id, kind)
        keyed = await self.find(caller, PREFIX + answer_id.rpartition("_")[2], "answer") if batch is None else None
        for found in (batch, keyed):
            if found is not None:
                await self.jobs.forget(found)
        return batch is not None

    async def task(self, batch: Batch) -> Task:
        """Its only task; NotFound when it was deleted a moment ago."""
        found = await self.jobs.store.tasks(batch.id, limit=1)
        if not found:
            raise answer_not_found(batch.id, batch.kind)
        return found[0]

    async def said(self, batch: Batch) -> list[Said]:
        """All that it has said so far."""
        events, _ = await self.log.read(batch.id)
        return [(answer, await self._with_bytes(event)) for answer, event in events]

    async def has_said_all(self, batch: Batch) -> bool:
        """Whether its last word stands in the log; its task is settled a moment later."""
        return bool(batch.started_at) and isinstance(await self.log.last(batch.id), Ended)

    async def follow(self, batch: Batch) -> AsyncGenerator[list[Said], None]:
        """What it says, from its beginning on, as it comes; ends with the last of its answers.

        Raises why there is no (whole) answer; NotFound when it was deleted, Busy when the process stops, NoAccount when
        somebody waits and no account can go on with it. While the database is away there is nothing to tell.
        """
        about = loads(batch.metadata)
        left, row = about["answers"], -1
        async for _ in self.jobs.watch(batch.id, awaited=about["awaited"]):
            try:
                now = await self.jobs.store.get(None, batch.id)
                if now is None:
                    raise answer_not_found(batch.id, batch.kind)
                end = None if is_open(now) else await self.task(now)
                events, row = await self.log.read(batch.id, row)  # after it is known whether there will be more
                told = [(answer, await self._with_bytes(event)) for answer, event in events]
            except StorageDown:
                continue
            if told:
                yield told
            left -= sum(isinstance(event, Ended) for _, event in told)
            if not left:
                return
            if end is not None:
                raise error_of_task(end)
            if about["awaited"]:
                await self.jobs.give_up_without_account(now)
        raise self.jobs.stopping()

    async def events(self, batch: Batch) -> AsyncGenerator[Said, None]:
        """The same, one by one."""
        async for told in self.follow(batch):
            for one in told:
                yield one

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
    return f"answer {given}" if given else ""


def is_open(batch: Batch) -> bool:
    """Whether more may come of it."""
    return batch.tally.open > 0 and batch.state in ("active", "paused")


def answer_not_found(answer_id: str, kind: BatchKind) -> NotFound:
    """NotFound for an answer of this kind that is not there, or not the caller's."""
    param = "id" if kind == "interaction" else "response_id"
    return NotFound(
        f"{kind.capitalize()} with id {answer_id[:100]!r} not found",
        f"找不到 id 为 {answer_id[:100]!r} 的 {kind}",
        param=param,
        code="interaction_not_found" if kind == "interaction" else "response_not_found",
    )
