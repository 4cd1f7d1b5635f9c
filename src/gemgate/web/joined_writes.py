"""What is written within one turn of the event loop goes out in one piece: an answer's head with its body.

A write is a call to the system and wakes who reads: two for each short answer were a tenth of what a chat costs.
"""

from __future__ import annotations

import asyncio
from typing import Any

MOST_HELD = 65_536
"""Bytes that wait for the turn's end; with more they go at once, so that a client who does not read is noticed."""


class JoinedWrites:
    """A transport that hands on what is written to it a moment later, together; everything else is the transport's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._held:
            asyncio.get_running_loop().call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Hand on what waits, now."""
        held, self._held, self._size = self._held, [], 0
        if len(held) == 1:
            self._transport.write(held[0])
        elif held:
            self._transport.writelines(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
