"""Orders of batches, and how they stand: what the doors call. No decision about a task is made here.

A batch belongs to the tenant who ordered it; an admin sees all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gemgate.accounts import Standstill
from gemgate.batches import Batch, BatchKind, BatchState, Task, TaskDraft, TaskPages, Webhook
from gemgate.caller import Caller, Quota
from gemgate.dialects.openai_batches import Endpoint
from gemgate.dialects.simple_batches import BatchItem, BatchOrder
from gemgate.errors import (
    BadRequest,
    Busy,
    ClientError,
    Conflict,
    LocalText,
    ModelNotFound,
    NotFound,
    RateLimited,
    said,
)
from gemgate.frozen import frozen
from gemgate.gateway.admission import check_scope
from gemgate.gateway.gateway import Gateway
from gemgate.jobs.capacity import Planner
from gemgate.jobs.finalizer import BatchFinalizer
from gemgate.jobs.line_file import LineFile
from gemgate.jobs.payloads import ImageSpec, dump_spec, dumps, loads
from gemgate.jobs.references import References
from gemgate.jobs.webhooks import WebhookSender
from gemgate.jobs.worker import NEEDS, SINGLE, Worker
from gemgate.ports.files import FileStore
from gemgate.ports.jobs import JobStore, webhook_secret_subject
from gemgate.ports.runtime import Clock
from gemgate.ports.vault import Vault
from gemgate.ports.wakeup import Wakeup

IMAGES: tuple[BatchKind, ...] = ("images",)
BATCH_KINDS: dict[Endpoint, BatchKind] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/images/generations": "generations",
    "/v1/images/edits": "edits",
}
OPENAI: tuple[BatchKind, ...] = tuple(BATCH_KINDS.values())
A_BATCH, A_JOB = LocalText("batch", "批次"), LocalText("job", "任务")
TEXT: tuple[BatchKind, ...] = ("chat", "responses")
"""Kinds whose tasks an account answers in words."""
WINDOW = 24 * 3600.0
"""OpenAI's completion window, in seconds."""
SINGLE_TASKS = 100
"""More tasks than a single call has."""


@frozen
class Submitter:
    """Whose order it is, and our own address as they called it."""

    caller: Caller
    base_url: str = ""


@dataclass(slots=True)
class Jobs:
    """What doors call. `lanes`: calls at once of an account that does not say (CONCURRENCY).

    elsewhere: those of all accounts that other nodes run.
    """

    store: JobStore
    worker: Worker
    closer: BatchFinalizer
    webhook_sender: WebhookSender
    gateway: Gateway
    files: FileStore
    vault: Vault
    clock: Clock
    lanes: int
    elsewhere: Callable[[int], Awaitable[int]]
    open_per_key: int = 0
    """Tasks that one key may have open, 0 = any number."""
    planner: Planner = field(init=False)
    _ordering: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watchers: defaultdict[str, set[Wakeup]] = field(default_factory=lambda: defaultdict(set))
    _leaving: bool = False
    _over: bool = False

    def __post_init__(self) -> None:
        self.worker.touched = self.wait_changed
        self.planner = Planner(self.store, self.gateway.pool, self.clock, lambda: self.elsewhere(self.lanes))

    # Orders

    async def submit_images(
        self, order: BatchOrder, origin: Submitter, digest: str, *, admitted: Callable[[Quota], None]
    ) -> Batch:
        """A batch of images, checked, counted and entered; the one that came under its idempotency key before is found.

        What can be told to be wrong is refused before it is counted: models that nobody can have, references that are
        no images, webhooks that are not public. admitted: hears what is left once it is counted.
        """
        found = await self.find_by_idempotency_key(origin, order.idempotency_key, digest)
        if found is not None:
            return found
        async with self.references(origin.caller) as references:
            return await self._images_entered(order, origin, digest, references, admitted)

    async def _images_entered(
        self,
        order: BatchOrder,
        origin: Submitter,
        digest: str,
        references: References,
        admitted: Callable[[Quota], None],
    ) -> Batch:
        tasks = await self._tasks(order, origin, references)
        admitted((await self.gateway.admit_images(order.model, origin.caller, later=True)).quota)
        model = order.model or self.gateway.default_image_model
        lanes = await self._lanes()
        batch = Batch(
            id="",
            kind="images",
            tenant=origin.caller.tenant,
            created_at=self.clock.now(),
            concurrency=min(order.concurrency, lanes),
            requested_concurrency=order.concurrency,
            priority=order.priority,
            model=model,
            as_base64=order.as_base64,
            defaults=dump_spec(ImageSpec(model, order.options)),
            metadata=dumps({"base_url": origin.base_url}),
            idempotency_key=order.idempotency_key,
            digest=digest,
        )
        return await self._submitted(batch, tasks, order.webhook, digits=8)

    async def submit_lines(
        self,
        file: LineFile,
        about: dict[str, Any],
        origin: Submitter,
        *,
        admitted: Callable[[Quota], None],
    ) -> Batch:
        """An OpenAI batch, counted and entered. With problems in its file it is entered as failed, and none of it is
        counted or run. admitted: hears what is left once it is counted.
        """
        kind, problems = BATCH_KINDS[file.endpoint], file.errors
        if not problems:
            self.gateway.check_models(file.models, origin.caller)
            admit = self.gateway.admit if kind in TEXT else self.gateway.admit_images
            admitted((await admit(None, origin.caller)).quota)
        now = self.clock.now()
        lanes = await self._lanes()
        about = {**about, "endpoint": file.endpoint, "base_url": origin.base_url}
        batch = Batch(
            id="",
            kind=kind,
            tenant=origin.caller.tenant,
            created_at=now,
            concurrency=lanes,
            requested_concurrency=lanes,
            need="text" if kind in TEXT else "image",
            model=next(iter(file.models), ""),
            metadata=dumps(about),
            expires_at=now + WINDOW,
        )
        if problems:
            errors = [problem.stored() for problem in problems]
            batch = replace(
                batch, state="invalid", closed_at=now, ended_at=now, metadata=dumps({**about, "errors": errors})
            )
            return await self._submitted(batch, [], ("", ""), digits=32)
        return await self._submitted(batch, file.tasks, ("", ""), digits=32)

    async def submit_image_call(self, batch: Batch, tasks: Sequence[TaskDraft], hook: tuple[str, str]) -> Batch:
        """A single call for images, entered; or the batch that came under its idempotency key meanwhile."""
        return await self._submitted(batch, tasks, hook, digits=32, prefix="imgtask_")

    async def submit_media(self, batch: Batch, prompt: str, hook: tuple[str, str]) -> Batch:
        """A video or music, entered; or the batch that came under its idempotency key meanwhile."""
        return await self._submitted(batch, [TaskDraft(prompt)], hook, digits=32, prefix=f"{batch.kind}_")

    async def find_by_idempotency_key(self, origin: Submitter, key: str, digest: str) -> Batch | None:
        """The batch that came under this idempotency key before; Conflict when it was another order."""
        found = await self.store.under_key(origin.caller.tenant, key) if key else None
        return _same_order(found, digest) if found is not None else None

    async def _tasks(self, order: BatchOrder, origin: Submitter, references: References) -> list[TaskDraft]:
        """The tasks of an order of images."""
        if order.webhook[0]:
            self.webhook_sender.check(order.webhook[0])
        self._check_models(order, origin.caller)
        common = ImageSpec(order.model or self.gateway.default_image_model, order.options)
        return [
            TaskDraft(item.prompt, await self._payload(item, f"items[{at}]", common, references))
            for at, item in enumerate(order.items)
        ]

    async def submit_answer(self, answer: Batch, task: TaskDraft, hook: tuple[str, str], *, prefix: str) -> Batch:
        """Enter an answer in words, or find the one that came under its idempotency key meanwhile. prefix: of its id,
        unless it has one already.
        """
        return await self._submitted(answer, [task], hook, digits=32, prefix=prefix)

    async def generated_nothing(self, batch: Batch) -> bool:
        """Whether a single call has ended and it is certain that Google made nothing for it, so that asking again makes
        sense.
        """
        if batch.tally.open or batch.tally.done or 0 < batch.expires_at <= self.clock.now():
            return False

        def spent(task: Task) -> bool:
            if task.status == "cancelled":
                return task.attempt > 0
            return not task.retryable or loads(task.result).get("generated") != "no"

        return not any(spent(task) for task in await self.store.tasks(batch.id, limit=SINGLE_TASKS))

    async def give_up_without_account(self, batch: Batch) -> None:
        """NoAccount when nothing of a single call runs and no account can go on with it: who waits is told, and it is
        given up. An account that is signing in can, in a moment.
        """
        if batch.tally.running or self.gateway.pool.is_usable(NEEDS[batch.need]):
            return
        await self.cancel(batch)
        error = self.gateway.pool.no_account_error(NEEDS[batch.need])
        raise error.with_(generated="maybe") if batch.started_at else error  # an earlier run may have sent it

    def stopping(self) -> Busy:
        """What somebody who waits for a single call is told when the process stops."""
        return Busy(
            "The gateway stops; the call goes on when it is back, ask for it under the same Idempotency-Key",
            "网关正在停止；重启后任务会继续，请使用相同的 Idempotency-Key 再次请求",
            generated="maybe",
            retry_after=5.0,
            code="stopping",
        )

    async def _submitted(
        self,
        batch: Batch,
        tasks: Sequence[TaskDraft] | TaskPages,
        hook: tuple[str, str],
        *,
        digits: int,
        prefix: str = "batch_",
    ) -> Batch:
        count = tasks.count if isinstance(tasks, TaskPages) else len(tasks)
        while True:
            fresh = replace(batch, id=batch.id or prefix + secrets.token_hex(digits // 2))
            fresh = replace(fresh, hook=await self._hook(fresh.id, *hook))
            head_start = self._expected(fresh)
            try:
                async with self._ordering:  # so that orders that come together are judged one after another
                    await self._check_open(batch.tenant, count)
                    entered = await self.store.submit(fresh, tasks, head_start=head_start)
            except Conflict:
                if batch.id:
                    raise
                continue  # the id is taken; eight digits are few
            self.wait_changed(entered.id)
            self.worker.wake()
            return _same_order(entered, batch.digest)  # of two orders that met under one key the other may be first

    def _expected(self, batch: Batch) -> float:
        """Seconds for which a single call is our worker's alone: who sent it here knew of an account for it."""
        if batch.need not in SINGLE:
            return 0.0
        self.worker.expect(batch.id)
        return self.worker.rules.head_start

    async def _check_open(self, tenant: str, more: int) -> None:
        """A batch is one call of the limits: what bounds it is how much of a key may wait."""
        if not self.open_per_key or not more:
            return
        waiting = await self.store.open_tasks(tenant)
        if waiting + more > self.open_per_key:
            most = self.open_per_key
            raise RateLimited(
                f"A key may have {most} tasks open (BATCH_TASKS_PER_KEY); {waiting} are, and this order has {more}",
                f"单个密钥最多有 {most} 个未完成任务（BATCH_TASKS_PER_KEY）；现有 {waiting} 个，本次 {more} 个",
                retry_after=60.0,
                code="too_many_open_tasks",
                details={"limit": most, "remaining": max(0, most - waiting), "reset": 60.0},
            )

    async def _hook(self, batch_id: str, url: str, secret: str) -> Webhook:
        if not secret:
            return Webhook(url)
        sealed = await self.vault.seal(webhook_secret_subject(batch_id), {"secret": secret})
        return Webhook(url, sealed.text, sealed.key_id)

    def _check_models(self, order: BatchOrder, caller: Caller) -> None:
        for at, item in enumerate(order.items):
            if item.model is None:
                continue
            try:
                check_scope(self.gateway.resolve(item.model, caller.tenant), caller)
            except ModelNotFound as error:
                raise ModelNotFound(error.en, error.zh, param=f"items[{at}].model", code=error.code) from None

    async def _payload(self, item: BatchItem, where: str, common: ImageSpec, references: References) -> str:
        """What the item wants beyond the batch; bytes that came with it become a file, the same ones once."""
        if item.model is None and item.options is None and not item.references:
            return ""
        try:
            kept = tuple([await references.one(source) for source in item.references])
        except ClientError as error:
            param = f"{where}.references"
            raise BadRequest(f"{param}: {error.en}", f"{param}：{error.zh}", param=param, code=error.code) from None
        return dump_spec(ImageSpec(item.model or common.model, item.options or common.options, kept))

    def references(self, caller: Caller) -> References:
        """Where those of an order are kept."""
        return References(self.files, self.worker.runner.attachments, self.clock, caller)

    async def _lanes(self) -> int:
        """Calls at once that all accounts together take, those of other nodes too."""
        here = sum(account.lanes for account in self.gateway.pool.accounts)
        return here + await self.elsewhere(self.lanes) or self.lanes

    # How they stand

    async def get(self, caller: Caller, batch_id: str, kinds: Sequence[BatchKind]) -> Batch:
        """One of the caller's, of these kinds; NotFound."""
        batch = await self.store.get(scope(caller), batch_id)
        if batch is None or batch.kind not in kinds:
            raise _not_found(batch_id, kinds)
        return batch

    async def page(self, batch: Batch, offset: int, limit: int) -> tuple[list[Task], int | None]:
        """Tasks that are done or failed, in their order, from number `offset` on; and where the next page begins."""
        tasks = list(await self.store.tasks(batch.id, status=("done", "failed"), after=offset - 1, limit=limit + 1))
        return tasks[:limit], tasks[limit].seq if len(tasks) > limit else None

    def standstill(self, batch: Batch) -> Standstill | None:
        """Why nothing of it can run now; None when something can, on another node too, or does, or nothing is left."""
        tally = batch.tally
        if batch.state != "active" or tally.running or not tally.queued or self.worker.lanes(batch.need):
            return None
        return self.gateway.pool.standstill(NEEDS[batch.need], background=batch.need not in SINGLE)

    async def watch(self, batch_id: str, *, awaited: bool = False) -> AsyncGenerator[None, None]:
        """Whenever the batch may have changed; at least as often as the worker polls. Ends when the process stops.

        awaited: by who called for it, and cannot come back: then as late as can be.
        """
        changed = Wakeup(self.clock)
        self._watchers[batch_id].add(changed)
        try:
            while not (self._over or (self._leaving and not awaited)):
                yield
                changed.clear()
                await changed.wait(self.worker.rules.poll)
        finally:
            self._watchers[batch_id].discard(changed)
            if not self._watchers[batch_id]:
                del self._watchers[batch_id]

    async def wait(self, batch_id: str, seconds: float, until: Callable[[Batch], bool]) -> None:
        """Until that holds of the batch, it is gone, or so many seconds are over: ask then how it stands."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(self.watch(batch_id)) as changes:
                async for _ in changes:
                    now = await self.store.get(None, batch_id)
                    if now is None or until(now):
                        return

    def wait_changed(self, batch_id: str) -> None:
        """The batch changed: tell those who watch; it may have ended."""
        self.closer.wake()
        self.webhook_sender.wake()
        self.wake_watchers(batch_id)

    def wake_watchers(self, batch_id: str) -> None:
        """Something of the batch can be told that ends nothing."""
        for changed in self._watchers.get(batch_id, ()):
            changed.wake()

    # What is done with them

    async def change(self, batch: Batch, state: BatchState) -> Batch:
        """Pause, resume or cancel; Conflict when it has ended before."""
        changed = await self.store.change(batch.id, state)
        if changed is None:
            raise _not_found(batch.id, (batch.kind,))
        if changed.state != state:
            what = _called(batch.kind)
            raise Conflict(
                f"The {what.en} has ended; only what is under way can be changed",
                f"{what.zh}已结束，无法更改",
                code="batch_ended",
            )
        if state == "cancelled":
            self.worker.cancel(batch.id)
        self._changed(batch.id)
        return changed

    async def cancel(self, batch: Batch) -> Batch:
        """Give it up; one that has ended stays as it is."""
        with suppress(Conflict):
            await self.change(batch, "cancelled")
        return await self.store.get(None, batch.id) or batch

    async def retry_failed(self, batch: Batch) -> Batch:
        """Queue what failed or was cancelled once more; Conflict when nothing did."""
        if not batch.tally.failed + batch.tally.cancelled:
            what = _called(batch.kind)
            raise Conflict(f"Nothing of this {what.en} failed", f"该{what.zh}没有失败的部分", code="nothing_to_retry")
        changed = await self.store.again(batch.id, head_start=self._expected(batch))
        if changed is None:
            raise _not_found(batch.id, (batch.kind,))
        self._changed(batch.id)
        return changed

    def _changed(self, batch_id: str) -> None:
        self.wait_changed(batch_id)
        self.worker.wake()

    async def forget(self, batch: Batch) -> None:
        """Drop it with all that is known of it; what runs of it is ended."""
        await self.store.forget(batch.id)
        self.worker.cancel(batch.id)
        self._changed(batch.id)

    async def forget_before(self, moment: float, kinds: Sequence[BatchKind] = ()) -> int:
        """Drop what was closed before `moment`, of these kinds or of all; how many."""
        return await self.store.forget_before(moment, kinds)

    def let_go(self) -> None:
        """The process will end: whoever watches and can come back is let go; who waits for a call has a while yet."""
        self._leaving = True
        for batch_id in tuple(self._watchers):
            self.wake_watchers(batch_id)

    async def stop(self, patience: float = 0.0) -> None:
        """The process ends: whoever watches is let go, what runs is given back (`Worker.stop`)."""
        self._over = True
        self.let_go()
        await self.worker.stop(patience)


def scope(caller: Caller) -> str | None:
    """Whose batches a caller sees: their key's; an admin without a key everybody's."""
    return None if caller.admin and not caller.tenant else caller.tenant


def digest_of(body: bytes) -> str:
    """Tells orders apart that come under the same idempotency key."""
    return hashlib.sha256(body).hexdigest()[:32]


def _same_order(found: Batch, digest: str) -> Batch:
    """The batch that stands under an idempotency key; Conflict when it was another order."""
    if found.digest == digest:
        return found
    raise Conflict(
        "This idempotency key was used for another order; choose a new one",
        "该幂等键已用于另一份订单，请使用新的键",
        param="idempotency_key",
        code="idempotency_key_reused",
    )


def _called(*kinds: BatchKind) -> LocalText:
    """What a person calls one of these kinds: whatever has not been ordered as a batch is a job."""
    return A_BATCH if set(kinds) <= {*IMAGES, *OPENAI} else A_JOB


def _not_found(wanted: str, kinds: Sequence[BatchKind]) -> NotFound:
    name = said(wanted)
    if _called(*kinds) == A_BATCH:
        return NotFound(f"There is no batch {name}", f"批次 {name} 不存在", param="batch_id", code="batch_not_found")
    return NotFound(f"There is no job {name}", f"任务 {name} 不存在", param="job_id", code="job_not_found")
