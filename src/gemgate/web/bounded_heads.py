"""What a request says beside its body has a bound, and is said when its head ends (docs/threats.md, "Cost of input").

The parser joins the pieces of a line that does not end again with each that comes, which costs the square of its
length. It also tells the fields behind a body in pieces (RFC 9110, 6.5) as it tells those of a head: somebody in front
of us has judged, replaced and added to the latter only, so that the former count for nothing.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gemgate.web.auth.forwarded_caller import TOKEN_HEADER
from gemgate.web.upgrades import StaysHttp1

HEAD_BYTES = 65_536
"""Names and values of a head, and its target; what a gateway adds for a node comes on top."""
HEAD_FIELDS = 256
"""Names of a head, likewise."""


class _Refused(Exception):
    """A head that is not read on."""


class _NotTold(list[tuple[bytes, bytes]]):
    """Where fields behind a body go."""

    def append(self, field: tuple[bytes, bytes], /) -> None:
        return None


_TRAILERS: Final = _NotTold()


class BoundedHeads(StaysHttp1):
    """The server's protocol: it ends a connection that brings neither a head nor a body in so many bytes."""

    _piece = 0
    """The length of what is read now."""
    _got_on = False
    """Whether that ended something, or belongs to a body."""
    _endless = 0
    """What came since."""
    _began_with = 0
    """The length of the piece in which a head began."""
    _too_large = False

    def data_received(self, data: bytes) -> None:
        self._piece, self._got_on = len(data), False
        super().data_received(data)
        if self._got_on:
            return
        self._endless += len(data)
        if self._endless > HEAD_BYTES and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._got_on, self._endless, self._began_with = True, 0, self._piece
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._judge()
        self._got_on, self._endless = True, 0
        super().on_headers_complete()
        self.headers = _TRAILERS

    def on_body(self, body: bytes) -> None:
        self._got_on, self._endless = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._got_on, self._endless = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()  # nothing may stand between the bytes of an answer
        elif self._too_large:
            self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _judge(self) -> None:
        """Refuse a head beyond the bounds, and one of two hosts, of which others may have judged the other, or of none
        (RFC 9112, 3.2).
        """
        names = [name for name, _ in self.headers]
        if (hosts := names.count(b"host")) != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise _Refused
        if len(names) <= HEAD_FIELDS and self._began_with + self._endless + self._piece <= HEAD_BYTES:
            return
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        times = 2 if TOKEN_HEADER.encode() in names else 1
        if len(names) > HEAD_FIELDS * times or size > HEAD_BYTES * times:
            self._too_large = True
            raise _Refused
