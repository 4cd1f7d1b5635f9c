"""What a node tells of itself, and whom a gateway believes, asks and avoids; by a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gemgate import catalog
from gemgate.errors import GatewayError, LocalText, NoAccount, NotFound, Spent, StorageDown
from gemgate.fleet.affinity import Affinity, AffinityKeys
from gemgate.fleet.heartbeat import Heartbeat, report_of
from gemgate.fleet.nodes import Fleet, NodeRequirements
from gemgate.fleet.registry import BEAT, node_signature
from gemgate.nodes import Node, NodeCard, NodeReport
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.status import Egress
from gemgate.stores.sql.nodes import _node
from gemgate.testing import FLASH, Facts, FakeClock, ScriptedUpstream, settle
from gemgate.version import __version__
from gemgate.web.relay.aggregate import Gathered, _troubles
from gemgate.web.relay.status import _unable

TOKEN = "a token of the fleet"
TEXT = NodeRequirements(catalog.resolve("gemini-3-flash-preview", ()))
IMAGE = NodeRequirements(catalog.resolve("gemini-2.5-flash-image", ()))


class Registry:
    """A registry that says what it is told to, or is away."""

    def __init__(self, *rows: Node) -> None:
        self.rows = list(rows)
        self.away: GatewayError | None = None
        self.hangs = False
        self.told: list[tuple[str, str]] = []
        self.knows = True
        self.holders: dict[str, str] = {}

    async def connect(self) -> Registry:
        await self._answer()
        return self

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.away is not None:
            raise self.away

    async def nodes(self) -> tuple[Node, ...]:
        await self._answer()
        return tuple(self.rows)

    async def announce(self, card: NodeCard, report: NodeReport) -> None:
        await self._answer()
        self.told.append(("announce", report.status))
        self.knows = True

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        await self._answer()
        self.told.append(("beat", report.status))
        return self.knows

    async def leave(self, url: str) -> None:
        await self._answer()
        self.told.append(("leave", url))

    async def holder(self, tenant: str, conversation_id: str, tips: object) -> str:
        await self._answer()
        return self.holders.get(conversation_id or tenant, "")

    async def runs(self, account: str) -> str:
        await self._answer()
        return self.holders.get(account, "")


def node(name: str, status: str = "HEALTHY", *, age: float = 1.0, token: str = TOKEN, **more: object) -> Node:
    url = f"http://{name}:8100"
    report = NodeReport(status, lanes=2, offers=(FLASH,))  # type: ignore[arg-type]
    made = Node(NodeCard(url, name, 1.0, node_signature(token, url)), report, age, 1.0, draining=False, created_at=0.0)
    in_report = {key: more.pop(key) for key in ("cooling", "current", "lanes", "why") if key in more}
    return replace(made, report=replace(report, **in_report), **more)  # type: ignore[arg-type]


class House:
    """A gateway's view over a scripted registry."""

    def __init__(self, *rows: Node) -> None:
        self.registry = Registry(*rows)
        self.clock = FakeClock()
        self.fleet = Fleet(self.registry.connect, token=TOKEN, clock=self.clock, observer=Facts())  # type: ignore[arg-type]

    def names(self, wanted: NodeRequirements = TEXT) -> set[str]:
        return {one.name for one in self.fleet.able(wanted)}


async def state(*rows: Node) -> House:
    made = House(*rows)
    await made.fleet.refresh()
    return made


async def test_only_nodes_that_live_can_prove_themselves_and_have_an_account_are_asked() -> None:
    made = await state(
        node("good"), node("busy", "BUSY"), node("dead", age=16), node("foreign", token="another"),
        node("broken", "ERROR"),
        node("spent", "429_LIMIT", lanes=0), node("gone", "OFFLINE"), node("draining", draining=True),
        node("opening", "INIT"),
    )  # fmt: skip
    assert made.names() == {"good", "busy"}
    # What generates nothing can be asked of any node that answers.
    assert made.names(NodeRequirements()) == {"good", "busy", "spent", "broken", "opening"}
    words = made.fleet.words()
    assert "dead" in words["dead"]
    assert "INTERNAL_TOKEN" in words["foreign"]


async def test_a_fleet_without_accounts_is_not_said_to_be_signing_in() -> None:
    """Of such nodes one may be called: it tells the caller itself. Whether we are ready is another question."""
    made = await state(node("a", "INIT", lanes=0, why="No Google account is set up"))
    assert made.fleet.pick(TEXT).name == "a"
    (why,) = _unable(made.fleet, "en")
    assert "a: INIT (No Google account is set up)" in why
    assert "没有节点" in _unable(made.fleet, "zh")[0]
    assert _unable((await state(node("a"))).fleet, "en") == []


async def test_a_node_without_accounts_is_a_trouble_of_the_fleet() -> None:
    made = await state(node("a"), node("b", "INIT", lanes=0))
    for one in made.fleet.nodes:
        one.node = replace(one.node, report=replace(one.node.report, version=__version__))
    gathered = Gathered({"a": {"accounts": [{}]}, "b": {"accounts": []}}, {})
    (trouble,) = _troubles(made.fleet, gathered)
    assert trouble == LocalText("node b has no account", "节点 b 没有账号")


async def test_when_nobody_can_everybody_is_told_why() -> None:
    made = await state(node("a", "429_LIMIT", cooling={"text": 50.0}, why="all accounts rest"), node("b", "ERROR"))
    with pytest.raises(NoAccount, match=r"a: 429_LIMIT .all accounts rest.; b: ERROR") as caught:
        made.fleet.pick(TEXT)
    assert caught.value.quota
    assert caught.value.retry_after == pytest.approx(49.0)
    with pytest.raises(NoAccount, match="gemgate worker"):
        (await state()).fleet.pick(TEXT)


async def test_a_node_that_is_signing_in_is_better_than_none() -> None:
    made = await state(node("a", "INIT"), node("b", "ERROR"))
    assert made.fleet.pick(TEXT).name == "a"


async def test_a_cooling_capability_is_avoided_and_the_others_are_not() -> None:
    made = await state(node("a", cooling={"image": 30.0}), node("b"))
    assert made.names(IMAGE) == {"b"}
    assert made.names(TEXT) == {"a", "b"}


async def test_what_a_node_refuses_is_believed_until_its_row_can_say_so() -> None:
    made = await state(node("a"), node("b"))
    (a,) = [one for one in made.fleet.nodes if one.name == "a"]
    made.fleet.refused(a, TEXT, retry_after=20.0)
    assert made.names() == {"b"}
    assert made.names(IMAGE) == {"a", "b"}
    await made.clock.advance(21)
    assert made.names() == {"a", "b"}


async def test_an_unreachable_node_is_left_alone_longer_every_time() -> None:
    made = await state(node("a"), node("b"))
    (a,) = [one for one in made.fleet.nodes if one.name == "a"]
    for wait in (2, 4, 8):
        made.fleet.unreachable(a)
        await made.clock.advance(wait - 0.5)
        assert made.names() == {"b"}
        await made.clock.advance(1)
        assert made.names() == {"a", "b"}
    made.registry.rows = [node("a")]
    await made.fleet.refresh()
    made.fleet.unreachable(a)
    assert made.names() == set()
    assert made.fleet.pick(TEXT) is a, "the only one is tried all the same"
    made.registry.rows = [node("a"), node("b")]
    await made.fleet.refresh()
    made.fleet.reached(a)
    made.fleet.unreachable(a)
    await made.clock.advance(2.5)
    assert made.names() == {"a", "b"}


async def test_while_the_registry_is_away_nodes_are_believed_and_may_beat_before_they_are_dead() -> None:
    made = await state(node("a"))
    made.registry.away = StorageDown("gone")
    await made.fleet.refresh()
    await made.clock.advance(100)
    await made.fleet.refresh()
    assert "away" in made.fleet.degraded
    assert made.names() == {"a"}
    made.registry.away = None
    made.registry.rows = [node("a", age=100)]
    await made.fleet.refresh()
    assert made.fleet.degraded == ""
    assert made.names() == {"a"}, "it could not beat either"
    await made.clock.advance(16)
    await made.fleet.refresh()
    assert made.names() == set()


async def test_own_calls_count_before_the_row_tells_of_them() -> None:
    made = await state(node("a", lanes=1), node("b", lanes=1))
    first = made.fleet.pick(TEXT)
    with made.fleet.carrying(first):
        others = {made.fleet.pick(TEXT).name for _ in range(5)}
        assert others == {"b" if first.name == "a" else "a"}


async def test_a_node_that_is_named_is_the_only_one() -> None:
    made = await state(node("a"), node("b", "ERROR"))
    assert made.fleet.pick(NodeRequirements(only="b")).name == "b"
    with pytest.raises(NotFound, match="no node c"):
        made.fleet.node("c")


def account(clock: FakeClock, upstream: ScriptedUpstream) -> Account:
    return Account(
        "ann", upstream, None, lanes=2, pacer=Pacer(0), rules=Rules(), address=Egress("direct"), clock=clock,
        random=lambda: 0.0, observer=Facts(),
    )  # fmt: skip


async def test_a_node_is_init_before_it_has_cookies_and_healthy_after() -> None:
    clock = FakeClock()
    pool = AccountPool(clock=clock, random=lambda: 0.0)
    assert report_of(pool, clock.now()).status == "INIT"
    one = account(clock, ScriptedUpstream())
    pool.add(one)
    assert report_of(pool, clock.now()).status == "INIT"
    await one.sign_in()
    report = report_of(pool, clock.now())
    assert (report.status, report.lanes) == ("HEALTHY", 2)
    one.busy = 2
    assert report_of(pool, clock.now()).status == "BUSY"


async def test_a_spent_account_shows_as_a_limit_with_its_thaw() -> None:
    clock = FakeClock()
    pool = AccountPool(clock=clock, random=lambda: 0.0)
    one = account(clock, ScriptedUpstream())
    pool.add(one)
    await one.sign_in()
    for capability in ("text", "pro", "image"):
        one.call_started(capability)  # type: ignore[arg-type]
        one.call_ended([capability], Spent("used up", resets_at=clock.now() + 600))  # type: ignore[list-item]
    report = report_of(pool, clock.now())
    assert report.status == "429_LIMIT"
    assert report.cooling["text"] == pytest.approx(600, rel=0.2)


async def test_text_at_its_limit_is_the_nodes_word_and_our_gateway_looks_at_what_is_left() -> None:
    clock = FakeClock()
    pool = AccountPool(clock=clock, random=lambda: 0.0)
    one = account(clock, ScriptedUpstream())
    pool.add(one)
    await one.sign_in()
    one.call_started("text")
    one.call_ended(["text"], Spent("used up", resets_at=clock.now() + 600))
    report = report_of(pool, clock.now())
    assert (report.status, report.lanes, list(report.cooling)) == ("429_LIMIT", 2, ["text"])
    assert "used up" in report.why
    row = node("a")
    made = await state(replace(row, report=report))
    assert made.names(TEXT) == set()
    assert made.names(IMAGE) == {"a"}, "pictures are left, and our gateway sees it"
    with pytest.raises(NoAccount) as caught:
        made.fleet.pick(TEXT)
    assert caught.value.quota
    assert caught.value.retry_after == pytest.approx(600, rel=0.3)
    other = Account(
        "ben", ScriptedUpstream(), None, lanes=2, pacer=Pacer(0), rules=Rules(), address=Egress("direct"), clock=clock,
        random=lambda: 0.0, observer=Facts(),
    )  # fmt: skip
    pool.add(other)
    await other.sign_in()
    assert report_of(pool, clock.now()).status == "HEALTHY", "another account has text"


async def announced(registry: Registry) -> tuple[Heartbeat, AccountPool, FakeClock, asyncio.Task[None]]:
    clock = FakeClock()
    pool = AccountPool(clock=clock, random=lambda: 0.0)
    announcer = Heartbeat(
        registry.connect, NodeCard("http://a:1", "a"), pool, clock=clock, observer=Facts()  # type: ignore[arg-type]
    )  # fmt: skip
    running = asyncio.create_task(announcer.run())
    await settle()
    return announcer, pool, clock, running


async def test_a_node_beats_and_tells_of_every_change_at_once() -> None:
    registry = Registry()
    announcer, pool, clock, running = await announced(registry)
    assert registry.told == [("announce", "INIT")]
    for _ in range(24):
        await clock.advance(0.25)
    assert registry.told == [("announce", "INIT"), ("beat", "INIT")]
    one = account(clock, ScriptedUpstream())
    pool.add(one)
    await one.sign_in()
    await clock.advance(0.3)
    assert registry.told[-1] == ("beat", "HEALTHY"), "sooner than the next beat"
    registry.knows = False
    for _ in range(30):
        await clock.advance(0.25)
    assert registry.told[-1][0] in ("announce", "beat")
    assert ("announce", "HEALTHY") in registry.told, "its row was lost: it announces itself again"
    await announcer.leave()
    assert registry.told[-1] == ("leave", "http://a:1")
    running.cancel()


async def test_a_registry_that_is_away_is_tried_again_and_the_node_announces_itself_anew() -> None:
    registry = Registry()
    registry.away = StorageDown("gone")
    announcer, _, clock, running = await announced(registry)
    assert announcer.away == "gone"
    registry.away = None
    for _ in range(int(BEAT * 2)):
        await clock.advance(0.5)
    assert registry.told[0] == ("announce", "INIT")
    assert announcer.away == ""
    registry.away = StorageDown("gone again")
    for _ in range(30):
        await clock.advance(0.5)
    assert announcer.away == "gone again"
    registry.away, registry.told = None, []
    for _ in range(20):
        await clock.advance(0.5)
    assert registry.told[0] == ("announce", "INIT")
    running.cancel()


async def test_leaving_does_not_wait_for_a_registry_that_is_away() -> None:
    registry = Registry()
    announcer, _, _, running = await announced(registry)
    registry.away = StorageDown("gone")
    await announcer.leave()
    running.cancel()


async def test_what_was_seen_is_remembered_by_the_tenant_that_said_it() -> None:
    affinity = Affinity(lambda: None, size=3)
    affinity.remember("me", ["c1"], "w1", tip="tip2")
    assert await affinity.worker(AffinityKeys("me", ids=("c1",))) == "w1"
    assert await affinity.worker(AffinityKeys("me", tips=("tip1", "tip2", "tip3"))) == "w1"
    assert await affinity.worker(AffinityKeys("me", tips=("tip1", "tip2"))) == "", (
        "the same words once more continue nothing"
    )
    assert await affinity.worker(AffinityKeys("you", ids=("c1",))) == ""
    affinity.remember("me", ["a", "b", "c"], "w2")
    assert await affinity.worker(AffinityKeys("me", ids=("c1",))) == "", "the oldest are forgotten"


async def test_chats_that_begin_alike_are_told_apart_by_the_shared_store() -> None:
    registry = Registry()
    registry.holders = {"me": "w2"}
    affinity = Affinity(lambda: registry)  # type: ignore[arg-type, return-value]
    affinity.remember("me", [], "w1", tip="hello")
    second_turn = AffinityKeys("me", tips=("hello", "hello+answer", "hello+answer+more"))
    assert await affinity.worker(second_turn) == "w1"
    affinity.remember("me", [], "w2", tip="hello")
    affinity.remember("me", [], "w1", tip="hello")
    assert await affinity.worker(second_turn) == "w2"


async def test_what_was_not_seen_is_asked_of_the_shared_store_and_of_nobody_for_a_first_message() -> None:
    registry = Registry()
    registry.holders = {"c1": "w3", "ann": "w2", "me": "w4"}
    affinity = Affinity(lambda: registry)  # type: ignore[arg-type, return-value]
    assert await affinity.worker(AffinityKeys("me", conversation="c1", ids=("c1",))) == "w3"
    assert await affinity.worker(AffinityKeys("me", account="ann")) == "w2"
    assert await affinity.worker(AffinityKeys("me", tips=("t1", "t2"))) == "w4"
    assert await affinity.worker(AffinityKeys("me", tips=("t1",))) == ""
    registry.away = StorageDown("gone")
    assert await affinity.worker(AffinityKeys("me", conversation="c1")) == ""
    affinity.remember("me", ["file-1"], "w9")
    assert await affinity.worker(AffinityKeys("me", tips=("t1", "t2"), files=("file-1",))) == "w9"


@pytest.mark.parametrize("report", ["[1]", "7", '"x"', "{", '{"offers": 3}', '{"offers": [[1]]}', '{"cooling": []}'])
def test_a_row_that_cannot_be_read_tells_nothing_and_stops_nobody(report: str) -> None:
    row: Any = SimpleNamespace(
        node_url="http://n", worker_id="n", weight=1.0, proof="", report=report, status="HEALTHY", current_tasks=0,
        dispatched_tasks=0, age=0.0, draining=False, since=0.0,
    )  # fmt: skip
    assert _node(row).report.offers == ()
