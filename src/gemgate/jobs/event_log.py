"""What background responses were asked and what they have said, sealed at rest, and each run's pen for it.

An event is in the log before anybody hears of it: whoever lost a stream is told the rest from here, with the numbers
that follow, whichever process wrote it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gemgate.batches import Claim, Task
from gemgate.chat import Event, Message
from gemgate.dialects import wire
from gemgate.dialects.responses import ResponsesRequest
from gemgate.errors import AccountError, GatewayError, StorageDown
from gemgate.images import ModelPolicy
from gemgate.jobs import event_json
from gemgate.jobs.journal import LeaseLost
from gemgate.jobs.payloads import dumps, loads
from gemgate.ports.response_log import ResponseLog
from gemgate.ports.runtime import Clock
from gemgate.ports.vault import Sealed, Vault
from gemgate.prompting import transcript

OPENED = 100
"""Rows that are opened before others have their turn."""
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


@dataclass(slots=True)
class EventLog:
    """`said` hears of responses that said more."""

    store: ResponseLog
    vault: Vault
    said: Callable[[str], None] = lambda response_id: None

    async def seal_call(self, response_id: str, call: ResponseCall) -> str:
        """The payload of the response's task."""
        plain = {
            "body": dumps(call.body),
            "previous": transcript.dump(call.previous),
            "references": dumps({name: transcript.dump([one]) for name, one in call.references.items()}),
            "policy": call.policy,
        }
        sealed = await self.vault.seal(f"call of {response_id}", plain)
        echo = await self.vault.seal(f"echo of {response_id}", {"body": dumps({**call.body, "input": ""})})
        stored = {"key": sealed.key_id, "sealed": sealed.text, "echo_key": echo.key_id, "echo": echo.text}
        return dumps(stored)

    async def echo_of(self, task: Task) -> ResponsesRequest:
        """The call without its input, which may be large: what a response shows of it before it has an answer."""
        stored = loads(task.payload)
        plain = await self._opened(f"echo of {task.batch}", Sealed(stored["echo_key"], stored["echo"]))
        return wire.read(ResponsesRequest, loads(plain["body"]))

    async def call_of(self, task: Task) -> ResponseCall:
        """What `seal_call` sealed; GatewayError when its key is lost."""
        stored = loads(task.payload)
        plain = await self._opened(f"call of {task.batch}", Sealed(stored["key"], stored["sealed"]))
        references = {name: transcript.load(text)[0] for name, text in loads(plain["references"]).items()}
        policy: ModelPolicy = "require" if plain["policy"] == "require" else "report"
        return ResponseCall(loads(plain["body"]), transcript.load(plain["previous"]), references, policy)

    async def read(self, response_id: str, after: int = -1) -> tuple[list[Event], int]:
        """The events behind row `after`, and the number of the last row; GatewayError when their key is lost."""
        events: list[Event] = []
        for number, sealed in await self.store.read(response_id, after):
            plain = await self._opened(_subject(response_id, number), sealed)
            events += event_json.load(plain["events"])
            after = number
            if number % OPENED == 0:
                await asyncio.sleep(0)
        return events, after

    async def append(self, claim: Claim, number: int, events: Sequence[Event]) -> None:
        """Write row `number`; LeaseLost when the run may not any more."""
        response_id = claim.batch.id
        sealed = await self.vault.seal(_subject(response_id, number), {"events": event_json.dump(events)})
        if not await self.store.append(claim, number, sealed):
            raise LeaseLost
        self.said(response_id)

    async def _opened(self, subject: str, sealed: Sealed) -> dict[str, str]:
        try:
            return await self.vault.open(subject, sealed)
        except AccountError:
            raise GatewayError(
                "What was stored of this response was sealed with a key that is not here any more (COOKIE_KEYS)",
                "此 response 的存储内容由已不存在的密钥加密（COOKIE_KEYS）",
                code="response_key_lost",
            ) from None


@dataclass(slots=True)
class Pen:
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


def _subject(response_id: str, number: int) -> str:
    return f"events {number} of {response_id}"
