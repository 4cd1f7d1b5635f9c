"""The promises of `ports.Researcher`, which only the web app keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gemgate.accounts import Cookies
from gemgate.ports.upstream import Completed, Prompt, Researcher, Thread
from gemgate.upstreams.official import KeyPlace, OfficialUpstream
from gemgate.upstreams.web.upstream import WebUpstream
from gemgate_simulator import Simulator
from gemgate_simulator.research import CONFIRM


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(("alice",)) as simulator:
        simulator.google.research(looks=2)
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def upstream(sim: Simulator) -> AsyncIterator[WebUpstream]:
    upstream = WebUpstream(proxy=sim.proxy_url, ca_file=str(sim.ca_file), lanes=2)
    await upstream.open(Cookies.of(sim.google.cookies("alice")))
    yield upstream
    await upstream.close()


async def turn(upstream: WebUpstream, text: str, kind: str, thread: Thread | None = None) -> Completed:
    offers = (await upstream.ping()).models
    flash = next(offer for offer in offers if offer.name == "gemini-flash")
    prompt = Prompt(text, flash, thread=thread, exact=True, research=kind)  # type: ignore[arg-type]
    (ended,) = [piece async for piece in upstream.stream(prompt) if isinstance(piece, Completed)]
    return ended


async def test_plan_start_progress_and_report(upstream: WebUpstream) -> None:
    planned = await turn(upstream, "foxes", "plan")
    assert planned.research is not None
    plan = planned.research.plan
    assert plan is not None
    assert (plan.title, plan.confirm, len(plan.steps)) == ("Foxes in snow", CONFIRM, 3)
    cid = planned.thread.cid
    before = await upstream.read_research(cid)
    assert before is not None
    assert (before.plan, before.started, before.whole, before.report) == (plan, False, True, None)
    started = await turn(upstream, plan.confirm, "start", planned.thread)
    assert started.research is not None
    assert started.research.started
    running = await upstream.read_research(cid)
    assert running is not None
    assert (running.started, running.whole, running.report) == (True, False, None)
    assert running.steps == (("Researching websites", "Looking around"),)
    assert [page.title for page in running.pages] == ["Foxes of the north"]
    assert running.thread[:2] == started.thread.metadata[:2]
    over = await upstream.read_research(cid)
    assert over is not None
    assert over.report is not None
    assert over.report.text.startswith("# Foxes in snow\n\nArctic foxes turn white in winter.\n")
    assert len(over.report.findings.sources) == 3
    assert len(over.report.findings.citations) == 3


async def test_a_chat_is_found_by_its_exact_prompt_alone(upstream: WebUpstream, sim: Simulator) -> None:
    planned = await turn(upstream, "foxes", "plan")
    now = sim.google.world.clock()
    assert await upstream.find_chats("foxes", now) == [planned.thread.cid]
    assert await upstream.find_chats("foxe", now) == []
    assert await upstream.find_chats("foxes", now + 3600) == []
    again = await turn(upstream, "foxes", "plan")
    assert sorted(await upstream.find_chats("foxes", now)) == sorted([planned.thread.cid, again.thread.cid])
    assert list(sim.record.violations) == ["the same plan was asked for twice"]  # it goes by the words
    sim.record.violations.clear()


async def test_what_may_be_begun(upstream: WebUpstream, sim: Simulator) -> None:
    free = await upstream.research_budget()
    assert free is not None
    assert not free.spent
    sim.google.research(budget=0)
    spent = await upstream.research_budget()
    assert spent is not None
    assert spent.spent
    assert spent.resets_at is not None
    assert spent.resets_at > sim.google.world.clock() + 3600
    sim.google.research(silent=True)
    assert await upstream.research_budget() is None


async def test_a_chat_that_is_stopped_gets_no_report(upstream: WebUpstream) -> None:
    planned = await turn(upstream, "foxes", "plan")
    await turn(upstream, CONFIRM, "start", planned.thread)
    await upstream.stop_chat(planned.thread.cid)
    for _ in range(4):
        state = await upstream.read_research(planned.thread.cid)
        assert state is not None
        assert state.report is None


def test_the_official_api_has_none() -> None:
    assert isinstance(WebUpstream(proxy=None), Researcher)
    official = OfficialUpstream(KeyPlace("env:KEY", environ={}))
    assert not isinstance(official, Researcher)
