"""What follows the last task of a batch: the output files of OpenAI's batches, and orders whose time is up.

Any process may close a batch, and begins anew where another one died. Files are written line by line on disk, so that
a thousand images in one file do not stand in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from gemgate.batches import Batch, Task
from gemgate.chat import Usage
from gemgate.dialects import openai_batches, openai_images
from gemgate.dialects.wire import ResponseMeta
from gemgate.errors import GatewayError, NotFound, StorageDown
from gemgate.files import StoredFile
from gemgate.gateway.image_delivery import ImagePipeline
from gemgate.images import GeneratedImage
from gemgate.jobs.payloads import dumps, image_of, loads
from gemgate.jobs.resting import until_due
from gemgate.jobs.rules import JobRules
from gemgate.jobs.runner import images_call, line_of
from gemgate.ports.blobs import BlobStore
from gemgate.ports.files import FileStore
from gemgate.ports.jobs import JobStore
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.wakeup import Wakeup
from gemgate.prompting import tokens

PAGE = 200
POLL_INTERVAL = 15.0
"""Seconds between looks for batches that another process should have closed, or whose time is up."""


@dataclass(slots=True)
class BatchFinalizer:
    """`owner`: this process. `closed` hears of batches that are closed now."""

    store: JobStore
    files: FileStore
    blobs: BlobStore
    images: ImagePipeline
    owner: str
    clock: Clock
    observer: Observer
    rules: JobRules
    closed: Callable[[str], None] = lambda batch_id: None
    _wakeup: Wakeup = field(init=False)

    def __post_init__(self) -> None:
        self._wakeup = Wakeup(self.clock)

    def wake(self) -> None:
        """A batch may have ended."""
        self._wakeup.wake()

    async def run(self) -> None:
        """Close what has ended, for ever."""
        while True:
            await until_due(self.store, self._wakeup, self.rules)
            try:
                await self.step()
            except StorageDown as error:
                self.observer.emit(TelemetryEvent("batches.waiting", data={"why": error.en}))
                await self.clock.sleep(self.rules.poll)
            await self._wakeup.wait(POLL_INTERVAL)

    async def step(self) -> None:
        for batch_id in await self.store.overdue(self.clock.now()):
            await self.store.change(batch_id, "expired")
        while batch := await self.store.closing(self.owner, self.rules.closing):
            about = loads(batch.metadata)
            if "input_file_id" in about:  # an OpenAI batch
                about |= await self._files_of(batch)
            if await self.store.close(batch.id, self.owner, dumps(about), self.clock.now()):
                data: dict[str, str | int | float | bool | None] = {
                    "batch": batch.id,
                    "done": batch.tally.done,
                    "failed": batch.tally.failed,
                    "cancelled": batch.tally.cancelled,
                }
                self.observer.emit(TelemetryEvent("batch.closed", data=data))
                self.closed(batch.id)

    async def _files_of(self, batch: Batch) -> dict[str, Any]:
        """Write what was answered and what was not into two files; their ids, and the tokens of all answers."""
        with tempfile.TemporaryDirectory(prefix="gemgate-batch-") as folder:
            output, errors = _Lines(Path(folder) / "output"), _Lines(Path(folder) / "errors")
            usage = Usage()
            after = -1
            try:
                while tasks := await self.store.tasks(batch.id, after=after, limit=PAGE):
                    for task in tasks:
                        if task.status == "done":
                            body = await self._body(batch, task)
                            usage += _usage_of(body)
                            line = openai_batches.write_answer(*_ids(task), _request_id(task), 200, body)
                            await output.add(line)
                        else:
                            await errors.add(_failure(batch, task))
                    after = tasks[-1].seq
                return {
                    "output_file_id": await self._kept(batch, output, "output"),
                    "error_file_id": await self._kept(batch, errors, "error"),
                    "usage": [usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens],
                }
            finally:
                output.close()
                errors.close()

    async def _body(self, batch: Batch, task: Task) -> dict[str, Any]:
        """The answer of one task, in the shape of its endpoint."""
        result: dict[str, Any] = loads(task.result)
        if batch.need == "text":
            return result
        call = images_call(batch, task)
        images = [image_of(value, task.prompt) for value in result["pictures"]]
        shown = [await self._shown(image, as_url=call.as_url) for image in images]
        sent = tokens.IMAGE_TOKENS * len(call.request.references)
        usage = Usage(tokens.estimate(task.prompt) + sent, tokens.IMAGE_TOKENS_OUT * len(images))
        about = loads(batch.metadata)
        meta = ResponseMeta("", result["created"], about.get("base_url", ""), about.get("language", "en"))
        body = await asyncio.to_thread(openai_images.write, shown, call, meta, usage, image_tokens=sent)
        more = {"errors": result["errors"], "ignored": list(call.ignored)}
        return body | {name: value for name, value in more.items() if value}

    async def _shown(self, image: GeneratedImage, *, as_url: bool) -> GeneratedImage:
        linked = replace(image, url=self.images.url_of(image.name))
        if as_url:
            return linked
        try:
            return replace(linked, data=(await self.blobs.get("images/" + image.name)).data)
        except NotFound:
            return linked  # somebody took the file away; the link says so too

    async def _kept(self, batch: Batch, lines: _Lines, what: str) -> str | None:
        """The file as an upload of the batch's owner; None for an empty one."""
        if not lines.size:
            return None
        await lines.finish()
        now, lasts = self.clock.now(), loads(batch.metadata).get("output_seconds", 0)
        file = StoredFile(
            "file-" + uuid.uuid4().hex,
            batch.tenant,
            f"{batch.id}_{what}.jsonl",
            "application/jsonl",
            lines.size,
            lines.digest.hexdigest(),
            "batch_output",
            now,
            now + lasts if lasts else 0.0,
        )
        await self.files.add_from(file, lines.path)
        return file.id


class _Lines:
    """A file on disk that grows by lines, with its size and digest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.digest = hashlib.sha256()
        self._file: BinaryIO = path.open("wb")

    async def add(self, line: bytes) -> None:
        self.size += len(line)
        if len(line) < 65_536:
            self._write(line)
        else:
            await asyncio.to_thread(self._write, line)

    def _write(self, line: bytes) -> None:
        self.digest.update(line)
        self._file.write(line)

    async def finish(self) -> None:
        await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _failure(batch: Batch, task: Task) -> bytes:
    """A line of the error file: what the call was answered with, or why it never was."""
    if task.status == "failed" and task.result:
        result, request_id = loads(task.result), _request_id(task)
        told = {**result["body"]["error"], "request_id": request_id}
        return openai_batches.write_answer(*_ids(task), request_id, result["status"], {"error": told})
    if task.status == "failed":
        error = GatewayError(task.error, task.error_zh, code=task.code)
    elif batch.state == "expired":
        error = GatewayError(
            "The batch expired before this call was made", "批次在此调用执行前已过期", code="batch_expired"
        )
    else:
        error = GatewayError(
            "The batch was cancelled before this call was made", "批次在此调用执行前已取消", code="batch_cancelled"
        )
    return openai_batches.write_failure(*_ids(task), error, loads(batch.metadata).get("language", "en"))


def _ids(task: Task) -> tuple[str, str]:
    return f"batch_req_{_request_id(task)[4:]}", str(line_of(task)["custom_id"])


def _request_id(task: Task) -> str:
    return "req_" + hashlib.sha256(task.id.encode()).hexdigest()[:24]


def _usage_of(body: dict[str, Any]) -> Usage:
    """The tokens of a chat completion, a response or an images answer."""
    usage = body.get("usage") or {}
    if "prompt_tokens" not in usage:
        thought = usage.get("output_tokens_details", {}).get("reasoning_tokens", 0)
        return Usage(usage.get("input_tokens", 0), usage.get("output_tokens", 0) - thought, thought)
    thought = usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    return Usage(usage["prompt_tokens"], usage["completion_tokens"] - thought, thought)
