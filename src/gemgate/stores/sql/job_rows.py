"""Rows of batches and tasks, and the words they stand for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy import Row, case

from gemgate.batches import (
    Batch,
    Cancelled,
    Checkpoint,
    Deferred,
    Done,
    Failed,
    Released,
    Task,
    TaskCounts,
    TaskDraft,
    TaskOutcome,
    TaskPages,
    TaskStatus,
    Webhook,
)
from gemgate.stores.sql.database import epoch_now
from gemgate.stores.sql.schema import task

ENTERED = 100
"""Tasks that are entered at a time: with more of them the driver would hold the event loop up."""


def entry_of(order: Batch, count: int) -> dict[str, Any]:
    """The row of a batch that is being ordered, with so many tasks."""
    return {
        "id": order.id,
        "kind": order.kind,
        "tenant": order.tenant,
        "need": order.need,
        "state": order.state,
        "priority": order.priority,
        "concurrency": order.concurrency,
        "asked": order.requested_concurrency,
        "queued": count,
        "sent": order.sent,
        "model": order.model,
        "as_base64": order.as_base64,
        "defaults": order.defaults,
        "about": order.metadata,
        "idempotency_key": order.idempotency_key or None,
        "digest": order.digest,
        "created_at": order.created_at,
        "ended_at": order.ended_at,
        "closed_at": order.closed_at,
        "expires_at": order.expires_at,
        "hook_url": order.hook.url,
        "hook_secret": order.hook.secret,
        "hook_secret_key": order.hook.secret_key,
    }


def counted(outcome: TaskOutcome) -> TaskStatus:
    """Where a run of this outcome leaves its task."""
    match outcome:
        case Done():
            return "done"
        case Failed():
            return "failed"
        case Cancelled():
            return "cancelled"
        case Deferred() | Released():
            return "queued"


def ending(outcome: TaskOutcome, number: int) -> dict[str, Any]:
    """The columns of a task after its run."""
    values: dict[str, Any] = {"status": counted(outcome), "lease_owner": ""}
    match outcome:
        case Done(result):
            values |= {"result": result, "code": "", "error": "", "error_zh": "", "retryable": False}
        case Failed(code, en, zh, retryable, result, checkpoint):
            values |= {"result": result, "code": code, "error": en, "error_zh": zh, "retryable": retryable}
            if checkpoint is not None:
                values |= trail_columns(checkpoint)
        case Deferred(after, counts, code, en, zh, checkpoint):
            values |= {"run_after": epoch_now() + after, "code": code, "error": en, "error_zh": zh}
            values |= {"failures": task.c.failures + (1 if counts else 0), "lapses": 0}
            if checkpoint is not None:
                values |= trail_columns(checkpoint)
        case Released():
            values["run_after"] = epoch_now()
        case Cancelled():
            pass
    if values["status"] != "queued":
        values |= {"settled": number, "finished_at": epoch_now()}
    return values


def anew(head_start: float) -> dict[str, Any]:
    """The columns of a task that is queued once more, with all its tries; a prompt that left no chat is forgotten."""
    return {
        "status": "queued",
        "failures": 0,
        "lapses": 0,
        "run_after": epoch_now() + head_start if head_start else 0.0,
        "settled": 0,
        "finished_at": 0.0,
        "code": "",
        "error": "",
        "error_zh": "",
        "retryable": False,
        "account": case((task.c.cid == "", ""), else_=task.c.account),
        "identity": case((task.c.cid == "", ""), else_=task.c.identity),
        "picture": case((task.c.cid == "", ""), else_=task.c.picture),
    }


def trail_columns(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "account": checkpoint.account,
        "identity": checkpoint.identity,
        "cid": checkpoint.cid,
        "picture": checkpoint.image,
        "part": checkpoint.part,
    }


def task_id(batch_id: str, seq: int) -> str:
    return f"{batch_id}_task_{seq}"


def row_of(batch_id: str, seq: int, draft: TaskDraft) -> dict[str, Any]:
    return {
        "id": task_id(batch_id, seq),
        "batch": batch_id,
        "seq": seq,
        "prompt": draft.prompt,
        "payload": draft.payload,
        "status": "queued",
    }


def batch_of(row: Row[Any]) -> Batch:
    """Without its defaults, which are sealed."""
    return Batch(
        id=row.id,
        kind=row.kind,
        tenant=row.tenant,
        created_at=row.created_at,
        concurrency=row.concurrency,
        requested_concurrency=row.asked,
        need=row.need,
        priority=row.priority,
        state=row.state,
        tally=TaskCounts(row.queued, row.running, row.done, row.failed, row.cancelled),
        model=row.model,
        as_base64=row.as_base64,
        metadata=row.about,
        idempotency_key=row.idempotency_key or "",
        digest=row.digest,
        settled=row.settled,
        sent=row.sent,
        started_at=row.started_at,
        ended_at=row.ended_at,
        closed_at=row.closed_at,
        expires_at=row.expires_at,
        hook=Webhook(row.hook_url, row.hook_secret, row.hook_secret_key, row.hook_tries, row.hook_at, row.hook_outcome),
    )


def task_of(row: Row[Any]) -> Task:
    return Task(
        id=row.id,
        batch=row.batch,
        seq=row.seq,
        prompt=row.prompt,
        payload=row.payload,
        status=row.status,
        attempt=row.attempt,
        failures=row.failures,
        lapses=row.lapses,
        run_after=row.run_after,
        checkpoint=Checkpoint(row.account, row.identity, row.cid, row.picture, row.part),
        result=row.result,
        code=row.code,
        error=row.error,
        error_zh=row.error_zh,
        retryable=row.retryable,
        settled=row.settled,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


async def pages(tasks: Sequence[TaskDraft] | TaskPages) -> AsyncGenerator[Sequence[TaskDraft], None]:
    """Tasks that are ordered, at most ENTERED at a time."""
    if isinstance(tasks, TaskPages):
        async for page in tasks.pages():
            for start in range(0, len(page), ENTERED):
                yield page[start : start + ENTERED]
        return
    for start in range(0, len(tasks), ENTERED):
        yield tasks[start : start + ENTERED]
