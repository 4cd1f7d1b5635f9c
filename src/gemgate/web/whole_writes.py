"""An answer's head goes out with the first of its body: one write and one packet, and whoever reads wakes up once.

The server writes each part as it comes. Between two writes lies the reader's turn: it wakes for a head with which it
can do nothing, on a small machine before the body is written at all.
"""

from __future__ import annotations

import asyncio


class HeadWithBody:
    """The way of one answer to a connection. A head whose body does not come within the same turn of the event loop
    goes without it: a stream's client sees at once that it has begun.
    """

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        if self._head:
            self._head, data = b"", self._head + data
        elif not self._begun and data[9:10] != b"1":  # of `HTTP/1.1 100 Continue`: that is not the answer
            self._begun, self._head = True, data
            asyncio.get_running_loop().call_soon(self._send_head)
            return
        self._write(data)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send_head(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Whoever left hears nothing more: uvloop takes it for a bug to tell them."""
        if not self._transport.is_closing():
            self._transport.write(data)
