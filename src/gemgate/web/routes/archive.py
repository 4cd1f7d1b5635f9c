"""A batch, or chosen images, as a ZIP that is written while it is sent.

One image is in memory at a time; a batch's manifests stand at the end.
"""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from gemgate.batches import Batch, Task
from gemgate.caller import Caller
from gemgate.dialects import simple_batches, wire
from gemgate.dialects.simple_batches import TaskError, TaskResult
from gemgate.errors import NotFound
from gemgate.jobs.batches import Jobs
from gemgate.jobs.payloads import image_of, loads
from gemgate.ports.blobs import BlobStore
from gemgate.ports.gallery import GalleryImage
from gemgate.web.zip_stream import Outlet, zip_entry

PAGE = 200


async def archive(
    jobs: Jobs, blobs: BlobStore, batch: Batch, status: str, caller: Caller
) -> AsyncGenerator[bytes, None]:
    """The bytes of the ZIP. An image that is gone is missing in it, and the manifest says so."""
    outlet = Outlet()
    packed: set[int] = set()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as zipped:
        async for task in _tasks(jobs, batch):
            if task.status != "done":
                continue
            image = image_of(loads(task.result), task.prompt)
            try:
                blob = await blobs.get("images/" + image.name)
            except NotFound:
                continue
            packed.add(task.seq)
            info = zip_entry(_file_of(task), blob.facts.modified)
            await asyncio.to_thread(zipped.writestr, info, blob.data)
            yield outlet.take()
        async for piece in _manifests(zipped, outlet, jobs, batch, status, caller, packed):
            yield piece
    yield outlet.take()


async def chosen(blobs: BlobStore, images: Sequence[GalleryImage]) -> AsyncGenerator[bytes, None]:
    """The bytes of a ZIP of these images, under their own names; one whose file is gone is missing in it."""
    outlet = Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as zipped:
        for one in images:
            try:
                blob = await blobs.get("images/" + one.image.name)
            except NotFound:
                continue
            name = f"{one.handle[:6]}_{one.image.name.rpartition('/')[2]}"  # names of one second may be the same
            await asyncio.to_thread(zipped.writestr, zip_entry(name, one.created_at), blob.data)
            yield outlet.take()
    yield outlet.take()


async def _manifests(
    zipped: zipfile.ZipFile,
    outlet: Outlet,
    jobs: Jobs,
    batch: Batch,
    status: str,
    caller: Caller,
    packed: set[int],
) -> AsyncGenerator[bytes, None]:
    about = {"batch_id": batch.id, "status": status, "total": batch.tally.total, "tasks": []}
    head, _, tail = wire.dumps(about).partition(b'"tasks":[]')
    with zipped.open(zip_entry("manifest.json", batch.created_at), "w") as file:
        file.write(head + b'"tasks":[\n')
        first = True
        async for entry in _entries(jobs, batch, caller, packed):
            file.write((b"" if first else b",\n") + wire.dumps(entry))
            first = False
            yield outlet.take()
        file.write(b"\n]" + tail)
    with zipped.open(zip_entry("manifest.csv", batch.created_at), "w") as file:
        file.write(simple_batches.write_manifest_header())
        async for entry in _entries(jobs, batch, caller, packed):
            file.write(simple_batches.write_manifest_row(entry))
            yield outlet.take()


async def _entries(jobs: Jobs, batch: Batch, caller: Caller, packed: set[int]) -> AsyncIterator[dict[str, Any]]:
    async for task in _tasks(jobs, batch):
        outcome: TaskResult | TaskError | None = None
        prompt = task.prompt if batch.tenant == caller.tenant else ""  # for its owner alone
        if task.status == "done":
            outcome = TaskResult(task.id, image_of(loads(task.result), prompt))
        elif task.status == "failed":
            error = task.error_zh if caller.language.lower().startswith("zh") else task.error
            outcome = TaskError(task.id, error, task.code, task.retryable)
        file = _file_of(task) if task.seq in packed else ""
        yield simple_batches.write_manifest_entry(task.id, prompt, task.status, file, outcome, caller.language)


async def _tasks(jobs: Jobs, batch: Batch) -> AsyncIterator[Task]:
    after = -1
    while page := await jobs.store.tasks(batch.id, after=after, limit=PAGE):
        for task in page:
            yield task
        after = page[-1].seq


def _file_of(task: Task) -> str:
    """The picture's own name behind the number of its task, so that a folder shows them in their order."""
    name: str = loads(task.result)["name"]
    return f"{task.seq + 1:05d}_{name.rpartition('/')[2]}"
