"""A node's word to its gateway, before the answer: the prompt goes out now, and from here on it may be generated.

An interim response (HTTP 102) on the connection of the call itself. The prompt is sent after it: when a node dies and
its gateway has read none, Google never had the prompt, and another node may take the call (ADR 5).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from starlette.datastructures import Headers
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gemgate.ports import Fact

WANTED_HEADER = "x-gemgate-notice"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
_TRANSPORT: Final = "gemgate.transport"


class NoticingProtocol(HttpToolsProtocol):
    """The server's protocol; it leaves the connection where notices can be written to it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[_TRANSPORT] = self.transport


class Notices:
    """Observes facts; calls whose gateway wants notices are known by their request ids until they are answered."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Transport] = {}

    def expect(self, request_id: str, scope: Scope) -> None:
        """A call of our gateway begins."""
        transport = scope.get(_TRANSPORT)
        if transport is not None and WANTED_HEADER in Headers(scope=scope):
            self._waiting[request_id] = transport

    def over(self, request_id: str) -> None:
        """Its answer begins, or nobody waits for it any more: nothing may stand between the bytes of an answer."""
        self._waiting.pop(request_id, None)

    def note(self, fact: Fact) -> None:
        if fact.name != "attempt.sent":
            return
        transport = self._waiting.pop(fact.request_id, None)
        if transport is not None and not transport.is_closing():
            transport.write(INTERIM)
