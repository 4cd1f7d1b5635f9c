"""HTTP/1.1 on one connection, server side: keep-alive, chunked answers, and a client that leaves is noticed at once."""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Protocol

import httptools

from gemgate_simulator.exchange import Break, Outcome, Request, Response, Service, deliver

MOST_BODY = 256 << 20
"""Bytes of a request body; more is answered 413."""
_MOST_WAITING = 16
_MOST_HEADERS = 64 << 10
_INLINE = 64 << 10
"""Answers up to this many bytes are written in one go, without a task."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Link(Protocol):
    """The connection below: bytes out, and the ways to end it."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None:
        """Wait until the peer has read enough of what was written."""

    def close(self) -> None: ...

    def reset(self) -> None: ...


class Http1:
    """Feeds `service` with the requests of one connection, one after the other.

    host: the name the tunnel was opened for (None on a plain connection: the Host header counts).
    """

    def __init__(self, link: Link, service: Service, connection: int, host: str | None) -> None:
        self._link = link
        self._service = service
        self._connection = connection
        self._host = host
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool, Response | None]] = deque()
        self._current: Response | None = None
        self._task: asyncio.Task[None] | None = None
        self._seen = 0
        self._closed = False
        self.on_message_begin()

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._closed:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrades here")
        except httptools.HttpParserError as error:
            self._service.misbehaved(f"HTTP/1.1 that cannot be parsed: {error}")
            self._refuse(400, "bad request")
        self._next()  # outside the parser, which would take an exception of ours for an error of the client's

    def lost(self) -> None:
        """The connection is gone: whatever was being answered stops now."""
        outcome: Outcome = "broken" if self._closed else "cancelled"
        self._closed = True
        if self._task:
            self._task.cancel()
        if self._current:
            self._current.ended(outcome)
            self._current = None
        self._waiting.clear()

    def goodbye(self) -> None:
        """The server is stopping."""

    def on_message_begin(self) -> None:
        self._target = bytearray()
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._size = 0
        self._request: Request | None = None
        self._early: Response | None = None

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._size += len(key) + len(text)
        if key in self._headers:
            text = self._headers[key] + ("; " if key == "cookie" else ", ") + text
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        if self._size > _MOST_HEADERS:
            self._refuse(431, "headers too large")
            return
        host = self._host or self._headers.get("host", "").rpartition(":")[0] or self._headers.get("host", "")
        self._request = Request(
            method=self._parser.get_method().decode("latin-1"),
            host=host,
            target=self._target.decode("latin-1"),
            headers=self._headers,
            http=self._parser.get_http_version(),
            connection=self._connection,
            nth=self._seen,
        )
        self._seen += 1
        self._early = self._service.head(self._request)
        if self._early is not None:
            self._queue()
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._link.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if len(self._body) + len(data) > MOST_BODY:
            self._refuse(413, "body too large")
        elif self._early is None:
            self._body += data

    def on_message_complete(self) -> None:
        if self._request is not None and self._early is None and not self._closed:
            self._request.body = bytes(self._body)
            self._queue()

    def _queue(self) -> None:
        assert self._request is not None
        if len(self._waiting) >= _MOST_WAITING:
            self._service.misbehaved("more than 16 pipelined requests on one HTTP/1.1 connection")
            self._refuse(400, "too many pipelined requests")
            return
        keep = self._parser.should_keep_alive() and self._early is None
        self._waiting.append((self._request, keep, self._early))

    def _next(self) -> None:
        while self._waiting and self._current is None and not self._closed:
            request, keep, early = self._waiting.popleft()
            response = early or self._service.handle(request)
            self._current = response
            out = _Out(self, request.method, keep)
            if isinstance(response.body, bytes) and len(response.body) <= _INLINE and not response.delay:
                out.begin(response, len(response.body))
                out.send(response.body)
                out.finish()
                self._ended()
            else:
                self._task = asyncio.create_task(self._deliver(response, out))

    async def _deliver(self, response: Response, out: _Out) -> None:
        await deliver(response, out)
        self._task = None
        self._ended()
        self._next()

    def _ended(self) -> None:
        if self._current:
            self._current.ended("complete")
            self._current = None

    def _refuse(self, status: int, text: str) -> None:
        if not self._closed:
            response = Response(status, (("content-type", "text/plain"),))
            out = _Out(self, "POST", keep=False)
            out.begin(response, len(text))
            out.send(text.encode())
            out.finish()
            self.lost()

    def shut(self, *, reset: bool = False) -> None:
        self._closed = True
        if reset:
            self._link.reset()
        else:
            self._link.close()

    def put(self, data: bytes) -> None:
        if not self._closed:
            self._link.write(data)

    async def drain(self) -> None:
        await self._link.drain()


class _Out:
    """One answer being written; the outlet of exchange.py."""

    def __init__(self, connection: Http1, method: str, keep: bool) -> None:
        self._connection = connection
        self._bodiless = method == "HEAD"
        self._keep = keep
        self._chunked = False
        self._head = b""

    def begin(self, response: Response, length: int | None) -> None:
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        self._chunked = length is None
        lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
        if not self._keep:
            lines.append("connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if length is None:
            self._connection.put(head)
        else:
            self._head = head  # sent with the body: one record instead of two

    def send(self, data: bytes) -> None:
        if self._bodiless:
            data = b""
        elif self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._connection.put(data)

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self._connection.drain()

    def finish(self) -> None:
        if self._chunked and not self._bodiless:
            self._connection.put(b"0\r\n\r\n")
        if not self._keep:
            self._connection.shut()

    def break_off(self, how: Break) -> None:
        self._connection.shut(reset=how is not Break.HANGUP)
