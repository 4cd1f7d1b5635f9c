"""Videos: ordered, asked for, listed, deleted. Each is a batch of one task that has the video's id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gemgate.batches import Batch, BatchKind, Task
from gemgate.caller import Caller, Quota
from gemgate.catalog import VIDEO
from gemgate.dialects.openai_videos import Video, VideoCall, VideoState
from gemgate.errors import Conflict, GatewayError, NotFound
from gemgate.files import Inline
from gemgate.jobs.batches import WINDOW, Jobs, Submitter, scope
from gemgate.jobs.payloads import dumps, error_of, loads
from gemgate.jobs.video_runner import Chat, VideoSpec, key_of
from gemgate.offload import offload
from gemgate.ports.blobs import BlobStore
from gemgate.videos import VideoFacts

KINDS: Final[tuple[BatchKind, ...]] = ("video",)
PRIORITY: Final = 1000
"""Above that of any batch, as other single calls."""
PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Videos:
    """What doors call."""

    jobs: Jobs
    blobs: BlobStore

    async def submit(
        self, call: VideoCall, key: str, submitter: Submitter, *, admitted: Callable[[Quota], None]
    ) -> Video:
        """A video, counted and entered; or the one that came under this idempotency key before, however it ended.

        admitted: hears what is left once it is counted. Conflict when another call came under the key.
        """
        jobs, request, caller = self.jobs, call.request, submitter.caller
        digest = await offload(sum(len(one.data) for one in request.references if isinstance(one, Inline)), call.digest)
        name = f"video {key}" if key else ""
        found = await jobs.find_by_idempotency_key(submitter, name, digest)
        if found is not None:
            return await self._shown(found)
        source = await self._source(caller, request.remixed) if request.remixed else None
        references = await jobs.keep_references(request.references, submitter, "input_reference")
        elsewhere = await jobs.elsewhere(jobs.lanes)
        admitted((await jobs.gateway.admit_video(caller, later=elsewhere > 0)).quota)
        now = jobs.clock.now()
        about = {
            "base_url": submitter.base_url,
            "request_id": caller.request_id,
            "wished": call.wished,
            "remixed": request.remixed,
            "awaited": False,
        }
        batch = Batch(
            id="",
            kind="video",
            tenant=caller.tenant,
            created_at=now,
            concurrency=1,
            requested_concurrency=1,
            need="video",
            priority=PRIORITY,
            model=VIDEO.id,
            defaults=VideoSpec(replace(request, references=references), source).dump(),
            metadata=dumps(about),
            idempotency_key=name,
            digest=digest,
            expires_at=now + WINDOW,
        )
        return await self._shown(await jobs.submit_video(batch, request.prompt))

    async def _source(self, caller: Caller, video_id: str) -> Chat:
        """The chat of a video that shall be changed."""
        task = await self._task(await self._batch(caller, video_id))
        if task.status != "done":
            raise _not_completed(video_id)
        return Chat.of(loads(task.result)["chat"])

    async def get(self, caller: Caller, video_id: str) -> Video:
        """A video of the caller's; NotFound."""
        return await self._shown(await self._batch(caller, video_id))

    async def wait(self, caller: Caller, video_id: str, seconds: float) -> Video:
        """The same as soon as it has ended, or after so many seconds."""
        batch = await self._batch(caller, video_id)
        return await self._shown(await self.jobs.wait(batch, seconds, lambda now: not now.tally.open))

    async def page(
        self, caller: Caller, *, after: str | None, limit: int, oldest_first: bool = False
    ) -> tuple[Sequence[Video], bool]:
        """The caller's videos behind `after`, the newest first; and whether there are more. NotFound for `after`."""
        if after:
            await self._batch(caller, after)
        if not oldest_first:
            found, _ = await self.jobs.store.latest(scope(caller), KINDS, limit + 1, after)
            return [await self._shown(batch) for batch in found[:limit]], len(found) > limit
        everything: list[Batch] = []
        while True:
            last = everything[-1].id if everything else None
            more, _ = await self.jobs.store.latest(scope(caller), KINDS, PAGE, last)
            if not more:
                break
            everything += more
        everything.reverse()
        start = next((at + 1 for at, batch in enumerate(everything) if batch.id == after), 0) if after else 0
        return [await self._shown(one) for one in everything[start : start + limit]], len(everything) > start + limit

    async def delete(self, caller: Caller, video_id: str) -> None:
        """Forget it with its file; one that is being made is given up."""
        batch = await self._batch(caller, video_id)
        await self.jobs.forget(batch)
        await self.blobs.delete([key_of(batch.id)])

    async def stored(self, caller: Caller, video_id: str) -> tuple[str, Video]:
        """Where the file of a finished video stands. NotFound, Conflict while there is none."""
        video = await self.get(caller, video_id)
        if video.facts is None:
            raise _not_completed(video_id)
        return key_of(video.id), video

    async def _batch(self, caller: Caller, video_id: str) -> Batch:
        try:
            return await self.jobs.get(caller, video_id, KINDS)
        except NotFound:
            raise video_not_found(video_id) from None

    async def _task(self, batch: Batch) -> Task:
        found = await self.jobs.store.tasks(batch.id, limit=1)
        if not found:  # it was deleted a moment ago
            raise video_not_found(batch.id)
        return found[0]

    async def _shown(self, batch: Batch) -> Video:
        task = await self._task(batch)
        about = loads(batch.metadata)
        facts = VideoFacts(**loads(task.result)["facts"]) if task.status == "done" else None
        return Video(
            batch.id,
            _state(batch, task),
            task.prompt,
            batch.model,
            batch.created_at,
            completed_at=task.finished_at if task.status in ("done", "failed") else batch.ended_at,
            wished=about["wished"],
            remixed=about["remixed"],
            facts=facts,
            error=_error(batch, task),
        )


def _state(batch: Batch, task: Task) -> VideoState:
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
        return Conflict(
            "The video expired before it was made" if expired else "The video was cancelled",
            "视频在生成前已过期" if expired else "视频已取消",
            code="video_expired" if expired else "video_cancelled",
        )
    return None


def video_not_found(video_id: str) -> NotFound:
    return NotFound(
        f"There is no video {video_id[:100]}", f"视频 {video_id[:100]} 不存在", param="video_id", code="video_not_found"
    )


def _not_completed(video_id: str) -> Conflict:
    return Conflict(
        f"The video {video_id[:100]} is not completed",
        f"视频 {video_id[:100]} 尚未完成",
        param="video_id",
        code="video_not_completed",
    )
