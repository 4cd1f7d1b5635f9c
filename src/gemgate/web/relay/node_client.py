"""The way to a node and back: headers that may pass, bytes as they come, and what is certain when it breaks.

`Unsent`: nothing of the request can have been processed. `Broken`: it can. Nothing here tries a second time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, unquote_plus, urlsplit

from starlette.requests import HTTPConnection
from starlette.types import Scope

from gemgate.digits import whole
from gemgate.errors import GatewayError
from gemgate.frozen import frozen
from gemgate.web.auth import forwarded_caller
from gemgate.web.disconnect import ClientDisconnected
from gemgate.web.errors import takes_key_in_query
from gemgate.web.interim import WANTED_HEADER
from gemgate.web.relay.body import Body
from gemgate.web.relay.node_connection import (
    CONNECT_SECONDS,
    Lost,
    NodeConnection,
    NodeConnections,
    RawHeaders,
    Unreached,
)

LEAST_RATE = 10_000
"""Bytes a second that a node's answer brings at least, beyond the time that it may be silent altogether."""
FRAME_ENDS = (b"\n\n", b"\r\n\r\n")
"""How an event of a stream ends."""

_HOP_BY_HOP = (
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
    *(b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
)
_OURS = (
    *(forwarded_caller.TOKEN_HEADER.encode(), forwarded_caller.CALLER_HEADER.encode(), WANTED_HEADER.encode()),
    *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"),
)
_KEYS = frozenset((b"authorization", b"x-api-key", b"x-goog-api-key"))
_EDGE_ONLY = (b"cookie", b"x-csrf-token")
"""What signs a browser in here. A node has no use for it, and could use it."""
_STAY = frozenset((*_HOP_BY_HOP, *_OURS, *_EDGE_ONLY))
"""What of a client's head goes no further."""
_TOLD_BY_NODES = re.compile(
    rb"content-(?:type|length|encoding|disposition|range|language)|cache-control|etag|last-modified|expires|age|vary"
    rb"|accept-ranges|allow|location|retry-after(?:-ms)?|x-should-retry|preference-applied|www-authenticate|deprecation"
    rb"|x-accel-buffering|(?:x-gemgate|x-goog|x-ratelimit|anthropic|openai)-[a-z0-9-]+"
)
"""What of a node's head goes to the client. The rest speaks for the whole address (cookies, who may read, where to go
next): that is the gateway's to say.
"""
KEY_SHOWN_TO_NODES = b"edge"
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


@frozen
class Head:
    """The beginning of a node's answer. headers: as they go on to the client; fields: all, by names in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    fields: Mapping[str, str]

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
    _connection: NodeConnection
    _silence: float
    _unread: bytes = b""

    def unread(self, data: bytes) -> None:
        """Bytes that were read for nothing: `chunks` gives them once more."""
        self._unread = data

    @property
    def done(self) -> bool:
        """Whether `chunks` has given the last of it."""
        return self._connection.done

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes as they come; Broken when the node goes away in the middle."""
        if self._unread:
            data, self._unread = self._unread, b""
            yield data
        loop, waited, come, tail = asyncio.get_running_loop(), 0.0, 0, b""
        events, connection = self.head.is_events, self._connection
        while True:
            began = loop.time()
            try:
                chunk = await connection.read(self._silence + come / LEAST_RATE - waited)
            except (Lost, GatewayError, ClientDisconnected) as error:
                raise _broken(error, noticed=True) from None
            if not chunk:
                return
            waited, come = waited + loop.time() - began, come + len(chunk)
            if events:
                tail = (tail + chunk)[-len(chunk) - 3 :]
                if any(end in tail for end in FRAME_ENDS):
                    waited, come = 0.0, 0
            yield chunk


class NodeClient:
    """One client for all nodes. `silence`: seconds a node may say nothing, longer than any of its own deadlines."""

    def __init__(self, token: str, *, silence: float) -> None:
        self._silence = silence
        self._connections = NodeConnections()
        self._ours = b"\r\n%b: %b\r\n%b: 1\r\n%b: " % (
            forwarded_caller.TOKEN_HEADER.encode(),
            token.encode(),
            WANTED_HEADER.encode(),
            forwarded_caller.CALLER_HEADER.encode(),
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
        scope, silence = connection.scope, self._silence
        try:
            node = _address(node_url)
            asked = await self._connections.to(node)
        except (Unreached, ValueError) as error:
            raise Unsent(str(error)) from None

        def noticed() -> None:
            asked.expire(silence)
            on_interim()

        try:
            data: bytes | AsyncIterator[bytes] = b""
            if body is not None:
                data = await body.whole() if body.complete.is_set() else _sending(asked, body, silence)
            head, chunked = self._head(node, connection, stated, data if body is not None else None, fresh=fresh)
            asked.expire(silence)
            asked.ask(head, scope["method"], data, chunked=chunked, on_notice=noticed)
            try:
                await asked.head()
            except (Lost, GatewayError, ClientDisconnected) as error:
                if body is not None and body.failure is not None:
                    raise body.failure from None
                raise _broken(error, noticed=asked.noticed) from None
            status = asked.status
            if 300 <= status < 400 and status != 304:
                # No route of ours leads elsewhere; clients would take their keys along to wherever this one does.
                raise Broken(f"HTTP {status}", noticed=asked.noticed)
            yield Exchange(_head_of(status, asked.headers), asked.noticed, asked, silence)
        finally:
            # Also ends the call on the node, unless its answer has been read to the end.
            self._connections.back(node, asked)

    def _head(
        self,
        node: SplitResult,
        connection: HTTPConnection,
        stated: forwarded_caller.ForwardedCaller,
        data: bytes | AsyncIterator[bytes] | None,
        *,
        fresh: bool,
    ) -> tuple[bytes, bool]:
        """The request's head, and whether its body is to be framed piece by piece."""
        scope = connection.scope
        raw: RawHeaders = scope["headers"]
        named = _named_by(value for name, value in raw if name == b"connection")
        lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), node.path.rstrip("/").encode() + _target(scope))]
        before: list[bytes] = []
        host = length = b""
        for name, value in raw:
            if name == b"x-forwarded-for":
                before.append(value)
            elif name == b"host":
                host = value
            elif name == b"content-length":
                length = value
            elif name in _STAY or name in named or (fresh and name == b"if-none-match"):
                continue
            else:
                lines.append(b"%b: %b" % (name, KEY_SHOWN_TO_NODES if name in _KEYS else value))
        if connection.client:
            before.append(connection.client.host.encode())
        lines.append(b"host: %b" % (host or node.netloc.encode()))
        chunked = False
        if isinstance(data, bytes):
            lines.append(b"content-length: %d" % len(data))
        elif data is not None:
            chunked = not length or any(name == b"transfer-encoding" for name, _ in raw)
            lines.append(b"transfer-encoding: chunked" if chunked else b"content-length: %b" % length)
        lines.append(b"x-forwarded-for: %b" % b", ".join(before))
        lines.append(b"x-forwarded-proto: %b" % stated.scheme.encode())
        lines.append(b"x-forwarded-host: %b" % host)
        head = b"%b%b%b\r\n\r\n" % (b"\r\n".join(lines), self._ours, forwarded_caller.encode(stated).encode())
        if head.count(b"\n") != len(lines) + 4 or head.count(b"\r") != len(lines) + 4 or b"\0" in head:
            raise Unsent("a header breaks its line")
        return head, chunked

    async def answers(self, node_url: str) -> bool:
        """Whether somebody is there: a cheap question, for nodes that could not be reached."""
        try:
            node = _address(node_url)
            asked = await self._connections.to(node)
        except (Unreached, ValueError):
            return False
        try:
            path = node.path.rstrip("/").encode() + b"/health"
            head = b"GET %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (path, node.netloc.encode())
            asked.expire(CONNECT_SECONDS)
            asked.ask(head, "GET", b"", chunked=False, on_notice=lambda: None)
            await asked.head()
            return asked.status == 200
        except Lost:
            return False
        finally:
            self._connections.back(node, asked)

    async def close(self) -> None:
        self._connections.close()


async def _sending(asked: NodeConnection, body: Body, silence: float) -> AsyncIterator[bytes]:
    """A body as its client sends it, each piece of which the node has to take in time; a client that is slow to send
    is not the node's fault.
    """
    asked.expire(None)
    async for piece in body.pieces():
        asked.expire(silence)
        yield piece
        asked.expire(None)
    asked.expire(silence)


def _broken(error: Exception, *, noticed: bool) -> Broken:
    ended = isinstance(error, Lost) and error.ended
    return Broken(str(error) if isinstance(error, Lost) else type(error).__name__, ended=ended, noticed=noticed)


@lru_cache(maxsize=1024)
def _address(node_url: str) -> SplitResult:
    return urlsplit(node_url)


def _target(scope: Scope) -> bytes:
    """Path and query as the client spelled them, without a key in the query."""
    path: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    query: bytes = scope["query_string"]
    if query and takes_key_in_query(scope["path"]):
        parts = query.decode("latin-1").split("&")
        query = "&".join(part for part in parts if unquote_plus(part.partition("=")[0]) != "key").encode("latin-1")
    return b"%b?%b" % (path, query) if query else path


def _named_by(values: Iterable[bytes]) -> frozenset[bytes]:
    """Headers that `Connection` declares to be of this hop only."""
    return frozenset(part.strip().lower() for value in values for part in value.split(b","))


@lru_cache(maxsize=1024)
def _is_told(name: bytes) -> bool:
    """Whether a node's header of this name goes to the client."""
    return _TOLD_BY_NODES.fullmatch(name) is not None and name not in _STAY


def _head_of(status: int, headers: RawHeaders) -> Head:
    fields: dict[str, str] = {}
    for name, value in headers:
        fields.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    named = _named_by(value for name, value in headers if name == b"connection")
    return Head(status, [one for one in headers if _is_told(one[0]) and one[0] not in named], fields)
