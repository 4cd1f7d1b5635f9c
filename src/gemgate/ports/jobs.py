"""Batches and their tasks, leased to workers, each task generated at most once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Protocol

from gemgate.batches import (
    Batch,
    BatchKind,
    BatchState,
    Checkpoint,
    Claim,
    JobStatus,
    Need,
    Task,
    TaskCounts,
    TaskDraft,
    TaskOutcome,
    TaskPages,
    TaskStatus,
    Webhook,
)
from gemgate.frozen import frozen


@frozen
class LeaseStatus:
    """A task whose lease still stands: the number of its run, and whether its batch was given up meanwhile."""

    attempt: int
    given_up: bool = False


def webhook_secret_subject(batch_id: str) -> str:
    """What a webhook's secret is sealed for."""
    return f"webhook of {batch_id}"


class JobStore(Protocol):
    """Batches and their tasks. A run of a task is fenced by owner and attempt: whoever lost it changes nothing.

    Leases and waits are judged by the database's clock. StorageDown anywhere. What a batch holds of bodies (prompts,
    payloads, results, `Batch.defaults`) is stored encrypted; tasks are given out opened, defaults with
    claims and with single batches that are asked for.
    """

    async def submit(self, batch: Batch, tasks: Sequence[TaskDraft] | TaskPages, *, head_start: float = 0.0) -> Batch:
        """Enter a batch with its tasks, all or nothing; or the one that came under the same idempotency key before.

        head_start: seconds for which only a claim that names it may have its tasks.
        """
        ...

    async def open_tasks(self, tenant: str) -> int:
        """How many tasks of the tenant's batches have not ended."""
        ...

    async def get(self, tenant: str | None, batch_id: str) -> Batch | None:
        """By id; `tenant` None is an admin's."""
        ...

    async def under_key(self, tenant: str, key: str) -> Batch | None: ...

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
        """Newest first, those behind the batch `after`, of one status or of all; with how many there are in all.

        NotFound for `after`.
        """
        ...

    async def tasks(
        self, batch_id: str, *, status: Sequence[TaskStatus] = (), after: int = -1, limit: int = 500
    ) -> Sequence[Task]:
        """In their order, those behind number `after`; of any status, or of those named."""
        ...

    async def ended(self, batch_id: str, after: int, limit: int) -> Sequence[Task]:
        """Tasks in the order in which they ended, those behind `Task.settled` = `after`."""
        ...

    async def claim(
        self,
        owner: str,
        needs: Collection[Need],
        seconds: float,
        accounts: Collection[str] = (),
        named: Collection[str] = (),
    ) -> Claim | None:
        """Take the task whose turn it is and hold it for so long; None when there is none to run now.

        The batch of the highest priority first, batches of one priority in turns, never more at once than the batch
        allows. A task that left an answer in a chat goes to the node that has its account among `accounts`, for a
        minute or until that node is dead. named: batches whose head start is this process's.
        """
        ...

    async def renew(self, owner: str, task_ids: Collection[str], seconds: float) -> Mapping[str, LeaseStatus]:
        """Extend the leases of `owner` on these tasks; those it still holds."""
        ...

    async def note(self, claim: Claim, checkpoint: Checkpoint) -> bool:
        """Write down what the run leaves behind; False when it lost the task and must not go on.

        Without a `cid` its prompt leaves next: the batch counts it in `sent`. One with a `cid` is kept of a run that
        lost its task, too, until another one has it: that reads the answer instead of asking for it again.
        """
        ...

    async def settle(self, claim: Claim, outcome: TaskOutcome) -> bool:
        """How the run ended; False when it had lost the task, and nothing was changed."""
        ...

    async def expire(self) -> int:
        """Queue the tasks again whose leases ran out; how many."""
        ...

    async def sole(self) -> bool:
        """Whether no other process can hold a lease, now and as long as this one lives."""
        ...

    async def free(self) -> int:
        """Queue all running tasks again, whoever held them; how many. Only for a sole process before it begins."""
        ...

    async def change(self, batch_id: str, state: BatchState) -> Batch | None:
        """Pause, resume, cancel or expire a batch that is still open; how it stands now, None when there is none.

        What waits in a cancelled or expired batch is cancelled at once; what runs, by those who run it.
        """
        ...

    async def again(self, batch_id: str, *, head_start: float = 0.0) -> Batch | None:
        """Queue what failed or was cancelled once more, with all its tries; its time does not run out any more.

        A prompt that left no chat is forgotten: whoever asks again has it sent again. head_start: see `submit`.
        """
        ...

    async def overdue(self, now: float) -> Sequence[str]:
        """Open batches whose time is up."""
        ...

    async def closing(self, owner: str, seconds: float) -> Batch | None:
        """A batch that has ended and is not closed, to be closed by `owner` within so many seconds."""
        ...

    async def close(self, batch_id: str, owner: str, about: str, at: float) -> bool:
        """Nothing follows any more, and its hook is due; False when somebody else was closing it."""
        ...

    async def hook_due(self, now: float, seconds: float) -> Batch | None:
        """A batch whose end has to be told now; it is not due again for so many seconds."""
        ...

    async def hook_told(self, told: Batch, hook: Webhook) -> None:
        """How that went; nothing where the batch was queued again meanwhile, and has another end to tell."""
        ...

    async def at_rest(self) -> bool:
        """Whether nothing is open and nothing has to be told, and who changes that is in this process, or rarely not.

        False where other processes share the store: there every look counts.
        """
        ...

    async def stats(self) -> Mapping[BatchKind, TaskCounts]:
        """All tasks of all batches, by what was ordered."""
        ...

    async def rewrap(self) -> int:
        """Seal every batch's data key and webhook secret under the vault's first key; how many batches were changed."""
        ...

    async def forget(self, batch_id: str) -> bool:
        """Drop a batch with its tasks, whatever runs of it; False when there is none."""
        ...

    async def forget_before(self, moment: float, kinds: Sequence[BatchKind] = ()) -> int:
        """Drop batches that were closed before `moment`, with their tasks; how many. kinds: only these."""
        ...

    def changes(self) -> AsyncGenerator[str, None]:
        """Ids of batches that change in any process, as long as it goes well; ends at once where nobody tells."""
        ...
