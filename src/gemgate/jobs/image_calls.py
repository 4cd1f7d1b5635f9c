"""Single calls for images that outlive their connection and their process: asynchronous ones, and those under an
idempotency key.

A call is a batch of the kind `image_call`, and each of its images a task, made and named as a batch's are: it is looked
for before it is made, and never made twice. The dialect's answer is written when somebody asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TypeAlias

from gemgate.batches import Batch, BatchKind, Task, TaskDraft
from gemgate.caller import Caller, Cost, Quota
from gemgate.dialects.image_tasks import Shape
from gemgate.errors import GatewayError, NotFound
from gemgate.files import Inline, Source, Stored
from gemgate.frozen import frozen
from gemgate.gateway.admission import Charge
from gemgate.gateway.gateway import at_least_one
from gemgate.images import GeneratedImage, ImageRequest
from gemgate.jobs.batches import SINGLE_TASKS, WINDOW, Jobs, Submitter
from gemgate.jobs.payloads import ImageSpec, dump_spec, dumps, error_of_task, image_of, load_spec, loads
from gemgate.offload import offload
from gemgate.ports.blobs import BlobStore

IMAGE_CALLS: tuple[BatchKind, ...] = ("image_call",)
PRIORITY = 1000
"""Above that of any batch: somebody waits for a single call, or will soon ask."""

Outcome: TypeAlias = GeneratedImage | GatewayError


@frozen
class ImageCallOrder:
    """A call for images that shall be durable.

    shape, as_url: how it is answered. key: its idempotency key, "" for none. awaited: its caller waits for the answer,
    so that its first failure is the answer; otherwise it waits for an account and is tried again, as a batch is.
    webhook: an address that is told of its end, and the secret that signs, "" for none.
    """

    request: ImageRequest
    shape: Shape
    as_url: bool
    awaited: bool
    key: str = ""
    webhook: tuple[str, str] = ("", "")

    def digest(self) -> str:
        """Tells calls apart that come under one idempotency key, however their bodies were written."""
        request = self.request
        sent = [_told(source) for source in request.references]
        words = [request.prompt, request.model, request.n, asdict(request.options), sent, self.shape, self.as_url]
        words += [self.webhook[0]] if self.webhook[0] else []
        return hashlib.sha256(dumps(words).encode()).hexdigest()[:32]


@frozen
class ImageCalls:
    """What doors call. `blobs` has the images' bytes."""

    jobs: Jobs
    blobs: BlobStore

    async def submit(self, order: ImageCallOrder, submitter: Submitter, *, admitted: Callable[[Quota], None]) -> Batch:
        """The call, counted and entered; or the one that came under its idempotency key before.

        One that certainly generated nothing is begun again, and counted again. admitted: hears what is left once it is
        counted. Conflict when another call came under the key; whatever refuses a single call.
        """
        size = sum(len(source.data) for source in order.request.references if isinstance(source, Inline))
        digest = await offload(size, order.digest)
        jobs, request, caller = self.jobs, order.request, submitter.caller
        found = await jobs.find_by_idempotency_key(submitter, order.key, digest)
        if found is not None and not await jobs.generated_nothing(found):
            return found
        if order.webhook[0]:
            jobs.webhook_sender.check(order.webhook[0])
        async with jobs.references(caller) as kept:
            references = () if found else await kept.all(request.references, "image")
            return await self._entered(order, references, submitter, digest, found, admitted)

    async def _entered(
        self,
        order: ImageCallOrder,
        references: tuple[Source, ...],
        submitter: Submitter,
        digest: str,
        found: Batch | None,
        admitted: Callable[[Quota], None],
    ) -> Batch:
        """found: the one under its key that is begun again."""
        jobs, request, caller = self.jobs, order.request, submitter.caller
        admission = await jobs.gateway.admit_images(
            request.model, caller, request.options.model_policy, later=not order.awaited,
            charge=Charge(Cost(request.n, images=request.n), durable=True),
        )  # fmt: skip
        admitted(admission.quota)
        if found is not None:
            return await jobs.retry_failed(found)
        spec = ImageSpec(request.model or jobs.gateway.default_image_model, request.options, references)
        about = {
            "base_url": submitter.base_url,
            "request_id": caller.request_id,
            "shape": order.shape,
            "as_url": order.as_url,
            "awaited": order.awaited,
        }
        now = jobs.clock.now()
        batch = Batch(
            id="",
            kind="image_call",
            tenant=caller.tenant,
            created_at=now,
            concurrency=request.n,
            requested_concurrency=request.n,
            need="image_call",
            priority=PRIORITY,
            model=request.model or admission.card.id,
            defaults=dump_spec(spec),
            metadata=dumps(about),
            idempotency_key=order.key,
            digest=digest,
            expires_at=now + WINDOW,
        )
        return await jobs.submit_image_call(batch, [TaskDraft(request.prompt)] * request.n, order.webhook)

    async def get(self, caller: Caller, task_id: str) -> Batch:
        """A call of the caller's; NotFound."""
        try:
            return await self.jobs.get(caller, task_id, IMAGE_CALLS)
        except NotFound:
            raise NotFound(
                f"There is no image task {task_id[:100]}",
                f"图片任务 {task_id[:100]} 不存在",
                param="task_id",
                code="image_task_not_found",
            ) from None

    async def tasks(self, batch: Batch) -> Sequence[Task]:
        """Its images' tasks in their order."""
        return await self.jobs.store.tasks(batch.id, limit=SINGLE_TASKS)

    def outcomes(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Of each image that has ended, the image without its bytes, or why there is none."""
        return [self._outcome(task) for task in tasks if task.status not in ("queued", "running")]

    def _outcome(self, task: Task) -> Outcome:
        if task.status == "done":
            image = image_of(loads(task.result), task.prompt)
            return replace(image, url=self.jobs.gateway.images.url_of(image.name))
        return error_of_task(task)

    async def with_bytes(self, outcome: Outcome) -> Outcome:
        """The outcome, an image with its bytes; somebody may have taken its file away, then without."""
        if not isinstance(outcome, GeneratedImage):
            return outcome
        try:
            return replace(outcome, data=(await self.blobs.get("images/" + outcome.name)).data)
        except NotFound:
            return outcome

    async def results(self, batch: Batch, done: Callable[[Outcome], None]) -> list[Outcome]:
        """Wait for all of its images; `done` hears of each as soon as it is there. An error when there is none at all:
        the first that may have cost a generation.

        Busy when the process stops, NoAccount when no account can go on with it; then it is given up.
        """
        return at_least_one(await self._all(batch, done))

    async def _all(self, batch: Batch, done: Callable[[Outcome], None]) -> list[Outcome]:
        found: dict[str, Outcome] = {}
        seen = 0
        async for _ in self.jobs.watch(batch.id, awaited=True):
            now = await self.jobs.store.get(None, batch.id)
            if now is None:
                raise NotFound("The image task was deleted", "图片任务已被删除", code="image_task_not_found")
            while seen < now.settled and (tasks := await self.jobs.store.ended(batch.id, seen, SINGLE_TASKS)):
                for task in tasks:
                    found[task.id] = await self.with_bytes(self._outcome(task))
                    done(found[task.id])
                seen = tasks[-1].settled
            if not now.tally.open:
                return [found.get(task.id) or self._outcome(task) for task in await self.tasks(batch)]
            await self.jobs.give_up_without_account(now)
        raise self.jobs.stopping()


def request_of(batch: Batch, tasks: Sequence[Task]) -> ImageRequest:
    """The call as it was asked, its references as they are stored."""
    spec = load_spec(batch.defaults)
    return ImageRequest(tasks[0].prompt, batch.model, len(tasks), spec.references, spec.options)


def _told(source: Source) -> list[str]:
    if isinstance(source, Inline):
        return ["bytes", hashlib.sha256(source.data).hexdigest()]
    return ["file", source.id] if isinstance(source, Stored) else ["link", source.url]
