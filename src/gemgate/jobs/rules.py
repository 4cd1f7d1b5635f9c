"""The figures of the job engine. Tests put smaller ones in; nothing else about it changes."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from gemgate.frozen import frozen
from gemgate.policy.backoff import Backoff


@frozen
class JobRules:
    """Seconds.

    lease: how long a task stays with a process that says nothing; it says so three times as often.
    poll:  how often a worker looks for what nobody told it about.
    idle:  how often while there is no batch at all and no other process is likely to bring one.
    head_start: for how long a single call is only for the process that somebody asked for it: it has an account for it.
    grace: what running tasks get to end when the process stops; then they are given back.
    media_look: between looks at a chat that shall get a video or music; media_patience: for how long.
    research_look: between looks at a chat in which a research runs, but for the first; research_patience: how long one
    may take; research_doubt: how long a turn is looked for that may not have left.
    closing: how long the files of a batch may take. hooks: waits between tries to tell a webhook.
    """

    lease: float = 30.0
    poll: float = 1.0
    idle: float = 15.0
    alone: ClassVar[float] = 60.0
    """`idle` beside a SQLite file, which one gateway owns: whatever brings a batch wakes the loops itself."""
    head_start: float = 2.0
    grace: float = 5.0
    media_look: float = 10.0
    media_patience: float = 1200.0
    research_look: float = 10.0
    research_patience: float = 3600.0
    research_doubt: float = 120.0
    closing: float = 900.0
    hooks: tuple[float, ...] = (10.0, 60.0, 300.0, 1800.0)
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def beat(self) -> float:
        return self.lease / 3
