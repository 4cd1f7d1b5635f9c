"""A node's word to its gateway, before the answer: the prompt goes out now, and from here on it may be generated.

An interim response (HTTP 102) on the connection of the call itself. The prompt is sent after it: when a node dies and
its gateway has read none, Google never had the prompt, and another node may take the call (ADR 5).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar, Final, cast

from starlette.datastructures import Headers
from starlette.types import Scope

from gemgate.machine import CLIENTS
from gemgate.ports.runtime import TelemetryEvent
from gemgate.web.bounded_heads import BoundedHeads
from gemgate.web.whole_writes import HeadWithBody

WANTED_HEADER = "x-gemgate-notice"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
_TRANSPORT: Final = "gemgate.transport"
CROWDED: Final = "gemgate.crowded"
"""In the scope of a request on a connection too many."""
IDLE_SECONDS = 1.0
"""A connection on which nothing happens for so long is closed when another one needs its descriptor."""
REFUSING = 32
"""Connections too many that are told so; the next are only closed."""


HEAD_SECONDS = 20.0
"""Within which a request's head has to be here, from the connection or from the head's first byte."""
UNHEARD = 128
"""Connections of one address that may take that long; more at once (a proxy's burst, say) have `CROWDED_SECONDS`."""
CROWDED_SECONDS = 2.0


class InterimProtocol(BoundedHeads):
    """The server's protocol; it leaves the connection where notices can be written to it, and waits for no head for
    ever: who is silent, or sends a byte now and then, keeps a descriptor and nothing else.
    """

    _unheard: ClassVar[Counter[str]] = Counter()
    _idle: ClassVar[dict[InterimProtocol, float]] = {}
    """Connections without a request, the longest idle first, and since when."""
    _too_many = False
    _late: asyncio.TimerHandle | None = None
    _before: list[Any] | None = None
    """Requests behind which others wait on the same connection: the server tells only the last that its client left."""
    _address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = str(transport.get_extra_info("peername", ("",))[0])
        self._too_many = CLIENTS.crowded and not self._close_an_idle_one()
        CLIENTS.open += 1
        self._rest()
        self._await_head()
        if CLIENTS.open > CLIENTS.most + REFUSING and self._too_many:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._late is None and not self._answering():  # most heads come whole, and nothing is awaited
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope[_TRANSPORT] = self.transport
        if self._too_many:
            scope[CROWDED] = True

    def on_headers_complete(self) -> None:
        self._heard()
        self._idle.pop(self, None)
        if self._answering():
            self._before = self._before or []
            self._before.append(self.cycle)
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.transport = HeadWithBody(self.transport)

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._before = None
        super().on_response_complete()
        if not self.transport.is_closing():
            self._rest()

    def _rest(self) -> None:
        self._idle[self] = asyncio.get_running_loop().time()

    def _close_an_idle_one(self) -> bool:
        """Make room for a new connection at the cost of the one that was idle longest; clients expect that any time."""
        longest = next(iter(self._idle), None)
        if longest is None or asyncio.get_running_loop().time() - self._idle[longest] < IDLE_SECONDS:
            return False
        del self._idle[longest]
        longest.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        CLIENTS.open -= 1
        self._idle.pop(self, None)
        self._heard()
        for cycle in self._before or ():
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _await_head(self) -> None:
        self._unheard[self._address] += 1
        seconds = HEAD_SECONDS if self._unheard[self._address] <= UNHEARD else CROWDED_SECONDS
        self._late = asyncio.get_running_loop().call_later(seconds, self.transport.abort)

    def _heard(self) -> None:
        if self._late is None:
            return
        self._late.cancel()
        self._late = None
        self._unheard[self._address] -= 1
        if self._unheard[self._address] <= 0:
            del self._unheard[self._address]


class PromptSentNotifier:
    """Listens for prompts that are sent, and for tasks that are entered, which will be generated as well.

    Calls whose gateway wants notices are known by their request ids until they are answered.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Transport] = {}
        self.listeners = dict.fromkeys(("attempt.sent", "task.entering"), self._sent)

    def expect(self, request_id: str, scope: Scope) -> None:
        """A call of our gateway begins."""
        transport = scope.get(_TRANSPORT)
        if transport is not None and WANTED_HEADER in Headers(scope=scope):
            self._waiting[request_id] = transport

    def over(self, request_id: str) -> None:
        """Its answer begins, or nobody waits for it any more: nothing may stand between the bytes of an answer."""
        self._waiting.pop(request_id, None)

    def _sent(self, fact: TelemetryEvent) -> None:
        transport = self._waiting.pop(fact.request_id, None)
        if transport is not None and not transport.is_closing():
            transport.write(INTERIM)
