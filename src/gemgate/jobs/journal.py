"""The journal of one run of a task: what it leaves at Google is written down before anything depends on it.

Every note is fenced. A run that has lost its task (it was stopped too long, and another took over) learns it right
before its prompt would leave; where its answer is, it may say until another one has the task.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace

from gemgate.batches import Checkpoint, Claim
from gemgate.errors import GatewayError, StorageDown
from gemgate.policy.backoff import Verdict
from gemgate.ports.jobs import JobStore


class LeaseLost(Exception):
    """Another run has the task now. Nobody is to blame, and nothing more may be done for it."""


class JournalUnavailable(Exception):
    """The database is away, so the prompt did not leave: the task can be had again at once."""


class NotToBeSentAgain(Exception):
    """An answer may be there and is not to be read (yet); another one must not be asked for."""


class TaskJournal:
    """`gateway`'s Journal for a claim. `part`: which of the task's generations is under way.

    only_read: an earlier run may have been answered, or part of its answer was told: no other answer is asked for.
    """

    def __init__(self, store: JobStore, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._part = claim.task.checkpoint.part
        self.earlier = claim.task.checkpoint
        self.seed = hashlib.sha256(b"sentinel of " + claim.task.id.encode()).digest()[:8]
        self.only_read = False
        self.checkpoint: Checkpoint | None = None

    def begin(self, part: int) -> None:
        """Another generation of the same task begins."""
        left = self._claim.task.checkpoint
        self._part = part
        self.earlier = left if left.part == part else Checkpoint(part=part)
        self.checkpoint = None

    async def note(self, checkpoint: Checkpoint) -> None:
        checkpoint = replace(checkpoint, part=self._part)
        if self.only_read and not checkpoint.cid:
            raise NotToBeSentAgain
        noting = asyncio.ensure_future(self._store.note(self._claim, checkpoint))
        try:
            if not await (asyncio.shield(noting) if checkpoint.cid else noting):
                raise LeaseLost
        except asyncio.CancelledError:
            if checkpoint.cid:  # a run that is stopped still says where its answer is
                with suppress(StorageDown):
                    await noting
            raise
        except StorageDown:
            if not checkpoint.cid:
                raise JournalUnavailable from None
            # What was not sent can wait; an answer that comes in is worth more than its note.
        self.checkpoint = checkpoint

    def ended(self, error: GatewayError, verdict: Verdict, *, concluded: bool) -> Checkpoint:
        """What the next run should look for after this one failed. concluded: Google's answer is known to be none.

        An image that was shown is there, whatever failed while it was fetched.
        """
        if self.checkpoint is not None:
            known = (error.generated == "no" or concluded) and not self.checkpoint.image
            return Checkpoint(part=self._part) if known else self.checkpoint
        if verdict.kind == "again" and not isinstance(error, StorageDown):
            return replace(self.earlier, image="")  # it could not be fetched by its reference; the chat may show it
        return self.earlier
