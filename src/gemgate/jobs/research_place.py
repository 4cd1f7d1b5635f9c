"""Where a deep research stands: what the journal keeps of it between runs, and what a task is asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any, Literal

from gemgate.batches import Batch, Checkpoint
from gemgate.frozen import frozen
from gemgate.gateway.prompt_request import Continuation
from gemgate.jobs.journal import TaskJournal
from gemgate.jobs.payloads import loads
from gemgate.ports.upstream import Thread

Phase = Literal["source", "planning", "planned", "starting", "started"]
"""source: a plan of an earlier job waits for what this one wants of it. planning, starting: the prompt of that turn may
have left, and is never sent again. planned, started: Google's answer to it is known.
"""


@frozen
class ResearchPlace:
    """A chat with a research in it. since: epoch seconds from when its phase is waited for. thread: behind the last
    turn that is known; turns: how many those are. confirm: the prompt that starts the plan.
    """

    phase: Phase
    account: str
    identity: str
    offer: str = ""
    thread: tuple[str | None, ...] = ("",)
    turns: int = 0
    since: float = 0.0
    confirm: str = ""

    @property
    def cid(self) -> str:
        return (self.thread[0] if self.thread else "") or ""

    @property
    def rid(self) -> str:
        return (self.thread[1] if len(self.thread) > 1 else "") or ""

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, value: dict[str, Any]) -> ResearchPlace:
        return cls(**{**value, "thread": tuple(value["thread"])})

    @classmethod
    def of(cls, checkpoint: Checkpoint, since: float) -> ResearchPlace | None:
        """Where an earlier run left it; None when nothing has left yet."""
        if checkpoint.image:
            place = cls.load(json.loads(checkpoint.image))
            return replace(place, thread=place.thread if place.cid else (checkpoint.cid,))
        if checkpoint.account:
            return cls("planning", checkpoint.account, checkpoint.identity, thread=(checkpoint.cid,), since=since)
        return None

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.account, self.identity, self.cid, self.dump())

    def continuation(self) -> Continuation:
        return Continuation(self.account, self.identity, self.offer, Thread(self.thread, self.turns))


@frozen
class ResearchSpec:
    """What a task is asked for. source: the plan of an earlier job that it accepts, or changes where it `plans`."""

    prompt: str
    plans: bool
    source: ResearchPlace | None = None

    @classmethod
    def of(cls, batch: Batch, prompt: str) -> ResearchSpec:
        about = loads(batch.metadata)["research"]
        return cls(prompt, about["plans"], ResearchPlace.load(about["source"]) if about["source"] else None)


class TurnJournal:
    """`gateway`'s Journal of one turn of a research. before: the place that it goes on from, None for a first turn.

    The chat stands in every note, so that a run that finds only "it may have left" can look there.
    """

    def __init__(self, journal: TaskJournal, before: ResearchPlace | None, phase: Phase, now: float) -> None:
        self._journal = journal
        self._leaving = replace(before, phase=phase, since=now) if before is not None else None
        self.earlier = Checkpoint()
        self.seed = b""

    async def note(self, checkpoint: Checkpoint) -> None:
        if self._leaving is not None:
            checkpoint = replace(checkpoint, image=self._leaving.dump())
        await self._journal.note(checkpoint)
