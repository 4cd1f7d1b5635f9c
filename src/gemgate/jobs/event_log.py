"""What durable answers were asked and what they have said, and what each run adds to it.

An event is in the log before anybody hears of it: whoever lost a stream is told the rest from here, with the numbers
that follow, whichever process wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gemgate.batches import Claim
from gemgate.chat import ChatRequest, Event
from gemgate.dialects import table, wire
from gemgate.dialects.rows import ReadContext
from gemgate.errors import StorageDown
from gemgate.frozen import frozen
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

Said: TypeAlias = tuple[int, Event]
"""An event, and of which of a call's `n` answers it is."""


@frozen
class AnswerCall:
    """What a durable answer was asked: the operation of the dialect table, the body as it came, and what it goes on
    from or refers to. policy: about answers by another model.
    """

    operation: str
    body: Mapping[str, Any] = field(repr=False)
    given: ReadContext = field(default_factory=ReadContext, repr=False)
    policy: ModelPolicy = "report"

    @property
    def request(self) -> Any:
        """The body as its dialect reads it."""
        return wire.read(table.operation(self.operation).body, dict(self.body))

    def chat(self) -> ChatRequest:
        """Its words."""
        row = table.operation(self.operation)
        assert row.read is not None
        return row.read(self.request, self.given)

    def dump(self) -> str:
        """The payload of the answer's task."""
        given = {
            "parameters": dict(self.given.parameters),
            "previous": transcript.dump(self.given.previous),
            "references": {name: transcript.dump([one]) for name, one in self.given.references.items()},
        }
        return dumps({"operation": self.operation, "body": self.body, "given": given, "policy": self.policy})

    def dump_echo(self) -> str:
        """The body without its input, which may be large: what is shown of it before it has an answer."""
        return dumps({**self.body, "input": ""})

    @classmethod
    def load(cls, payload: str) -> AnswerCall:
        """What `dump` wrote."""
        stored = loads(payload)
        given = stored["given"]
        references = {name: transcript.load(text)[0] for name, text in given["references"].items()}
        context = ReadContext(given["parameters"], transcript.load(given["previous"]), references)
        return cls(stored["operation"], stored["body"], context, stored["policy"])


@dataclass(slots=True)
class EventLog:
    """`said` hears of answers that said more."""

    store: ResponseLog
    said: Callable[[str], None] = lambda response_id: None

    async def read(self, response_id: str, after: int = -1) -> tuple[list[Said], int]:
        """The events behind row `after`, and the number of the last row."""
        rows = await self.store.read(response_id, after)
        return await _events(rows), rows[-1][0] if rows else after

    async def last(self, response_id: str) -> Event | None:
        """The last event, without a look at those before it; None when there is none."""
        events = await _events(await self.store.last(response_id))
        return events[-1][1] if events else None

    async def append(self, claim: Claim, number: int, events: Sequence[Said]) -> None:
        """Write row `number`; LeaseLost when the run may not any more."""
        if not await self.store.append(claim, number, event_json.dump(events)):
            raise LeaseLost
        self.said(claim.batch.id)


async def _events(rows: Sequence[tuple[int, str]]) -> list[Said]:
    size = sum(len(text) for _, text in rows)
    return await offload(size, lambda: [event for _, text in rows for event in event_json.load(text)])


@dataclass(slots=True)
class EventAppender:
    """Writes what one run says, behind what earlier runs said. `row`: the last one that stands in the log.

    While the database is away what is said waits for it: it costs no generation.
    """

    log: EventLog
    claim: Claim
    clock: Clock
    row: int
    _waiting: list[Said] = field(default_factory=list)
    _next_row: list[Said] = field(default_factory=list)

    async def add(self, answer: int, event: Event) -> None:
        """answer: which of the call's answers says it."""
        self._waiting.append((answer, event))
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
