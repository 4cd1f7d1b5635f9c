"""What of a node's answer reaches the client: a node that lies speaks for itself, never for the gateway's address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request

from gemgate.caller import Caller
from gemgate.errors import Unauthorized
from gemgate.web.auth.forwarded_caller import ForwardedCaller, Level, accept, encode
from gemgate.web.relay.node_client import Broken, Head, NodeClient
from gemgate.web.relay.relay import SAFE, Relay, RelayedRequest
from gemgate_simulator import Painting, Simulator
from tests.support.serving import served, settings_for

CALLER = ForwardedCaller(Caller(tenant="main", client="key:main", address="127.0.0.1"), "client", "https")
OF_THE_ADDRESS = {
    "set-cookie": "gemgate_80=x",
    "clear-site-data": '"*"',
    "access-control-allow-origin": "https://evil.example",
    "access-control-allow-credentials": "true",
    "strict-transport-security": "max-age=99999999",
    "service-worker-allowed": "/",
    "refresh": "0;url=https://evil.example",
    "alt-svc": 'h2="evil.example:443"',
    "link": "<https://evil.example/x.js>; rel=preload",
    "x-gemgate-internal": "the token",
    "report-to": "{}",
}
OF_THE_ANSWER = {
    "content-type": "text/html",
    "content-disposition": "attachment",
    "cache-control": "no-store",
    "etag": '"e"',
    "retry-after": "3",
    "x-gemgate-attempts": "1",
    "x-ratelimit-limit-requests": "60",
    "anthropic-ratelimit-requests-limit": "60",
}


@asynccontextmanager
async def node(answer: web.Response) -> AsyncIterator[tuple[str, list[str]]]:
    """A node that answers everything so, and the paths that it was asked for."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        return answer if request.path != "/elsewhere" else web.Response(text="inside")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator


@pytest.fixture
async def hop() -> AsyncIterator[NodeClient]:
    client = NodeClient("t" * 16, silence=5)
    yield client
    await client.close()


def request() -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
    }
    return Request(scope | {"server": ("gate.example", 80), "client": ("127.0.0.1", 1)})


class _Context:
    base_url = "https://gate.example/below"


def stamped(told: Mapping[str, str]) -> Headers:
    """The head that a client gets of what a node told."""
    passage: Any = RelayedRequest.__new__(RelayedRequest)
    passage.request, passage.caller, passage.hops, passage.node = request(), CALLER.caller, 1, "w1"
    passage.request.scope["gemgate.context"] = _Context()
    head = Head(200, [(name.encode(), value.encode()) for name, value in told.items()], CIMultiDict())
    return Headers(raw=Relay._stamped(Relay.__new__(Relay), passage, head))


async def test_a_node_says_what_its_answer_is_and_nothing_of_our_address(hop: NodeClient) -> None:
    answer = web.Response(headers=OF_THE_ADDRESS | OF_THE_ANSWER)
    async with node(answer) as (url, _), hop.exchange(url, request(), CALLER, None) as exchange:
        passed = dict(exchange.head.headers)
    for name in OF_THE_ADDRESS:
        assert name.encode() not in passed
    for name in OF_THE_ANSWER:
        assert name.encode() in passed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
async def test_no_node_leads_clients_elsewhere(hop: NodeClient, status: int) -> None:
    """Clients follow a redirect with the headers that they have, and `x-api-key` is one of them."""
    async with node(web.Response(status=status, headers={"location": "https://evil.example/"})) as (url, _):
        with pytest.raises(Broken, match=str(status)):
            async with hop.exchange(url, request(), CALLER, None):
                pass


async def test_a_node_that_was_lost_leads_the_gateway_nowhere(hop: NodeClient) -> None:
    async with node(web.Response(status=302, headers={"location": "/elsewhere"})) as (url, asked):
        assert not await hop.answers(url)
        assert asked == ["/health"]


async def test_what_was_read_for_nothing_is_not_lost(hop: NodeClient) -> None:
    answer = web.Response(status=503, body=b"x" * 100_000)
    async with node(answer) as (url, _), hop.exchange(url, request(), CALLER, None) as exchange:
        read = b""
        async for chunk in exchange.chunks():
            read += chunk
            if len(read) > 65_536:
                break
        exchange.unread(read)
        assert b"".join([chunk async for chunk in exchange.chunks()]) == b"x" * 100_000


def test_browsers_run_nothing_that_a_node_answers() -> None:
    head = stamped({"content-type": "text/html", "content-security-policy": "default-src *"})
    for name, value in SAFE.items():
        assert head.getlist(name) == [value]


@pytest.mark.parametrize(
    ("link", "here"),
    [
        ("https://evil.example/upload/v1beta/files/1?a=b", "https://gate.example/upload/v1beta/files/1?a=b"),
        ("//evil.example/x", "https://gate.example/x"),
        ("https://gate.example/below/v1/x", "https://gate.example/below/v1/x"),
        ("https:////evil.example/x", "https://gate.example/evil.example/x"),
        ("javascript:alert(1)", "https://gate.example/alert(1)"),
    ],
)
@pytest.mark.parametrize("name", ["location", "x-goog-upload-url"])
def test_links_in_heads_lead_to_us(name: str, link: str, here: str) -> None:
    assert stamped({name: link})[name] == here


def test_who_answered_is_the_gateways_word() -> None:
    head = stamped({"x-gemgate-node": "w2", "x-gemgate-hops": "9"})
    assert "x-gemgate-node" not in head
    assert head.getlist("x-gemgate-hops") == ["1"]


async def test_a_node_on_loopback_shows_no_picture_without_a_signature(sim: Simulator, tmp_path: Path) -> None:
    """Its gateway may be open to the world, and `/images/` is passed on whoever asks."""
    sim.google.reply("fox", "", image=Painting())
    token = "a-token-that-the-fleet-shares"

    def stated(tenant: str, level: Level) -> dict[str, str]:
        caller = Caller(tenant=tenant, client="x", address="203.0.113.9")
        return {"x-gemgate-internal": token, "x-gemgate-caller": encode(ForwardedCaller(caller, level, "http"))}

    async with served(settings_for(sim, tmp_path, internal_token=token)) as gate, aiohttp.ClientSession() as http:
        body = {"prompt": "a fox", "response_format": "url"}
        ask = http.post(f"{gate.url}/v1/images/generations", json=body, headers=stated("ann", "client"))
        async with ask as answer:
            link = (await answer.json())["data"][0]["url"]
        assert "sig=" in link
        bare, statuses = link.partition("?")[0], []
        for url, tenant in ((link, ""), (bare, ""), (bare, "ben"), (bare, "ann")):
            async with http.get(url, headers=stated(tenant, "open")) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 401, 401, 200]


HONEST = json.loads(encode(CALLER))


@given(
    st.sampled_from(sorted(HONEST)) | st.sampled_from(["models", "operations", "quota", "budget", "account"]),
    st.sampled_from([None, 1, 1e308, [], {}, [[]], [{}], "x", True, {"a": 1}, [1, 2, 3], ["a", "b"], "\x00\n"]),
)
def test_a_statement_of_another_kind_is_refused_or_read(name: str, value: Any) -> None:
    token = "t" * 16
    statement = json.dumps(HONEST | {name: value}).encode()
    headers = [(b"x-gemgate-internal", token.encode()), (b"x-gemgate-caller", statement)]
    scope: dict[str, Any] = {"type": "http", "headers": headers}
    try:
        found = accept(HTTPConnection(scope), token)
    except Unauthorized:
        return
    assert found is not None
    caller = found.caller
    assert found.scheme in ("http", "https")
    for text in (caller.tenant, caller.client, caller.address, caller.language, caller.request_id):
        assert isinstance(text, str)
    assert all(isinstance(one, str) for one in caller.models | caller.operations)


def test_a_statement_too_deep_to_read_is_refused() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "headers": [(b"x-gemgate-internal", b"t" * 16), (b"x-gemgate-caller", b"[" * 60_000)],
    }
    with pytest.raises(Unauthorized):
        accept(HTTPConnection(scope), "t" * 16)
