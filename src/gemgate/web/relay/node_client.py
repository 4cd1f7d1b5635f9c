"""The way to a node and back: headers that may pass, bytes as they come, and what is certain when it breaks.

`Unsent`: nothing of the request can have been processed. `Broken`: it can. Nothing here tries a second time.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import aiohttp
from multidict import CIMultiDict
from starlette.requests import HTTPConnection
from starlette.types import Scope
from yarl import URL

from gemgate.digits import whole
from gemgate.errors import GatewayError
from gemgate.frozen import frozen
from gemgate.web.auth import forwarded_caller
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.errors import takes_key_in_query
from gemgate.web.interim import WANTED_HEADER
from gemgate.web.relay.body import Body

CONNECT_SECONDS = 2.0
IDLE_CONNECTION_SECONDS = 15.0
"""Shorter than a node keeps one (75 s), so that a node never closes one at the moment in which we use it."""

LEAST_RATE = 10_000
"""Bytes a second that a node's answer brings at least, beyond the time that it may be silent altogether."""
FRAME_ENDS = (b"\n\n", b"\r\n\r\n")
"""How an event of a stream ends."""

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "expect"),
    }
)
_OURS = frozenset(
    (
        *(forwarded_caller.TOKEN_HEADER, forwarded_caller.CALLER_HEADER, WANTED_HEADER),
        *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"),
    )
)
_KEYS = frozenset(("authorization", "x-api-key", "x-goog-api-key"))
_EDGE_ONLY = frozenset(("cookie", "x-csrf-token"))
"""What signs a browser in here. A node has no use for it, and could use it."""
_TOLD_BY_NODES = re.compile(
    r"content-(?:type|length|encoding|disposition|range|language)|cache-control|etag|last-modified|expires|age|vary"
    r"|accept-ranges|allow|location|retry-after(?:-ms)?|x-should-retry|preference-applied|www-authenticate|deprecation"
    r"|x-accel-buffering|(?:x-gemgate|x-goog|x-ratelimit|anthropic|openai)-[a-z0-9-]+"
)
"""What of a node's head goes to the client. The rest speaks for the whole address (cookies, who may read, where to go
next): that is the gateway's to say.
"""
KEY_SHOWN_TO_NODES = "edge"
"""Stands for a key that was checked here: nodes need to know that one came (it tells dialects apart), not which."""


class Unsent(Exception):
    """The node was not reached."""


class Broken(Exception):
    """The connection ended, or was silent for too long, after the request may have been read.

    ended: by the node's side, which says that everything it had written before has been read here.
    noticed: the node had told that the prompt goes out (`web.interim`).
    """

    def __init__(self, why: str, *, ended: bool = False, noticed: bool = True) -> None:
        super().__init__(why)
        self.ended = ended
        self.noticed = noticed


class _InterimWatch:
    """Where an answer leaves word whether a notice came before it; also of one that never comes."""

    def __init__(self, on_notice: Callable[[], None]) -> None:
        self.notice: asyncio.Future[bool] | None = None
        self._on_notice = on_notice

    def look_out(self) -> asyncio.Future[bool]:
        self.notice = asyncio.get_running_loop().create_future()
        self.notice.add_done_callback(lambda notice: None if notice.cancelled() else self._on_notice())
        return self.notice

    @property
    def noticed(self) -> bool:
        return self.notice is not None and self.notice.done()


_sight: ContextVar[_InterimWatch] = ContextVar("gemgate_sight")


class _Response(aiohttp.ClientResponse):
    """aiohttp tells of an interim response by a future that is meant for `100 Continue`; here it is looked at."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if (sight := _sight.get(None)) is not None:
            self._continue = sight.look_out()
        return await super().start(connection)


@frozen
class Head:
    """The beginning of a node's answer; headers as they go on to the client."""

    status: int
    headers: list[tuple[bytes, bytes]]
    fields: CIMultiDict[str]

    @property
    def generated(self) -> str:
        """What the node says of the prompt: "no", "maybe", or "" where it says nothing."""
        return self.fields.get("x-gemgate-generated", "")

    @property
    def retry_after(self) -> float:
        return float(whole(self.fields.get("retry-after", "")) or 0)

    @property
    def is_events(self) -> bool:
        return self.fields.get("content-type", "").startswith("text/event-stream")


@dataclass(slots=True)
class Exchange:
    """An answer that is coming in. silence: seconds that all of it may be waited for, beyond what its bytes allow; of a
    stream, each of its events.
    """

    head: Head
    noticed: bool
    _response: aiohttp.ClientResponse
    _silence: float
    _unread: bytes = b""

    def unread(self, data: bytes) -> None:
        """Bytes that were read for nothing: `chunks` gives them once more."""
        self._unread = data

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes as they come; Broken when the node goes away in the middle."""
        if self._unread:
            data, self._unread = self._unread, b""
            yield data
        loop, waited, come, tail = asyncio.get_running_loop(), 0.0, 0, b""
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(self._silence + come / LEAST_RATE - waited):
                    chunk = await self._response.content.readany()
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise Broken(type(error).__name__, ended=_ended(error)) from None
            if not chunk:
                return
            waited, come = waited + loop.time() - began, come + len(chunk)
            if self.head.is_events:
                tail = (tail + chunk)[-len(chunk) - 3 :]
                if any(end in tail for end in FRAME_ENDS):
                    waited, come = 0.0, 0
            yield chunk


class NodeClient:
    """One client for all nodes. `silence`: seconds a node may say nothing, longer than any of its own deadlines."""

    def __init__(self, token: str, *, silence: float) -> None:
        self._token = token
        self._silence = silence
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS, ttl_dns_cache=60, socket_factory=_socket
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=65_536,
            max_field_size=65_536,
        )

    @asynccontextmanager
    async def exchange(
        self,
        node_url: str,
        connection: HTTPConnection,
        stated: forwarded_caller.ForwardedCaller,
        body: Body | None,
        *,
        fresh: bool = False,
        on_interim: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Exchange]:
        """Send the request to a node; what it answers, until the block ends. Unsent, Broken.

        fresh: the answer is wanted, not word that it has not changed. on_interim: called when a notice comes. A node
        that has the request may take `silence` until its notice, and as long again until its head.
        """
        scope = connection.scope
        url = URL(node_url.rstrip("/") + _target(scope), encoded=True)
        headers = self._headers(connection, stated)
        if fresh:
            headers.popall("if-none-match", None)
        deadline = _Deadline(self._silence)

        def noticed() -> None:
            deadline.again()
            on_interim()

        data = None
        if body is not None:
            data = await body.whole() if body.complete.is_set() else deadline.sending(body)
        sight = _InterimWatch(noticed)
        _sight.set(sight)
        try:
            async with deadline.timeout:
                response = await self._session.request(
                    scope["method"], url, headers=headers, data=data, allow_redirects=False
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Unsent(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError, GatewayError, ClientDisconnected) as error:
            if body is not None and body.failure is not None:
                raise body.failure from None
            raise Broken(type(error).__name__, ended=_ended(error), noticed=sight.noticed) from None
        try:
            if response.status < 200 or (300 <= response.status < 400 and response.status != 304):
                # No route of ours leads elsewhere; clients would take their keys along to wherever this one does.
                raise Broken(f"HTTP {response.status}", noticed=sight.noticed)
            yield Exchange(_head(response), sight.noticed, response, self._silence)
        finally:
            # Also ends the call on the node, unless its answer has been read to the end.
            response.close()

    def _headers(self, connection: HTTPConnection, stated: forwarded_caller.ForwardedCaller) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict()
        named = _named_by(connection.headers.getlist("connection"))
        for raw_name, raw_value in connection.scope["headers"]:
            name = raw_name.decode("latin-1")
            if name in _HOP_BY_HOP or name in _OURS or name in named or name in _EDGE_ONLY:
                continue
            headers.add(name, KEY_SHOWN_TO_NODES if name in _KEYS else raw_value.decode("latin-1"))
        peer = connection.client.host if connection.client else ""
        before = ", ".join(connection.headers.getlist("x-forwarded-for"))
        headers["x-forwarded-for"] = f"{before}, {peer}" if before else peer
        headers["x-forwarded-proto"] = stated.scheme
        headers["x-forwarded-host"] = connection.headers.get("host", "")
        headers[forwarded_caller.TOKEN_HEADER] = self._token
        headers[WANTED_HEADER] = "1"
        headers[forwarded_caller.CALLER_HEADER] = forwarded_caller.encode(stated)
        return headers

    async def answers(self, node_url: str) -> bool:
        """Whether somebody is there: a cheap question, for nodes that could not be reached."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                async with self._session.get(node_url.rstrip("/") + "/health", allow_redirects=False) as response:
                    return response.status == 200
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return False

    async def close(self) -> None:
        await self._session.close()


class _Deadline:
    """Until when a node's head is waited for; a client that is slow to send is not the node's fault."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self.timeout = asyncio.timeout(silence)

    def again(self) -> None:
        self._move(asyncio.get_running_loop().time() + self._silence)

    async def sending(self, body: Body) -> AsyncIterator[bytes]:
        """A body as its client sends it, each piece of which the node has to take in time."""
        self._move(None)
        async for piece in body.pieces():
            self.again()
            yield piece
            self._move(None)
        self.again()

    def _move(self, when: float | None) -> None:
        if not self.timeout.expired():
            self.timeout.reschedule(when)


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that notices within 20 s that nothing comes through any more, also while it only waits."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000)):
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _ended(error: BaseException) -> bool:
    """Whether the node's side closed the connection; a silence, or a network that failed, says nothing."""
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | BrokenPipeError) or (
        isinstance(error, aiohttp.ClientOSError) and error.errno in (errno.ECONNRESET, errno.EPIPE)
    )


def _target(scope: Scope) -> str:
    """Path and query as the client spelled them, without a key in the query."""
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    parts = scope["query_string"].decode("latin-1").split("&")
    if takes_key_in_query(scope["path"]):
        parts = [part for part in parts if unquote_plus(part.partition("=")[0]) != "key"]
    query = "&".join(parts)
    return f"{path}?{query}" if query else path


def _named_by(values: Iterable[str]) -> frozenset[str]:
    """Headers that `Connection` declares to be of this hop only."""
    return frozenset(part.strip().lower() for value in values for part in value.split(","))


def _head(response: aiohttp.ClientResponse) -> Head:
    fields = CIMultiDict(response.headers)
    named = _named_by(fields.getall("connection", ()))
    passed: list[tuple[bytes, bytes]] = []
    for name, value in response.raw_headers:
        lower = name.lower()
        word = lower.decode("latin-1")
        if _TOLD_BY_NODES.fullmatch(word) and word not in named and word not in _OURS:
            passed.append((lower, value))
    return Head(response.status, passed, fields)
