"""A node that says nothing, a little at a time, or without an end: the gateway's calls on it end all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request

from gemgate.caller import Caller
from gemgate.web.auth.forwarded_caller import ForwardedCaller
from gemgate.web.relay import node_client
from gemgate.web.relay.body import Body
from gemgate.web.relay.node_client import Broken, NodeClient
from tests.support.patience import PATIENCE
from tests.support.scripted_peer import Said, Script, dripping_head, endless_head, scripted, silent

SILENCE = 0.5
CALLER = ForwardedCaller(Caller(tenant="main", client="key:main", address="127.0.0.1"), "client", "https")
EVENTS = {"content_type": "text/event-stream", "transfer_encoding": "chunked"}


@pytest.fixture
async def hop() -> AsyncIterator[NodeClient]:
    client = NodeClient("t" * 16, silence=SILENCE)
    yield client
    await client.close()


def request(method: str = "GET", receive: Callable[[], Awaitable[dict[str, object]]] | None = None) -> Request:
    scope = {"type": "http", "method": method, "path": "/v1/models", "query_string": b"", "headers": []}
    more = {"scheme": "http", "server": ("gate.example", 80), "client": ("127.0.0.1", 1)}
    return Request(scope | more, receive) if receive else Request(scope | more)  # type: ignore[arg-type]


async def read(hop: NodeClient, url: str, asked: Request | None = None, body: Body | None = None) -> bytes:
    async with hop.exchange(url, asked or request(), CALLER, body) as exchange:
        return b"".join([chunk async for chunk in exchange.chunks()])


async def hung_body(said: Said) -> None:
    await said.head(content_length="1000")
    await said.say(b"half")
    await silent(said)


async def dripping_body(said: Said) -> None:
    await said.head(content_length="100000")
    await said.drip()


async def white_space(said: Said) -> None:
    await said.head(content_length="100000", content_type="application/json")
    await said.drip(b" ")


async def dripping_refusal(said: Said) -> None:
    await said.head("429 Too Many", content_length="60000", retry_after="1")
    await said.drip()


def event(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def dripping_event(said: Said) -> None:
    """Bytes come all the time, and no event ever ends."""
    await said.head(**EVENTS)
    await said.say(event(b"data: 1\n\n"))
    while True:
        await said.say(event(b"x"))
        await asyncio.sleep(0.05)


async def hung_stream(said: Said) -> None:
    await said.head(**EVENTS)
    await said.say(event(b"data: 1\n\n"))
    await silent(said)


async def cut_body(said: Said) -> None:
    await said.head(content_length="1000")
    await said.say(b"half")
    said.writer.close()


async def dripping_notices(said: Said) -> None:
    while True:
        await said.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.05)


WAYS: dict[str, Script] = {
    one.__name__: one
    for one in (
        *(silent, dripping_head, endless_head, hung_body, dripping_body, white_space, dripping_refusal),
        *(dripping_event, hung_stream, cut_body, dripping_notices),
    )
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_on_a_node_ends(hop: NodeClient, way: str) -> None:
    async with scripted(WAYS[way]) as peer, asyncio.timeout(PATIENCE):
        with pytest.raises(Broken):
            await read(hop, peer.url)
        assert peer.sent < 20_000_000


@pytest.mark.parametrize("way", ["silent", "dripping_head", "endless_head"])
async def test_a_node_that_hangs_is_not_back(hop: NodeClient, way: str) -> None:
    async with scripted(WAYS[way]) as peer, asyncio.timeout(PATIENCE):
        assert not await hop.answers(peer.url)


async def test_a_node_that_takes_no_body_is_given_up(hop: NodeClient) -> None:
    """Whether it was there before or comes as the client sends it."""
    for known in (True, False):
        sent = iter([*({"type": "http.request", "body": bytes(1 << 20), "more_body": True} for _ in range(50)),
                     {"type": "http.request", "body": b"", "more_body": False}])  # fmt: skip

        async def receive(sent: object = sent) -> dict[str, object]:
            return next(sent)  # type: ignore[call-overload, no-any-return]

        asked = request("POST", receive)
        body = Body(asked, 1 << 30)
        if known:
            await body.whole()
        async with scripted(silent, reads=False) as peer, asyncio.timeout(PATIENCE):
            with pytest.raises(Broken):
                await read(hop, peer.url, asked, body)
        await body.close()


async def test_a_client_that_is_slow_to_send_is_not_the_node_s_fault(hop: NodeClient) -> None:
    left = [b"half", b"whole", b""]

    async def receive() -> dict[str, object]:
        await asyncio.sleep(2 * SILENCE)
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def answer(said: Said) -> None:
        await said.head(content_length="4")
        await said.say(b"good")

    async with scripted(answer, reads=False) as peer:
        asked = request("POST", receive)
        assert await read(hop, peer.url, asked, Body(asked, 1 << 20)) == b"good"


async def test_a_client_that_is_slow_to_read_is_not_the_node_s_fault(
    hop: NodeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_client, "LEAST_RATE", 1 << 40)

    async def answer(said: Said) -> None:
        await said.head(content_length="2000000")
        await said.say(bytes(2_000_000))

    async with scripted(answer) as peer, hop.exchange(peer.url, request(), CALLER, None) as exchange:
        size = 0
        async for chunk in exchange.chunks():
            size += len(chunk)
            await asyncio.sleep(SILENCE / 4)
    assert size == 2_000_000


async def test_a_stream_lives_as_long_as_its_events_come(hop: NodeClient) -> None:
    async def beats(said: Said) -> None:
        await said.head(**EVENTS)
        for _ in range(8):
            for part in (b": beat\n", b"\n"):
                await said.say(event(part))
                await asyncio.sleep(SILENCE / 4)
        await said.say(b"0\r\n\r\n")

    async with scripted(beats) as peer:
        assert await read(hop, peer.url) == b": beat\n\n" * 8
