"""Batches of pictures in the simple dialect: exact shapes of spec 1.4 and decisions.md 18."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from gemgate.dialects.wire import Body, Stamp, base64_text, image_facts, image_link, rfc3339, sse
from gemgate.images import GeneratedImage, ImageOptions, SizePolicy

BatchStatus = Literal["queued", "processing", "paused", "completed", "failed", "cancelled"]

MAX_PROMPTS = 10_000


class BatchImagesRequest(Body):
    """Body of POST /v1/batch/images."""

    prompts: list[str] = Field(min_length=1, max_length=MAX_PROMPTS)
    response_type: Literal["url", "base64"] = "url"
    concurrency: int = Field(default=2, ge=1)
    model: str | None = None
    size_policy: SizePolicy = "best_effort"
    resample: bool = False
    remove_logo: bool | None = None


@dataclass(frozen=True, slots=True)
class TaskDone:
    """A finished task; `data` are the picture's bytes when base64 was asked for."""

    task_id: str
    image: GeneratedImage


@dataclass(frozen=True, slots=True)
class TaskFailed:
    task_id: str
    error: str
    code: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as it stands. `pending` includes what is running; times in epoch seconds, 0 = not yet or not known.

    asked: the concurrency that the caller named, `concurrency` the one in force.
    """

    batch_id: str
    total: int
    completed: int
    failed: int
    status: BatchStatus
    concurrency: int = 2
    asked: int = 2
    created_at: float = 0.0
    model: str = ""
    as_base64: bool = False
    done: tuple[TaskDone, ...] = ()
    errors: tuple[TaskFailed, ...] = ()
    eta_seconds: float | None = None
    waiting_for: str = ""

    @property
    def pending(self) -> int:
        return max(0, self.total - self.completed - self.failed)


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What was ordered: clean prompts and how their pictures are wanted."""

    prompts: tuple[str, ...]
    model: str | None
    concurrency: int
    as_base64: bool
    options: ImageOptions


def read_batch(body: BatchImagesRequest) -> BatchOrder:
    """The order; BadRequest (from the wire model) for an empty list. Blank prompts fail when their turn comes."""
    options = ImageOptions(size_policy=body.size_policy, resample=body.resample, remove_logo=body.remove_logo)
    return BatchOrder(tuple(body.prompts), body.model, body.concurrency, body.response_type == "base64", options)


def write_created(batch: BatchState, language: str = "zh") -> dict[str, Any]:
    """The answer to POST /v1/batch/images, at once. The Chinese sentence is a contract and stays in every language."""
    message = f"批量任务已创建，{batch.concurrency}并发处理中"
    answer: dict[str, Any] = {
        "batch_id": batch.batch_id,
        "total": batch.total,
        "status": "processing",
        "message": message,
        "concurrency": batch.concurrency,
    }
    if batch.asked != batch.concurrency:
        clamped = f"concurrency {batch.asked} is more than the lanes there are; {batch.concurrency} in force"
        clamped_zh = f"请求的并发数 {batch.asked} 超过可用通道，实际为 {batch.concurrency}"
        answer["note"] = clamped_zh if language.lower().startswith("zh") else clamped
    return answer


def write_status(batch: BatchState, stamp: Stamp) -> dict[str, Any]:
    """The answer to GET /v1/batch/{id}/status."""
    answer = {
        "batch_id": batch.batch_id,
        "total": batch.total,
        "completed": batch.completed,
        "failed": batch.failed,
        "pending": batch.pending,
        "progress": f"{batch.completed}/{batch.total}",
        "status": batch.status,
        "results": [write_result(done, stamp, as_base64=batch.as_base64) for done in batch.done],
        "errors": [write_failure(failed) for failed in batch.errors],
    }
    if batch.eta_seconds is not None:
        answer["eta_seconds"] = round(batch.eta_seconds)
    if batch.waiting_for:
        answer["waiting_for"] = batch.waiting_for
    return answer


def write_result(done: TaskDone, stamp: Stamp, *, as_base64: bool) -> dict[str, Any]:
    """`{task_id, url}` or `{task_id, image}`, with the picture's facts."""
    result: dict[str, Any] = {"task_id": done.task_id}
    if as_base64 and done.image.data is not None:
        result["image"] = f"data:{done.image.mime};base64,{base64_text(done.image.data)}"
    else:
        result["url"] = image_link(done.image, stamp)
    return {**result, "details": image_facts(done.image)}


def write_failure(failed: TaskFailed) -> dict[str, Any]:
    return {
        "task_id": failed.task_id,
        "error": failed.error,
        "code": failed.code,
        "retryable": failed.retryable,
    }


def write_listing(batches: Sequence[BatchState], total: int) -> dict[str, Any]:
    """The answer to GET /v1/batch: newest first, without results."""
    rows = [
        {
            "batch_id": batch.batch_id,
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
            "pending": batch.pending,
            "progress": f"{batch.completed}/{batch.total}",
            "status": batch.status,
            "model": batch.model,
            "created_at": rfc3339(batch.created_at),
        }
        for batch in batches
    ]
    return {"total": total, "batches": rows}


def write_event(name: Literal["status", "result", "failure"], data: dict[str, Any]) -> bytes:
    """One event of GET /v1/batch/{id}/events."""
    return sse(data, name)


def write_manifest(batch: BatchState, prompts: Sequence[str], names: dict[str, str]) -> bytes:
    """manifest.json of the ZIP: every task with its prompt, and its file or its error. `names`: task id -> file."""
    done = {d.task_id: d.image for d in batch.done}
    errors = {e.task_id: e for e in batch.errors}
    tasks: list[dict[str, Any]] = []
    for at, prompt in enumerate(prompts):
        task_id = f"{batch.batch_id}_task_{at}"
        task: dict[str, Any] = {"task_id": task_id, "prompt": prompt}
        if task_id in done:
            task |= {"file": names.get(task_id, ""), **image_facts(done[task_id])}
        elif task_id in errors:
            task |= write_failure(errors[task_id])
        tasks.append(task)
    manifest = {"batch_id": batch.batch_id, "status": batch.status, "total": batch.total, "tasks": tasks}
    return json.dumps(manifest, ensure_ascii=False, indent=2).encode()
