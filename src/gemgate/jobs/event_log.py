"""What background responses were asked and what they have said, and what each run adds to it.

An event is in the log before anybody hears of it: whoever lost a stream is told the rest from here, with the numbers
that follow, whichever process wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gemgate.batches import Claim
from gemgate.chat import Event, Message
from gemgate.dialects import wire
from gemgate.dialects.responses import ResponsesRequest
from gemgate.errors import StorageDown
from gemgate.images import ModelPolicy
from gemgate.jobs import event_json
from gemgate.jobs.journal import LeaseLost
from gemgate.jobs.payloads import dumps, loads
from gemgate.offload import offload
from gemgate.ports.response_log import ResponseLog
from gemgate.ports.runtime import Clock
from gemgate.prompting import transcript

RETRY = 1.0
"""Seconds after which a store that is away is asked again."""


@dataclass(frozen=True, slots=True)
class ResponseCall:
    """What a background response was asked: the body as it came, and what it goes on from or refers to."""

    body: Mapping[str, Any] = field(repr=False)
    previous: tuple[Message, ...] = field(default=(), repr=False)
    references: Mapping[str, Message] = field(default_factory=dict, repr=False)
    policy: ModelPolicy = "report"

    @property
    def request(self) -> ResponsesRequest:
        return wire.read(ResponsesRequest, dict(self.body))

    def dump(self) -> str:
        """The payload of the response's task."""
        references = {name: transcript.dump([one]) for name, one in self.references.items()}
        previous = transcript.dump(self.previous)
        return dumps({"body": self.body, "previous": previous, "references": references, "policy": self.policy})

    def dump_echo(self) -> str:
        """The body without its input, which may be large: what a response shows of it before it has an answer."""
        return dumps({**self.body, "input": ""})

    @classmethod
    def load(cls, payload: str) -> ResponseCall:
        """What `dump` wrote."""
        stored = loads(payload)
        references = {name: transcript.load(text)[0] for name, text in stored["references"].items()}
        return cls(stored["body"], transcript.load(stored["previous"]), references, stored["policy"])


@dataclass(slots=True)
class EventLog:
    """`said` hears of responses that said more."""

    store: ResponseLog
    said: Callable[[str], None] = lambda response_id: None

    async def read(self, response_id: str, after: int = -1) -> tuple[list[Event], int]:
        """The events behind row `after`, and the number of the last row."""
        rows = await self.store.read(response_id, after)
        size = sum(len(text) for _, text in rows)
        events = await offload(size, lambda: [event for _, text in rows for event in event_json.load(text)])
        return events, rows[-1][0] if rows else after

    async def append(self, claim: Claim, number: int, events: Sequence[Event]) -> None:
        """Write row `number`; LeaseLost when the run may not any more."""
        if not await self.store.append(claim, number, event_json.dump(events)):
            raise LeaseLost
        self.said(claim.batch.id)


@dataclass(slots=True)
class EventAppender:
    """Writes what one run says, behind what earlier runs said. `row`: the last one that stands in the log.

    While the database is away what is said waits for it: it costs no generation.
    """

    log: EventLog
    claim: Claim
    clock: Clock
    row: int
    _waiting: list[Event] = field(default_factory=list)
    _next_row: list[Event] = field(default_factory=list)

    async def add(self, event: Event) -> None:
        self._waiting.append(event)
        with suppress(StorageDown):
            await self._write()

    async def finish(self) -> None:
        """Return when all of it stands in the log, however long the database is away."""
        while self._waiting or self._next_row:
            try:
                await self._write()
            except StorageDown:
                await self.clock.sleep(RETRY)

    async def _write(self) -> None:
        """A row of which nobody knows whether it was written is written again as it was."""
        while self._waiting or self._next_row:
            if not self._next_row:
                self._next_row, self._waiting = self._waiting, []
            await self.log.append(self.claim, self.row + 1, self._next_row)
            self.row, self._next_row = self.row + 1, []
