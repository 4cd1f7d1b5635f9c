"""A simulated Google per test, over HTTP/2 and HTTP/1.1, and upstreams signed in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gemgate.accounts import AccountModel, Cookies
from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.ports.upstream import Completed, Deadlines, Prompt, Thread, UpstreamEvent
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator

FAR = Deadlines(connect=15, first_byte=15, idle=15, total=60)
"""What no machine exceeds that is only busy."""
SOON = Deadlines(connect=15, first_byte=0.8, idle=0.8, total=20)
"""For Google's silence."""


@pytest.fixture(params=[True, False], ids=["h2", "h1"])
async def sim(request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice", "bob"), http2=request.param) as simulator:
        yield simulator


@pytest.fixture
async def sim2() -> AsyncIterator[Simulator]:
    """HTTP/2 only, where the version makes no difference."""
    async with Simulator(accounts=("alice", "bob")) as simulator:
        yield simulator


SignIn = Callable[..., Awaitable[WebUpstream]]


@pytest.fixture
async def signed_in() -> AsyncIterator[SignIn]:
    opened: list[WebUpstream] = []

    async def sign_in(sim: Simulator, name: str = "alice", **more: object) -> WebUpstream:
        options = {"lanes": 64, "deadlines": FAR, **more}
        upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), **options)
        opened.append(upstream)
        upstream.offers = (await upstream.open(Cookies.of(sim.google.cookies(name)))).models
        return upstream

    yield sign_in
    for upstream in opened:
        await upstream.close()


def offer(upstream: WebUpstream, name: str = "gemini-flash") -> AccountModel:
    return next(o for o in upstream.offers if o.name == name)


def prompt(upstream: WebUpstream, text: str, *, thread: Thread | None = None, **more: object) -> Prompt:
    return Prompt(text, offer(upstream), thread=thread, **more)


async def pieces(upstream: WebUpstream, text: str, **more: object) -> list[UpstreamEvent]:
    return [piece async for piece in upstream.stream(prompt(upstream, text, **more))]


def joined(found: list[UpstreamEvent]) -> str:
    return "".join(p.text for p in found if isinstance(p, TextDelta))


def thoughts(found: list[UpstreamEvent]) -> str:
    return "".join(p.text for p in found if isinstance(p, ThoughtDelta))


def answered(found: list[UpstreamEvent]) -> Completed:
    last = found[-1]
    assert isinstance(last, Completed)
    return last
