"""The words of durable work and of the fleet: batches and their tasks, how a task ended, nodes and their load."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import field
from typing import Literal, TypeAlias

from gemgate.frozen import frozen

BatchKind = Literal[
    "images",
    "chat",
    "generations",
    "edits",
    "responses",
    "image_call",
    "response",
    "interaction",
    "answer",
    "video",
    "music",
    "research",
]
"""What a batch is made of: prompts for images (simple dialect), or lines of an OpenAI batch, one kind per endpoint.

image_call: a single call for images, asynchronous or under an idempotency key; each of its images is a task.
response, interaction: one task, an answer in the background; the batch has the answer's id.
answer: one task, a call answered in words under an idempotency key, in any dialect.
video, music: one task, a video or a piece of music; the batch has its id.
research: one task, a deep research in the background; the batch has the id of its response or interaction.
"""
Need = Literal["image", "text", "image_call", "text_call", "video", "music", "research"]
"""What an account must be able to do for the tasks of a batch; a single call may take the lane that batches leave."""
BatchState = Literal["active", "paused", "cancelled", "expired", "invalid", "finished"]
"""What was decided about a batch: only an active one is worked on; invalid was never begun."""
JobStatus = Literal[
    "queued", "processing", "paused", "cancelling", "finalizing", "completed", "failed", "cancelled", "expired"
]
"""How a batch of whatever kind stands, in one word; finalizing: its tasks have ended, its files are being written."""
TaskStatus = Literal["queued", "running", "done", "failed", "cancelled"]


@frozen
class TaskCounts:
    """How many tasks stand where."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    def __add__(self, other: TaskCounts) -> TaskCounts:
        return TaskCounts(
            self.queued + other.queued,
            self.running + other.running,
            self.done + other.done,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
        )

    @property
    def total(self) -> int:
        return self.queued + self.running + self.done + self.failed + self.cancelled

    @property
    def open(self) -> int:
        """Tasks that may still change."""
        return self.queued + self.running


@frozen
class Webhook:
    """Where the end of a batch is told. secret: sealed, "" = unsigned; times in epoch seconds.

    tries: deliveries that failed; at: when the next one is due, 0 = none; outcome: "" until it was told or given up.
    """

    url: str = ""
    secret: str = field(default="", repr=False)
    secret_key: str = ""
    tries: int = 0
    at: float = 0.0
    outcome: str = ""


@frozen
class Batch:
    """An order of many tasks. Times in epoch seconds, 0 = not yet.

    asked:       the concurrency that was asked for; `concurrency` the one in force.
    defaults:    JSON of what holds for every task that does not say otherwise.
    about:       JSON of what its own dialect has to show of it (metadata, output files).
    digest:      tells orders apart that come under the same idempotency key.
    settled:     counts tasks as they end; `Task.settled` is the number that each one got.
    sent:        prompts that went to Google for it, so many generations at most; None: not known, of an older version.
    closed_at:   nothing changes any more, and what follows the last task (output files) is done.
    """

    id: str
    kind: BatchKind
    tenant: str
    created_at: float
    concurrency: int
    requested_concurrency: int
    need: Need = "image"
    priority: int = 0
    state: BatchState = "active"
    tally: TaskCounts = TaskCounts()
    model: str = ""
    as_base64: bool = False
    defaults: str = field(default="", repr=False)
    metadata: str = field(default="", repr=False)
    idempotency_key: str = ""
    digest: str = ""
    settled: int = 0
    sent: int | None = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    closed_at: float = 0.0
    expires_at: float = 0.0
    hook: Webhook = Webhook()

    @property
    def told_as(self) -> BatchKind:
        """The kind in whose form it is told: a deep research is the response or the interaction whose id it has."""
        if self.kind != "research":
            return self.kind
        return "response" if self.id.startswith("resp_") else "interaction"

    @property
    def status(self) -> JobStatus:
        """How it stands, in one word for all kinds."""
        tally = self.tally
        match self.state:
            case "invalid":
                return "failed"
            case "cancelled" | "expired" as given_up:
                return given_up if not tally.open and self.closed_at else "cancelling"
        if tally.open:
            return "paused" if self.state == "paused" else "processing" if self.started_at else "queued"
        if not self.closed_at:
            return "finalizing"
        return "failed" if tally.failed and not tally.done else "completed"


@frozen
class TaskDraft:
    """A task that is being ordered; `payload` is JSON of what differs from the batch's defaults."""

    prompt: str
    payload: str = field(default="", repr=False)


@frozen
class TaskPages:
    """The tasks of a large order, page by page, so that never all of them stand in memory.

    count: how many there are. pages: reads them from the first on, at each call anew.
    """

    count: int
    pages: Callable[[], AsyncIterator[Sequence[TaskDraft]]]


@frozen
class Checkpoint:
    """What an earlier run of a task left at Google: on which account and session, in which chat, which image.

    part: which of the task's generations it was; image: JSON of the reference to an image that was shown.
    """

    account: str = ""
    identity: str = ""
    cid: str = ""
    image: str = ""
    part: int = 0


@frozen
class Task:
    """One task as it stands.

    attempt:  counts the runs, and fences them: only the newest may settle it. failures: the runs that count as tries.
    lapses:   runs in a row that ended without a word: their process died, or was stopped for too long.
    result:   JSON of what came out. code, error: why it failed, or why its last run did and it waits.
    settled:  its number in the order in which the batch's tasks ended, 0 = open.
    """

    id: str
    batch: str
    seq: int
    prompt: str
    payload: str = field(default="", repr=False)
    status: TaskStatus = "queued"
    attempt: int = 0
    failures: int = 0
    lapses: int = 0
    run_after: float = 0.0
    checkpoint: Checkpoint = Checkpoint()
    result: str = field(default="", repr=False)
    code: str = ""
    error: str = ""
    error_zh: str = ""
    retryable: bool = False
    settled: int = 0
    started_at: float = 0.0
    finished_at: float = 0.0


@frozen
class Claim:
    """The right to run a task, until the lease of `owner` runs out."""

    task: Task
    batch: Batch
    owner: str


@frozen
class Done:
    """nbytes: of files that only its batch leads to."""

    result: str = field(repr=False)
    nbytes: int = 0


@frozen
class Failed:
    """It will not be tried again by itself; `retryable` says whether asking again makes sense. checkpoint: what a run
    that is asked for all the same should know, None = what is known already.
    """

    code: str
    en: str
    zh: str
    retryable: bool
    result: str = field(default="", repr=False)
    checkpoint: Checkpoint | None = None


@frozen
class Deferred:
    """It has to wait `after` seconds. counts: the run was one of its tries. checkpoint: what the next run should
    know.
    """

    after: float
    counts: bool
    code: str
    en: str
    zh: str
    checkpoint: Checkpoint | None = None


@frozen
class Released:
    """The process stops: the next one may have it at once."""


@frozen
class Cancelled:
    """Somebody gave it up."""


TaskOutcome: TypeAlias = Done | Failed | Deferred | Released | Cancelled
