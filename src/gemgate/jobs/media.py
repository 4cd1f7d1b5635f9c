"""Videos and music: ordered, asked for, listed, deleted. Each is a batch of one task that has its id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from typing import Final

from gemgate.batches import Batch, Task
from gemgate.caller import Caller, Quota
from gemgate.catalog import MEDIA_CARDS
from gemgate.errors import Conflict, GatewayError, NotFound, StorageDown
from gemgate.files import Inline
from gemgate.frozen import frozen
from gemgate.gateway.media_outcome import WORDS
from gemgate.jobs.batches import WINDOW, Jobs, Submitter, scope
from gemgate.jobs.media_runner import Chat, MediaSpec, kind_of
from gemgate.jobs.payloads import dumps, error_of, loads
from gemgate.media import MadeMedia, MediaCall, MediaFile, MediaKind, MediaState, VideoRequest
from gemgate.offload import offload
from gemgate.ports.blobs import BlobStore

PRIORITY: Final = 1000
"""Above that of any batch, as other single calls."""


@frozen
class MediaJobs:
    """What doors call, for one kind of media. webhook: whom their ends are told, and its secret."""

    jobs: Jobs
    blobs: BlobStore
    kind: MediaKind
    webhook: tuple[str, str] = ("", "")

    async def submit(
        self, call: MediaCall, key: str, submitter: Submitter, *, admitted: Callable[[Quota], None]
    ) -> MadeMedia:
        """It is counted and entered; or the one that came under this idempotency key before, however it ended.

        admitted: hears what is left once it is counted. Conflict when another call came under the key.
        """
        jobs, request, caller = self.jobs, call.request, submitter.caller
        heavy = sum(len(one.data) for one in request.references if isinstance(one, Inline))
        digest = await offload(heavy, lambda: digest_of(call))
        name = f"{self.kind} {key}" if key else ""
        found = await jobs.find_by_idempotency_key(submitter, name, digest)
        if found is not None:
            return await self._shown(found)
        remixed = request.remixed if isinstance(request, VideoRequest) else ""
        source, root = await self._source(caller, remixed) if remixed else (None, "")
        async with jobs.references(caller) as kept:
            references = await kept.all(request.references, "input_reference")
            spec = MediaSpec(replace(request, references=references), source)
            batch = await self._entered(call, spec, root, submitter, (name, digest), admitted)
        return await self._shown(batch)

    async def _entered(
        self,
        call: MediaCall,
        spec: MediaSpec,
        root: str,
        submitter: Submitter,
        key: tuple[str, str],
        admitted: Callable[[Quota], None],
    ) -> Batch:
        """root: id of the first video in its chat. key: of its idempotency, with the digest of the call."""
        jobs, request, caller = self.jobs, spec.request, submitter.caller
        elsewhere = await jobs.elsewhere(jobs.lanes)
        card = next(card for card in MEDIA_CARDS if card.id == call.model)
        admitted((await jobs.gateway.admit_order(card, caller, later=elsewhere > 0)).quota)
        now = jobs.clock.now()
        about = {
            "base_url": submitter.base_url,
            "request_id": caller.request_id,
            "wished": call.wished,
            "remixed": request.remixed if isinstance(request, VideoRequest) else "",
            "root": root,
            "awaited": False,
        }
        batch = Batch(
            id="",
            kind=self.kind,
            tenant=caller.tenant,
            created_at=now,
            concurrency=1,
            requested_concurrency=1,
            need=self.kind,
            priority=PRIORITY,
            model=card.id,
            defaults=spec.dump(),
            metadata=dumps(about),
            idempotency_key=key[0],
            digest=key[1],
            expires_at=now + WINDOW,
        )
        return await jobs.submit_media(batch, request.prompt, self.webhook)

    async def _source(self, caller: Caller, media_id: str) -> tuple[Chat, str]:
        """The chat of a video that shall be changed, and the id of the first video in it."""
        batch = await self._batch(caller, media_id)
        task = await self._task(batch)
        if task.status != "done":
            raise _not_completed(self.kind, media_id)
        return Chat.of(loads(task.result)["chat"]), loads(batch.metadata).get("root") or media_id

    async def get(self, caller: Caller, media_id: str) -> MadeMedia:
        """One of the caller's; NotFound."""
        return await self._shown(await self._batch(caller, media_id))

    async def wait(self, caller: Caller, media_id: str, seconds: float) -> MadeMedia:
        """The same as soon as it has ended, or after so many seconds."""
        await self._batch(caller, media_id)
        await self.jobs.wait(media_id, seconds, lambda now: not now.tally.open)
        return await self.get(caller, media_id)

    async def ended(self, caller: Caller, media_id: str) -> MadeMedia:
        """The same once it has ended, for who waits in the call itself. Busy when the process stops."""
        async with aclosing(self.jobs.watch(media_id, awaited=True)) as changes:
            async for _ in changes:
                with suppress(StorageDown):  # it goes on all the same
                    made = await self.get(caller, media_id)
                    if made.status not in ("queued", "in_progress"):
                        return made
        raise self.jobs.stopping()

    async def page(
        self, caller: Caller, *, after: str | None, limit: int, oldest_first: bool = False
    ) -> tuple[Sequence[MadeMedia], bool]:
        """The caller's behind `after`, the newest first; and whether there are more. NotFound for `after`."""
        if after:
            await self._batch(caller, after)
        kinds, first = (self.kind,), oldest_first
        found, _ = await self.jobs.store.latest(scope(caller), kinds, limit + 1, after or None, oldest_first=first)
        return [await self._shown(batch) for batch in found[:limit]], len(found) > limit

    async def delete(self, caller: Caller, media_id: str) -> None:
        """Forget it with its file; one that is being made is given up."""
        batch = await self._batch(caller, media_id)
        await self.jobs.forget(batch)
        await self.jobs.worker.runner.forget(batch)

    async def stored(self, caller: Caller, media_id: str) -> MadeMedia:
        """One that is finished, with its files. NotFound, Conflict while there are none."""
        made = await self.get(caller, media_id)
        if not made.files:
            raise _not_completed(self.kind, media_id)
        return made

    async def _batch(self, caller: Caller, media_id: str) -> Batch:
        try:
            return await self.jobs.get(caller, media_id, (self.kind,))
        except NotFound:
            raise media_not_found(self.kind, media_id) from None

    async def _task(self, batch: Batch) -> Task:
        found = await self.jobs.store.tasks(batch.id, limit=1)
        if not found:  # it was deleted a moment ago
            raise media_not_found(self.kind, batch.id)
        return found[0]

    async def _shown(self, batch: Batch) -> MadeMedia:
        task = await self._task(batch)
        about = loads(batch.metadata)
        return MadeMedia(
            batch.id,
            kind_of(batch),
            _state(batch, task),
            task.prompt,
            batch.model,
            batch.created_at,
            completed_at=task.finished_at if task.status in ("done", "failed") else batch.ended_at,
            wished=about["wished"],
            remixed=about["remixed"],
            files=files_of(task) if task.status == "done" else (),
            error=_error(batch, task),
            standstill=self.jobs.standstill(batch),
        )


def files_of(task: Task) -> tuple[MediaFile, ...]:
    """The stored files of a task that is done."""
    return tuple(MediaFile(**file) for file in loads(task.result)["files"])


def digest_of(call: MediaCall) -> str:
    """Tells calls apart that come under one idempotency key, however their bodies were written."""
    request = call.request
    sent = [
        hashlib.sha256(one.data).hexdigest() if isinstance(one, Inline) else asdict(one) for one in request.references
    ]
    words = [asdict(replace(request, references=())), call.model, sent, dict(sorted(call.wished.items()))]
    return hashlib.sha256(dumps(words).encode()).hexdigest()[:32]


def _state(batch: Batch, task: Task) -> MediaState:
    if task.status == "done":
        return "completed"
    if task.status in ("failed", "cancelled") or batch.state in ("cancelled", "expired"):
        return "failed"
    return "in_progress" if batch.started_at else "queued"


def _error(batch: Batch, task: Task) -> GatewayError | None:
    if task.status == "failed":
        error = error_of(loads(task.result), task.error, task.error_zh)
        return error if error.code else error.with_(code=task.code)
    if task.status == "cancelled" or batch.state in ("cancelled", "expired"):
        expired = batch.state == "expired"
        kind = kind_of(batch)
        one, zh = WORDS[kind].one, WORDS[kind].zh
        return Conflict(
            f"The {one} expired before it was made" if expired else f"The {one} was cancelled",
            f"{zh}在生成前已过期" if expired else f"{zh}已取消",
            code=f"{kind}_expired" if expired else f"{kind}_cancelled",
        )
    return None


def media_not_found(kind: MediaKind, media_id: str) -> NotFound:
    words = WORDS[kind]
    return NotFound(
        f"There is no {words.one} {media_id[:100]}",
        f"{words.zh} {media_id[:100]} 不存在",
        param=f"{kind}_id",
        code=f"{kind}_not_found",
    )


def _not_completed(kind: MediaKind, media_id: str) -> Conflict:
    words = WORDS[kind]
    return Conflict(
        f"The {words.one} {media_id[:100]} is not completed",
        f"{words.zh} {media_id[:100]} 尚未完成",
        param=f"{kind}_id",
        code=f"{kind}_not_completed",
    )
