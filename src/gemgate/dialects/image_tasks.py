"""Asynchronous calls for images: the `image.task` object, its events, and the headers that ask for it.

`Prefer: respond-async` is RFC 7240's; `Idempotency-Key` is the IETF's draft of that name, as Stripe has
it. The result of a task is the answer that the call would have had, in the dialect in which it was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from gemgate.accounts import Standstill
from gemgate.batches import Batch
from gemgate.dialects.wire import Body, Wishes, waiting
from gemgate.errors import BadRequest
from gemgate.frozen import frozen

TaskState = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
Shape = Literal["openai", "simple", "gemini"]
"""The dialect in which a call for images was asked and is answered."""

ASYNC = "true = answer at once with a task (202), whose result is asked for at its `poll`; as `Prefer: respond-async`"
WEBHOOK = "an address, or {url, secret}, that is told once when the task has ended; signed as Standard Webhooks are"
TASKS_PATH = "/v1/images/tasks"
LONGEST_KEY = 200
"""Characters of an idempotency key."""


class WebhookBody(Body):
    url: str = Field(max_length=2000)
    secret: str = Field(default="", max_length=500, repr=False)


class TaskWishes(Wishes):
    """What a body for images says of the task that it asks for."""

    respond_async: bool | None = Field(default=None, alias="async", description=ASYNC)
    webhook: WebhookBody | str | None = Field(default=None, description=WEBHOOK)
    webhook_secret: str = Field(default="", max_length=500, repr=False)


@frozen
class ImageTask:
    """A task as it stands. Times in epoch seconds, 0 = not yet; `base_url` makes its address absolute.

    total, made, failed: its images. standstill: while nothing of it can go on.
    """

    id: str
    status: TaskState
    created_at: float
    base_url: str
    total: int
    made: int = 0
    failed: int = 0
    completed_at: float = 0.0
    standstill: Standstill | None = None

    @property
    def poll(self) -> str:
        """Where it is asked for."""
        return f"{self.base_url}{TASKS_PATH}/{self.id}"

    @property
    def has_ended(self) -> bool:
        return self.status not in ("queued", "in_progress")


def state_of(batch: Batch) -> TaskState:
    """How a call stands."""
    tally = batch.tally
    if tally.open and batch.state not in ("cancelled", "expired"):
        return "in_progress" if batch.started_at else "queued"
    if batch.state == "cancelled":
        return "cancelled"
    return "completed" if tally.done else "failed"


def task_of(batch: Batch, base_url: str, standstill: Standstill | None = None) -> ImageTask:
    """A call as its caller sees it."""
    tally = batch.tally
    return ImageTask(
        batch.id,
        state_of(batch),
        batch.created_at,
        base_url,
        tally.total,
        tally.done,
        tally.failed,
        batch.ended_at or batch.closed_at or batch.created_at,
        standstill,
    )


def write_task(
    task: ImageTask, language: str, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The object; `result` or `error` as the dialect of its call has them."""
    answer: dict[str, Any] = {
        "id": task.id,
        "object": "image.task",
        "status": task.status,
        "created_at": int(task.created_at),
        "poll": task.poll,
        "total": task.total,
        "completed": task.made,
        "failed": task.failed,
        **waiting(task.standstill, language),
    }
    if task.has_ended:
        answer["completed_at"] = int(task.completed_at)
    if result is not None:
        answer["result"] = result
    if error is not None:
        answer |= error if "error" in error else {"error": error}
    return answer


def event_name(task: ImageTask) -> str:
    """The name of the server-sent event that tells how a task stands."""
    return f"image.task.{task.status}"


def read_webhook(webhook: WebhookBody | str | None, secret: str) -> tuple[str, str]:
    """The address that is told of an end, and the secret that signs; "" for none."""
    if isinstance(webhook, str):
        return webhook, secret
    return (webhook.url, webhook.secret) if webhook else ("", "")


_PREFERENCE = re.compile(r"\s*respond-async\s*(;|$)", re.IGNORECASE)


def prefers_async(headers: Iterable[str]) -> bool:
    """Whether the Prefer headers of a request have `respond-async` among them (RFC 7240, 4.1)."""
    return any(_PREFERENCE.match(one) for header in headers for one in header.split(","))


def read_idempotency_key(text: str | None) -> str:
    """The key, "" for none; BadRequest for one that is too long. Quotes around it, as the draft has them, go."""
    key = (text or "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if text is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise BadRequest(
            f"Idempotency-Key must have 1 to {LONGEST_KEY} characters",
            f"Idempotency-Key 须为 1 到 {LONGEST_KEY} 个字符",
            param="Idempotency-Key",
        )
    return key


def no_stream() -> BadRequest:
    """Who asks for a task and for a stream at once."""
    return BadRequest(
        "async and stream exclude each other; a task is watched at its `poll` with Accept: text/event-stream",
        "async 与 stream 不能同时使用；任务可在其 poll 地址以 Accept: text/event-stream 观察",
        param="async",
    )
