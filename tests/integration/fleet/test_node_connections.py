"""Connections to nodes: kept as long as they are whole, cut when they are not, and nothing is ever asked twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request

from gemgate.caller import Caller
from gemgate.web.auth.forwarded_caller import ForwardedCaller
from gemgate.web.relay import node_connection
from gemgate.web.relay.body import Body
from gemgate.web.relay.node_client import Broken, NodeClient, Unsent
from tests.support.scripted_peer import Said, Script, scripted

CALLER = ForwardedCaller(Caller(tenant="main", client="key:main", address="127.0.0.1"), "client", "https")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"


@pytest.fixture
async def hop() -> AsyncIterator[NodeClient]:
    client = NodeClient("t" * 16, silence=5)
    yield client
    await client.close()


def request(method: str = "GET", *headers: tuple[bytes, bytes], body: bytes = b"") -> Request:
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        return left.pop()

    scope = {"type": "http", "method": method, "path": "/v1/models", "query_string": b"", "headers": list(headers)}
    more = {"scheme": "http", "server": ("gate.example", 80), "client": ("127.0.0.1", 1)}
    return Request(scope | more, receive)  # type: ignore[arg-type]


def says(*parts: bytes, ends: bool = False) -> tuple[Script, set[asyncio.StreamWriter]]:
    """A script that says this to each request; the connections that it came on."""
    seen: set[asyncio.StreamWriter] = set()

    async def script(said: Said) -> None:
        seen.add(said.writer)
        for part in parts:
            await said.say(part)
            await asyncio.sleep(0.01)
        if ends:
            said.writer.close()

    return script, seen


async def read(hop: NodeClient, url: str, asked: Request) -> tuple[int, bytes]:
    async with hop.exchange(url, asked, CALLER, None) as exchange:
        return exchange.head.status, b"".join([chunk async for chunk in exchange.chunks()])


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE: dict[str, tuple[str, tuple[bytes, ...], int, bytes]] = {
    "length": ("GET", (OK,), 200, b"good"),
    "pieces": ("GET", (OK[:20], OK[20:45], OK[45:]), 200, b"good"),
    "chunked": ("GET", (CHUNKED + b"2\r\ngo\r\n", b"2\r\nod\r\n0\r\n\r\n"), 200, b"good"),
    "not modified": ("GET", (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",), 304, b""),
    "none": ("DELETE", (b"HTTP/1.1 204 No Content\r\n\r\n",), 204, b""),
    "after notices": ("GET", (b"HTTP/1.1 102 Processing\r\n\r\n" * 2, OK), 200, b"good"),
}


@pytest.mark.parametrize("way", WHOLE)
async def test_a_connection_whose_answer_is_whole_is_asked_again(hop: NodeClient, way: str) -> None:
    method, parts, status, body = WHOLE[way]
    script, seen = says(*parts)
    async with scripted(script) as peer:
        for _ in range(3):
            assert await read(hop, peer.url, request(method)) == (status, body)
        assert len(seen) == 1


CUT: dict[str, tuple[str, bytes, int, bytes]] = {
    "head": ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", 200, b""),
    "close": ("GET", OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 200, b"good"),
    "old": ("GET", OK.replace(b"HTTP/1.1", b"HTTP/1.0"), 200, b"good"),
    "more than was asked": ("GET", OK + OK, 200, b"good"),
    "no answer behind it": ("GET", OK + b"rubbish", 200, b"good"),
}


@pytest.mark.parametrize("way", CUT)
async def test_any_other_is_not(hop: NodeClient, way: str) -> None:
    method, said, status, body = CUT[way]
    script, seen = says(said)
    async with scripted(script) as peer:
        for _ in range(2):
            assert await read(hop, peer.url, request(method)) == (status, body)
        assert len(seen) == 2


async def test_an_answer_may_end_with_its_connection(hop: NodeClient) -> None:
    script, _ = says(b"HTTP/1.1 200 OK\r\n\r\n", b"good", ends=True)
    async with scripted(script) as peer:
        assert await read(hop, peer.url, request()) == (200, b"good")


async def test_a_connection_that_waited_long_is_closed(hop: NodeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_connection, "IDLE_CONNECTION_SECONDS", 0.05)
    script, seen = says(OK)
    async with scripted(script) as peer:
        await read(hop, peer.url, request())
        await asyncio.sleep(0.3)
        assert not hop._connections._open
        await read(hop, peer.url, request())
        assert len(seen) == 2


@pytest.mark.parametrize("known", [True, False])
async def test_a_node_that_ends_says_whether_the_prompt_went_out(hop: NodeClient, known: bool) -> None:
    for noticed in (True, False):
        heard: list[None] = []
        script, _ = says(*([b"HTTP/1.1 102 Processing\r\n\r\n"] if noticed else []), ends=True)
        asked = request("POST", (b"content-length", b"4"), body=b"body")
        body = Body(asked, 1000)
        if known:
            await body.whole()
        async with scripted(script) as peer:
            with pytest.raises(Broken) as caught:
                async with hop.exchange(peer.url, asked, CALLER, body, on_interim=lambda: heard.append(None)):  # noqa: B023
                    pass
            assert (caught.value.ended, caught.value.noticed, len(heard)) == (True, noticed, noticed)
            assert len(peer.asked) == 1
        await body.close()


@pytest.mark.parametrize("value", [b"a\r\nx-gemgate-internal: b", b"a\nb", b"a\rb", b"a\0b"])
async def test_no_header_ends_its_line(hop: NodeClient, value: bytes) -> None:
    script, seen = says(OK)
    async with scripted(script) as peer:
        with pytest.raises(Unsent):
            await read(hop, peer.url, request("GET", (b"x-one", value)))
        assert not seen


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[", "http://127.0.0.1:99999", "http://x.invalid:80"])
async def test_nobody_there_is_certain(hop: NodeClient, url: str) -> None:
    with pytest.raises(Unsent):
        await read(hop, url, request())
    assert not await hop.answers(url)


async def test_a_silent_address_does_not_hide_the_next(hop: NodeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name with two addresses the first takes no connection: its queue is full."""
    script, _ = says(OK)
    with socket.socket() as silent, ExitStack() as waiting:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(silent.getsockname())
        async with scripted(script) as peer:

            async def both(*_: object, **__: object) -> list[tuple[object, ...]]:
                ways = silent.getsockname(), ("127.0.0.1", urlsplit(peer.url).port)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", way) for way in ways]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
            assert await read(hop, "http://node.example:80", request()) == (200, b"good")
