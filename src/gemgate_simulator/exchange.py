"""One request and one answer as values: what the protocol speakers (http1, http2) and the service trade.

Nothing here opens a socket. An answer is bytes, or a stream of steps: bytes to send, or the way to break off.
"""

from __future__ import annotations

import asyncio
import binascii
import enum
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote_to_bytes


class Break(enum.Enum):
    """How an answer ends without an end."""

    RESET = "reset"
    """The whole TCP connection is reset (RST)."""
    RESET_STREAM = "reset_stream"
    """Only this HTTP/2 stream is reset; on HTTP/1.1 the same as RESET."""
    HANGUP = "hangup"
    """The connection is closed (FIN) in the middle."""


Step: TypeAlias = bytes | Break
_PIECE = 256 << 10
"""Bytes of a large answer that are encrypted and handed over at a time: others want their turn as well."""

_APP = "gemini.google.com"
_NUMBERED = re.compile(r"^/u/(\d{1,2})/")

Outcome: TypeAlias = Literal["complete", "cancelled", "broken"]
"""complete: every byte was handed over; cancelled: the client went away; broken: we broke off on purpose."""


@dataclass(slots=True)
class Request:
    """A request whose head (and, once handled, body) has arrived.

    headers: names in lower case; repeated ones joined with ", " (cookies with "; ").
    connection: which TCP connection of this simulator; nth: requests that connection carried before this one.
    """

    method: str
    host: str
    target: str
    headers: dict[str, str]
    http: str
    connection: int
    nth: int
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the number of an account, `/u/N`."""
        path = self.target.partition("?")[0]
        return _NUMBERED.sub("/", path) if self.host == _APP else path

    @property
    def user(self) -> int:
        """Which of the accounts that share the cookies is meant (docs/google-wire.md 5.6)."""
        if self.host == _APP:
            found = _NUMBERED.match(self.target)
            return int(found[1]) if found else 0
        named = self.query.get("authuser", "")
        return int(named) if named.isdigit() else 0

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def cookies(self) -> list[tuple[str, str]]:
        """Name and value in the order they were sent; a name may come twice."""
        pieces = (piece.partition("=") for piece in self.headers.get("cookie", "").split(";"))
        return [(name.strip(), value.strip()) for name, sep, value in pieces if sep]

    def form(self) -> dict[str, bytes]:
        """The fields of an urlencoded body, still as bytes; the last one wins."""
        fields = {}
        for piece in self.body.split(b"&"):
            name, sep, value = piece.partition(b"=")
            if sep:
                fields[name.decode("latin-1")] = _unquote(value)
        return fields


def _unquote(value: bytes) -> bytes:
    # Quoted-printable is the same code with "=" for "%", and the standard library decodes it in C: prompts are long.
    value = value.replace(b"+", b" ")
    if b"=" in value or b"\n" in value:
        return unquote_to_bytes(value)
    return binascii.a2b_qp(value.replace(b"%", b"="))


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that costs time to make: `make` runs in a worker thread once its turn has come."""

    make: Callable[[], Response]


@dataclass(slots=True)
class Response:
    """What to answer.

    body: bytes, or steps, or a Break that happens before any byte, or Later, which then decides status and headers.
    delay: seconds of silence before the headers. length: what steps claim to be long in all, None when they do not say.
    on_end: called exactly once with the outcome.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Break | Later | AsyncGenerator[Step, None] = b""
    delay: float = 0.0
    length: int | None = None
    on_end: Callable[[Outcome], None] | None = field(default=None, repr=False)

    def become(self, made: Response) -> None:
        """Take over what Later made; delay and listener stay."""
        self.status, self.headers, self.body, self.length = made.status, made.headers, made.body, made.length

    def ended(self, outcome: Outcome) -> None:
        """Tell whoever asked how it ended; a second call does nothing."""
        if on_end := self.on_end:
            self.on_end = None
            on_end(outcome)


class Service(Protocol):
    """What stands behind the tunnel."""

    def head(self, request: Request) -> Response | None:
        """The headers are here, the body is not: an answer given now is sent without reading on."""

    def handle(self, request: Request) -> Response:
        """The whole request is here."""

    def misbehaved(self, what: str) -> None:
        """A client broke the transport's rules."""


class Outlet(Protocol):
    """One answer on its way out, as http1 and http2 write it."""

    def begin(self, response: Response, length: int | None) -> None:
        """Send status and headers; `length` None means the length is not known."""

    async def write(self, data: bytes) -> None:
        """Send a piece; returns when there is room for the next one."""

    def finish(self) -> None: ...

    def break_off(self, how: Break) -> None: ...


def page(status: int, text: str, content_type: str = "text/html; charset=utf-8", *headers: tuple[str, str]) -> Response:
    """A small answer of one piece."""
    return Response(status, (("content-type", content_type), *headers), text.encode())


async def deliver(response: Response, out: Outlet) -> None:
    """Send an answer step by step; cancelling this task stops it at once and reports `cancelled`."""
    outcome: Outcome = "cancelled"
    try:
        if response.delay:
            await asyncio.sleep(response.delay)
        if isinstance(response.body, Later):
            response.become(await asyncio.to_thread(response.body.make))
        outcome = await _send(response, out)
    except Exception:
        out.break_off(Break.RESET)  # a scripted answer that raises must not look like a stall
        outcome = "broken"
        raise
    finally:
        if isinstance(response.body, AsyncGenerator):
            await response.body.aclose()
        response.ended(outcome)


async def _send(response: Response, out: Outlet) -> Outcome:
    body = response.body
    assert not isinstance(body, Later), "what is made later is not made later still"
    if isinstance(body, Break):
        out.break_off(body)
        return "broken"
    if isinstance(body, bytes):
        out.begin(response, len(body))
        for start in range(0, max(1, len(body)), _PIECE):
            await out.write(body[start : start + _PIECE])
        out.finish()
        return "complete"
    out.begin(response, response.length)
    async with aclosing(body) as steps:
        async for step in steps:
            if isinstance(step, Break):
                out.break_off(step)
                return "broken"
            await out.write(step)
    out.finish()
    return "complete"
