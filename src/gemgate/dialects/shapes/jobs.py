"""Jobs of every kind in one shape."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from gemgate.batches import BatchKind, JobStatus
from gemgate.dialects.shapes import DateTime
from gemgate.dialects.shapes.openai import BatchLineError
from gemgate.dialects.shapes.simple import Bound, MediaFileFacts, TaskFailure


class JobUsage(TypedDict):
    input_tokens: int
    output_tokens: int


class Job(TypedDict):
    """own: whether the caller's own key ordered it; key: whose it is, for an admin. ready_at and eta_seconds: null
    where nobody knows. prompts_sent: so many generations at most, null where that was not counted.
    """

    id: str
    object: Literal["job"]
    kind: BatchKind
    status: JobStatus
    model: str | None
    total: int
    completed: int
    failed: int
    cancelled: int
    running: int
    pending: int
    created_at: DateTime
    started_at: DateTime | None
    ended_at: DateTime | None
    expires_at: DateTime | None
    endpoint: str | None
    files: dict[str, str]
    prompts_sent: int | None
    seconds: float | None
    usage: JobUsage | None
    own: bool
    key: NotRequired[str | None]
    ready_at: DateTime | None
    eta_seconds: int | None


class WholeJob(Job):
    """With what bounds it, what it waits for, and why tasks failed; input_errors: of a file that could not be run.

    needs_person: nothing goes on before an account is signed in, or one that was paused is resumed.
    """

    limited_by: NotRequired[Bound | None]
    limit: NotRequired[str | None]
    beyond_two_weeks: NotRequired[bool]
    unknown: NotRequired[list[str]]
    waiting_for: str | None
    needs_person: NotRequired[Literal[True]]
    errors: list[TaskFailure]
    input_errors: NotRequired[list[BatchLineError]]


class Jobs(TypedDict):
    object: Literal["list"]
    data: list[Job]
    total: int


class JobFile(TypedDict):
    """A picture or a document that a job made; films and sound say more of themselves."""

    name: str
    url: str
    bytes: int
    sha256: str


class JobResult(TypedDict):
    """What came of a task. body: an answer in the dialect of its call, or what a line of a batch was answered."""

    status: Literal["done", "failed"]
    task_id: str
    prompt: NotRequired[str]
    custom_id: NotRequired[str]
    body: NotRequired[Any]
    files: NotRequired[list[MediaFileFacts | JobFile]]
    code: NotRequired[str]
    error: NotRequired[str]
    retryable: NotRequired[bool]


class JobResults(TypedDict):
    data: list[JobResult]
    next_offset: int | None
