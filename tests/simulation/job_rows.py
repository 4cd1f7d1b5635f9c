"""A job store in memory, under the contract of the one on a database (`tests/contract/test_store_doubles.py`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gemgate.batches import (
    Batch,
    BatchKind,
    BatchState,
    Cancelled,
    Checkpoint,
    Claim,
    Deferred,
    Done,
    Failed,
    JobStatus,
    Need,
    Released,
    Task,
    TaskCounts,
    TaskDraft,
    TaskOutcome,
    TaskPages,
    TaskStatus,
    Webhook,
)
from gemgate.errors import Conflict, NotFound
from gemgate.ports.jobs import LeaseStatus

READ_BY_OWNER = 60.0
OPEN, GIVEN_UP = ("active", "paused"), ("cancelled", "expired")


def _counts(tasks: Iterable[Task]) -> TaskCounts:
    by_status: dict[str, int] = Counter(task.status for task in tasks)
    return TaskCounts(**by_status)


@dataclass(slots=True)
class TaskRow:
    task: Task
    owner: str = ""
    until: float = 0.0


@dataclass(slots=True)
class BatchRow:
    batch: Batch
    tasks: list[TaskRow]
    claimed_at: tuple[float, int] = (0.0, 0)
    closer: str = ""
    closer_until: float = 0.0

    @property
    def tally(self) -> TaskCounts:
        return _counts(row.task for row in self.tasks)

    @property
    def shown(self) -> Batch:
        return replace(self.batch, tally=self.tally)

    def change(self, **values: Any) -> None:
        self.batch = replace(self.batch, **values)

    def running(self) -> Iterator[TaskRow]:
        return (row for row in self.tasks if row.task.status == "running")


class MemoryJobs:
    """`now`: the database's clock. `lives`: whether an account's node lives, so that its chats are left to it."""

    def __init__(self, now: Callable[[], float], lives: Callable[[str], bool] = lambda account: False) -> None:
        self._now = now
        self._lives = lives
        self._turns = 0
        self.batches: dict[str, BatchRow] = {}

    # Orders

    async def submit(self, batch: Batch, tasks: Sequence[TaskDraft] | TaskPages, *, head_start: float = 0.0) -> Batch:
        if batch.idempotency_key and (known := await self.under_key(batch.tenant, batch.idempotency_key)):
            return known
        if batch.id in self.batches:
            raise Conflict(f"The id {batch.id} is taken", code="batch_id_taken")
        drafts = [d async for page in tasks.pages() for d in page] if isinstance(tasks, TaskPages) else tasks
        due = self._now() + head_start if head_start else 0.0
        rows = [
            TaskRow(Task(f"{batch.id}_task_{seq}", batch.id, seq, draft.prompt, draft.payload, run_after=due))
            for seq, draft in enumerate(drafts)
        ]
        self.batches[batch.id] = BatchRow(batch, rows)
        return self.batches[batch.id].shown

    async def open_tasks(self, tenant: str) -> int:
        own = (row for row in self.batches.values() if row.batch.tenant == tenant)
        return sum(row.tally.open for row in own)

    async def get(self, tenant: str | None, batch_id: str) -> Batch | None:
        row = self.batches.get(batch_id)
        return row.shown if row and tenant in (None, row.batch.tenant) else None

    async def under_key(self, tenant: str, key: str) -> Batch | None:
        same = (row for row in self.batches.values() if (row.batch.tenant, row.batch.idempotency_key) == (tenant, key))
        return next((row.shown for row in same), None)

    async def latest(
        self,
        tenant: str | None,
        kinds: Sequence[BatchKind],
        limit: int,
        after: str | None = None,
        status: JobStatus | None = None,
        *,
        oldest_first: bool = False,
    ) -> tuple[Sequence[Batch], int]:
        own = [row.shown for row in self.batches.values() if tenant in (None, row.batch.tenant)]
        own = [one for one in own if status in (None, one.status)]
        own = sorted((b for b in own if b.kind in kinds), key=lambda b: (b.created_at, b.id), reverse=not oldest_first)
        if after is None:
            return own[:limit], len(own)
        at = next((place for place, one in enumerate(own) if one.id == after), None)
        if at is None:
            raise NotFound(f"There is no job {after}", param="after")
        return own[at + 1 : at + 1 + limit], len(own)

    async def tasks(
        self, batch_id: str, *, status: Sequence[TaskStatus] = (), after: int = -1, limit: int = 500
    ) -> Sequence[Task]:
        rows = self.batches[batch_id].tasks if batch_id in self.batches else []
        wanted = (row.task for row in rows if row.task.seq > after and (not status or row.task.status in status))
        return [task for task, _ in zip(wanted, range(limit), strict=False)]

    async def ended(self, batch_id: str, after: int, limit: int) -> Sequence[Task]:
        own = (row.task for row in self.batches[batch_id].tasks if row.task.settled > after)
        return sorted(own, key=lambda task: task.settled)[:limit]

    # Runs

    async def claim(
        self,
        owner: str,
        needs: Collection[Need],
        seconds: float,
        accounts: Collection[str] = (),
        named: Collection[str] = (),
    ) -> Claim | None:
        order = sorted(
            self.batches.values(),
            key=lambda row: (-row.batch.priority, row.claimed_at, row.batch.created_at, row.batch.id),
        )
        for row in order:
            batch = row.batch
            if batch.closed_at or batch.state != "active" or batch.need not in needs:
                continue
            if sum(1 for _ in row.running()) >= batch.concurrency:
                continue
            if (found := next((one for one in row.tasks if self._runnable(one.task, accounts, named)), None)) is None:
                continue
            now = self._now()
            task = found.task
            began = task.started_at or now
            found.task = replace(task, status="running", attempt=task.attempt + 1, started_at=began)
            found.owner, found.until = owner, now + seconds
            self._turns += 1
            row.claimed_at = (now, self._turns)
            row.change(started_at=batch.started_at or now)
            return Claim(found.task, row.shown, owner)
        return None

    def _runnable(self, task: Task, accounts: Collection[str], named: Collection[str]) -> bool:
        now = self._now()
        if task.status != "queued" or (task.run_after > now and (task.batch not in named or task.code)):
            return False
        left = task.checkpoint
        waited = task.run_after <= now - READ_BY_OWNER
        return not left.cid or left.account in accounts or waited or not self._lives(left.account)

    async def renew(self, owner: str, task_ids: Collection[str], seconds: float) -> Mapping[str, LeaseStatus]:
        held: dict[str, LeaseStatus] = {}
        for row in self.batches.values():
            for one in row.running():
                if one.owner == owner and one.task.id in task_ids:
                    one.until = self._now() + seconds
                    held[one.task.id] = LeaseStatus(one.task.attempt, row.batch.state in GIVEN_UP)
        return held

    def held(self, claim: Claim) -> TaskRow | None:
        """The fence: the task's row, if this run still holds it."""
        row = self.batches.get(claim.batch.id)
        one = row.tasks[claim.task.seq] if row else None
        if one is None or (one.task.status, one.owner, one.task.attempt) != (
            "running",
            claim.owner,
            claim.task.attempt,
        ):
            return None
        return one

    async def note(self, claim: Claim, checkpoint: Checkpoint) -> bool:
        if (one := self.held(claim)) is None:
            if checkpoint.cid and (row := self.batches.get(claim.batch.id)):
                one = row.tasks[claim.task.seq]
                if one.task.attempt == claim.task.attempt and one.task.status == "queued":
                    one.task = replace(one.task, checkpoint=checkpoint)
            return False
        one.task = replace(one.task, checkpoint=checkpoint)
        row = self.batches[claim.batch.id]
        if not checkpoint.cid and row.batch.sent is not None:
            row.change(sent=row.batch.sent + 1)
        return True

    async def settle(self, claim: Claim, outcome: TaskOutcome) -> bool:
        if (one := self.held(claim)) is None:
            return False
        row = self.batches[claim.batch.id]
        if row.batch.state in GIVEN_UP and isinstance(outcome, Deferred | Released):
            outcome = Cancelled()
        one.owner = ""
        match outcome:
            case Done(result):
                self._end(row, one, "done", result=result, code="", error="", error_zh="", retryable=False)
            case Failed(code, en, zh, retryable, result, checkpoint):
                one.task = replace(one.task, checkpoint=checkpoint or one.task.checkpoint)
                said = {"code": code, "error": en, "error_zh": zh, "retryable": retryable}
                self._end(row, one, "failed", result=result, **said)
            case Cancelled():
                self._end(row, one, "cancelled")
            case Deferred(after, counts, code, en, zh, checkpoint):
                task = one.task
                one.task = replace(
                    task,
                    status="queued",
                    run_after=self._now() + after,
                    failures=task.failures + counts,
                    lapses=0,
                    checkpoint=checkpoint or task.checkpoint,
                    code=code,
                    error=en,
                    error_zh=zh,
                )
            case Released():
                one.task = replace(one.task, status="queued", run_after=self._now())
        return True

    def _end(self, row: BatchRow, one: TaskRow, status: TaskStatus, **values: Any) -> None:
        row.change(settled=row.batch.settled + 1)
        one.task = replace(one.task, status=status, settled=row.batch.settled, finished_at=self._now(), **values)
        if not row.tally.open:
            row.change(ended_at=self._now())

    async def expire(self) -> int:
        now = self._now()
        return self._taken_back(lambda one: one.until < now)

    async def sole(self) -> bool:
        return False

    async def at_rest(self) -> bool:
        return False

    async def free(self) -> int:
        return self._taken_back(lambda one: True)

    def _taken_back(self, which: Callable[[TaskRow], bool]) -> int:
        count = 0
        for row in self.batches.values():
            freed = list(filter(which, row.running()))
            over = row.batch.state in GIVEN_UP
            for one in freed:
                one.owner = ""
                finished = self._now() if over else one.task.finished_at
                status: TaskStatus = "cancelled" if over else "queued"
                lapses = one.task.lapses + (not over)
                one.task = replace(one.task, status=status, run_after=self._now(), finished_at=finished, lapses=lapses)
            if freed and over:  # cancelled together, they get no numbers of their own
                row.change(settled=row.batch.settled + 1)
                if not row.tally.open:
                    row.change(ended_at=self._now())
            count += len(freed)
        return count

    # Batches

    async def change(self, batch_id: str, state: BatchState) -> Batch | None:
        if (row := self.batches.get(batch_id)) is None:
            return None
        if row.batch.state in OPEN and not row.batch.closed_at and row.tally.open:
            row.change(state=state)
            waiting = [one for one in row.tasks if one.task.status == "queued"] if state in GIVEN_UP else []
            for one in waiting:
                one.task = replace(one.task, status="cancelled", finished_at=self._now())
            if waiting and not row.tally.running:
                row.change(ended_at=self._now())
        return row.shown

    async def again(self, batch_id: str, *, head_start: float = 0.0) -> Batch | None:
        if (row := self.batches.get(batch_id)) is None:
            return None
        back = [one for one in row.tasks if one.task.status in ("failed", "cancelled")]
        if not back or row.batch.state == "invalid":
            return row.shown
        fresh: dict[str, Any] = {"status": "queued", "code": "", "error": "", "error_zh": "", "retryable": False}
        due = self._now() + head_start if head_start else 0.0
        fresh |= {"failures": 0, "lapses": 0, "run_after": due, "settled": 0, "finished_at": 0.0}
        for one in back:
            left = one.task.checkpoint
            left = left if left.cid else replace(left, account="", identity="", image="")
            one.task = replace(one.task, checkpoint=left, **fresh)
        hook = replace(row.batch.hook, tries=0, at=0.0, outcome="")
        state: BatchState = "paused" if row.batch.state == "paused" else "active"
        row.change(state=state, ended_at=0.0, closed_at=0.0, expires_at=0.0, hook=hook)
        return row.shown

    async def overdue(self, now: float) -> Sequence[str]:
        all_of_them = (row.batch for row in self.batches.values())
        return [b.id for b in all_of_them if not b.closed_at and b.state in OPEN and 0 < b.expires_at <= now]

    async def closing(self, owner: str, seconds: float) -> Batch | None:
        for row in self.batches.values():
            over = not row.batch.closed_at and not row.tally.open and row.batch.state != "paused"
            if over and row.closer_until < self._now():
                row.closer, row.closer_until = owner, self._now() + seconds
                return row.shown
        return None

    async def close(self, batch_id: str, owner: str, about: str, at: float) -> bool:
        row = self.batches[batch_id]
        if row.closer != owner or row.batch.closed_at or row.tally.open:
            return False
        state: BatchState = "finished" if row.batch.state == "active" else row.batch.state
        hook = replace(row.batch.hook, at=at if row.batch.hook.url else 0.0)
        row.change(state=state, metadata=about, closed_at=at, hook=hook)
        row.closer, row.closer_until = "", 0.0
        return True

    async def hook_due(self, now: float, seconds: float) -> Batch | None:
        for row in self.batches.values():
            if 0 < row.batch.hook.at <= now:
                row.change(hook=replace(row.batch.hook, at=now + seconds))
                return row.shown
        return None

    async def hook_told(self, told: Batch, hook: Webhook) -> None:
        own = self.batches[told.id]
        if own.batch.closed_at == told.closed_at:
            own.change(hook=replace(own.batch.hook, tries=hook.tries, at=hook.at, outcome=hook.outcome))

    async def stats(self) -> Mapping[BatchKind, TaskCounts]:
        counted: dict[BatchKind, TaskCounts] = {}
        for row in self.batches.values():
            counted[row.batch.kind] = counted.get(row.batch.kind, TaskCounts()) + row.tally
        return counted

    async def rewrap(self) -> int:
        return 0

    async def forget(self, batch_id: str) -> bool:
        return self.batches.pop(batch_id, None) is not None

    async def forget_before(self, moment: float, kinds: Sequence[BatchKind] = ()) -> int:
        old = [
            name
            for name, row in self.batches.items()
            if 0 < row.batch.closed_at < moment and (not kinds or row.batch.kind in kinds)
        ]
        for name in old:
            del self.batches[name]
        return len(old)

    async def changes(self) -> AsyncGenerator[str, None]:
        for nothing in list[str]():
            yield nothing
