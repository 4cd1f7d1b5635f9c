"""Connections to nodes: HTTP/1.1 with the parser that the server has, one request at a time, kept for the next one.

What a general client does beside that (cookies, redirects, proxies, encodings, retries) a hop must not do, and a chat
would pay for all of it. Nothing here tries a second time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from urllib.parse import SplitResult

import httptools
from aiohappyeyeballs import start_connection

CONNECT_SECONDS = 2.0
NEXT_ADDRESS_SECONDS = 0.25
"""After which the next address of a name is tried as well (RFC 8305)."""
IDLE_CONNECTION_SECONDS = 15.0
"""Shorter than a node keeps one (75 s), so that a node never closes one at the moment in which we use it."""
HEAD_BYTES = 262_144
"""Of all heads that a node may answer to one request."""
HELD_BYTES = 131_072
"""Of an answer that nobody has read yet, before no more is taken from the node."""

_FRAMING = (b"content-length", b"transfer-encoding")
_KEEPALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000))

RawHeaders = list[tuple[bytes, bytes]]


class Unreached(Exception):
    """There is no connection."""


class Lost(Exception):
    """The connection ended before the answer did, or what came is no answer.

    ended: by the node's side, which says that everything it had written before has been read here.
    """

    def __init__(self, why: str, *, ended: bool = False) -> None:
        super().__init__(why)
        self.ended = ended


class NodeConnection(asyncio.Protocol):
    """status: of the answer, 0 until its head is here; 1xx go before it. headers: their names in lower case.

    noticed: one of 1xx came; on_notice is called at the first.
    """

    def __init__(self, on_gone: Callable[[NodeConnection], None]) -> None:
        self.idle_since = 0.0
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._full: asyncio.Future[None] | None = None  # while the way to the node is
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._complete = self._reusable = True

    # Asking

    def ask(
        self,
        head: bytes,
        method: str,
        body: bytes | AsyncIterator[bytes],
        *,
        chunked: bool,
        on_notice: Callable[[], None],
    ) -> None:
        """Send a request. chunked: a body that comes piece by piece is framed so."""
        self.status, self.noticed = 0, False
        self.headers: RawHeaders = []
        self._came: RawHeaders = []
        self._on_notice = on_notice
        self._bodiless = method == "HEAD"
        self._complete = self._reusable = False
        self._head_bytes = self._held = 0
        self._chunks: list[bytes] = []
        if isinstance(body, bytes):
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._sending = self._loop.create_task(self._send(body, chunked=chunked))

    async def _send(self, body: AsyncIterator[bytes], *, chunked: bool) -> None:
        try:
            async for piece in body:
                if self._full is not None:
                    await self._full
                if self._transport.is_closing():
                    return
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                self._transport.write(b"0\r\n\r\n")
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
            self._fail(error)

    def expire(self, seconds: float | None) -> None:
        """Within which something has to happen from now on; None for no limit."""
        if self._late is not None:
            self._late.cancel()
        self._late = self._loop.call_later(seconds, self._fail, Lost("TimeoutError")) if seconds is not None else None

    async def head(self) -> None:
        """Return when the answer has begun. Lost, and what the body that is sent raised."""
        while not self.status:
            await self._something()
        self.expire(None)

    async def read(self, seconds: float) -> bytes:
        """What has come of the body since the last time, b"" at its end. Lost, also when nothing comes for so long."""
        if not self._chunks and not self._complete:
            self.expire(seconds)
            while not self._chunks and not self._complete:
                await self._something()
            self.expire(None)
        if not self._chunks:
            return b""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._held > HELD_BYTES and not self._transport.is_closing():
            self._transport.resume_reading()
        self._held = 0
        return data

    @property
    def done(self) -> bool:
        """Whether all of the answer has been read."""
        return self._complete and not self._chunks

    async def _something(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def over(self) -> bool:
        """The answer is wanted no longer: whether the connection can be asked again; else it is cut, and with it the
        call on the node.
        """
        self.expire(None)
        sent = self._sending is None or self._sending.done()
        if self._sending is not None and not sent:
            self._sending.cancel()
        whole = sent and self._complete and self._reusable and self._failure is None
        self._sending, self._failure, self._on_notice = None, None, _nothing
        if whole and not self.closing:
            return True
        self._transport.abort()
        return False

    @property
    def closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.abort()

    # What happens on the wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        notice_silence(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nothing was asked
            self._transport.abort()
            return
        if not self.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            self._fail(Lost(type(error).__name__))
        if not self.status and self._head_bytes > HEAD_BYTES:
            self._fail(Lost("its head is too large"))
        self._wake()

    def on_message_begin(self) -> None:
        if self._complete:  # more than was asked for
            self._reusable = False
        self._came = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._came.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete:
            return
        if status < 200:
            if not self.noticed:
                self.noticed = True
                self._on_notice()
            return
        self.status, self.headers = status, self._came
        self._reusable = self._parser.should_keep_alive()
        if self._bodiless:  # the parser does not know, and would wait for what is not sent
            self._complete, self._reusable = True, False

    def on_body(self, data: bytes) -> None:
        if self._complete:
            return
        self._chunks.append(data)
        before, self._held = self._held, self._held + len(data)
        if before <= HELD_BYTES < self._held:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self._complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_gone(self)
        if exc is None and not self._complete and self.status and not any(name in _FRAMING for name, _ in self.headers):
            self._complete, self._reusable = True, False  # the end of the connection is the answer's
        elif not self._complete:
            self._fail(Lost(type(exc).__name__ if exc else "the connection was closed", ended=_by_the_node(exc)))
        del self._parser  # which knows us: each would hold the other
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        self._full = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._full is not None and not self._full.done():
            self._full.set_result(None)
        self._full = None

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class NodeConnections:
    """Connections to all nodes, as many as there are calls at once."""

    def __init__(self) -> None:
        self._idle: dict[str, list[NodeConnection]] = {}
        self._open: set[NodeConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def to(self, node: SplitResult) -> NodeConnection:
        """One that may be asked. Unreached."""
        loop = asyncio.get_running_loop()
        waiting = self._idle.get(node.netloc)
        while waiting:
            kept = waiting.pop()
            if not kept.closing and loop.time() - kept.idle_since < IDLE_CONNECTION_SECONDS:
                return kept
            kept.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connected(node)
        except (OSError, ValueError) as error:  # of which TimeoutError is one; ValueError: of an address that is none
            raise Unreached(type(error).__name__) from None
        self._open.add(connection)
        return connection

    async def _connected(self, node: SplitResult) -> NodeConnection:
        """OSError, ValueError."""
        tls = _tls() if node.scheme == "https" else None
        host, port = node.hostname or "", node.port or (443 if tls else 80)
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        made = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
        try:
            _, connection = await loop.create_connection(
                partial(NodeConnection, self._gone), sock=made, ssl=tls, server_hostname=host if tls else None
            )
        except BaseException:
            made.close()
            raise
        return connection

    def back(self, node: SplitResult, connection: NodeConnection) -> None:
        """The call is over."""
        if not connection.over():
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(node.netloc, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_CONNECTION_SECONDS, self._close_idle)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for one in tuple(self._open):
            one.close()

    def _close_idle(self) -> None:
        """Close what nobody has asked for so long; the last that was given back is asked first."""
        loop, self._sweep = asyncio.get_running_loop(), None
        since = [one.idle_since for kept in self._idle.values() for one in kept]
        late = loop.time() - IDLE_CONNECTION_SECONDS
        for netloc, kept in list(self._idle.items()):
            for one in kept:
                if one.idle_since <= late:
                    one.close()
            self._idle[netloc] = [one for one in kept if one.idle_since > late]
            if not self._idle[netloc]:
                del self._idle[netloc]
        if left := [one for one in since if one > late]:
            self._sweep = loop.call_later(min(left) - late, self._close_idle)

    def _gone(self, connection: NodeConnection) -> None:
        self._open.discard(connection)
        for kept in self._idle.values():
            if connection in kept:
                kept.remove(connection)
                return


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificate authorities takes longer than a call."""
    return ssl.create_default_context()


def notice_silence(made: socket.socket) -> None:
    """Have it notice within 20 s that nothing comes through any more, also while it only waits."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            made.setsockopt(socket.IPPROTO_TCP, option, value)


def _by_the_node(error: Exception | None) -> bool:
    """Whether the node's side closed the connection; a silence, or a network that failed, says nothing."""
    return error is None or isinstance(error, ConnectionResetError | BrokenPipeError)


def _nothing() -> None:
    pass
