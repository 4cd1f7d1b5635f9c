"""The gateway's view of the nodes: read every second into memory, with its own counts of what it has under way.

Who takes a call is `policy.node_choice`'s word; here is who may, and why nobody can.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gemgate.accounts import AccountModel, Capability
from gemgate.catalog import ModelCard
from gemgate.errors import GatewayError, NoAccount, NotFound
from gemgate.fleet.registry import DEAD_AFTER, Connect, answers_probe, node_signature
from gemgate.frozen import frozen
from gemgate.nodes import Node, NodeReport
from gemgate.policy import node_choice
from gemgate.ports.nodes import NodeRegistry
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent

READ_INTERVAL = 1.0
AVOID = 60.0
"""Seconds at most that a node which cannot be reached, or has cooled down, is not tried again."""


@frozen
class NodeRequirements:
    """What a call needs of a node. card: None when it generates nothing, then any node that lives will do.

    prefer: the worker that holds its conversation or its files. only: the one that was asked for by name.
    """

    card: ModelCard | None = None
    prefer: str = ""
    only: str = ""


@dataclass(slots=True)
class NodeView:
    """A node and what this gateway knows of it beside its row. Moments are monotonic seconds."""

    node: Node
    alive: bool = True
    proven: bool = True
    inflight: int = 0
    peaks: deque[int] = field(default_factory=lambda: deque([0], maxlen=7))
    passed: float = 0.0
    failures: int = 0
    avoid_until: float = 0.0
    cool_until: dict[Capability, float] = field(default_factory=dict)
    taken: int = 0
    notices: bool = False
    """It tells when a prompt goes out, and its word gets through to us."""

    def heard(self) -> None:
        """A notice has come."""
        self.notices = True

    @property
    def name(self) -> str:
        return self.node.card.worker_id

    @property
    def load(self) -> int:
        """Our calls, and what the node reports beyond the most that we had there lately: others' calls."""
        others = self.node.report.current - max(*self.peaks, self.inflight)
        return self.inflight + max(0, others)

    @property
    def serves(self) -> bool:
        """Whether it can be asked anything at all."""
        return self.alive and self.proven and self.node.report.status != "OFFLINE"


class Fleet:
    """The gateway's view of the nodes. `degraded`: empty, or why it may be out of date."""

    def __init__(self, connect: Connect, *, token: str, clock: Clock, observer: Observer) -> None:
        self.registry: NodeRegistry | None = None
        self.degraded = "the registry has not been read yet"
        self._connect = connect
        self._token = token
        self._clock = clock
        self._observer = observer
        self._tracked: dict[str, NodeView] = {}
        self._models: tuple[AccountModel, ...] | None = None
        self._front = 0.0
        self._away_since: float | None = None
        self._spared_until = 0.0

    @property
    def nodes(self) -> tuple[NodeView, ...]:
        return tuple(self._tracked.values())

    async def watch(self) -> None:
        """Read the registry every second for ever."""
        while True:
            await self.refresh()
            await self._clock.sleep(READ_INTERVAL)

    async def refresh(self) -> None:
        """Read it now. While it is away the nodes are believed to be as they were."""
        try:
            async with answers_probe():
                if self.registry is None:
                    self.registry = await self._connect()
                rows = await self.registry.nodes()
        except GatewayError as error:
            if self._away_since is None:
                self._away_since = self._clock.monotonic()
            self.degraded = f"the registry is away: {error.en}"
            return
        now = self._clock.monotonic()
        if self._away_since is not None:
            # The nodes could not beat either: let them do so before they are called dead.
            self._spared_until, self._away_since = now + DEAD_AFTER, None
        self.degraded = ""
        self._take(rows, now)

    def _take(self, rows: Sequence[Node], now: float) -> None:
        known = self._tracked
        self._tracked, self._models = {}, None
        for node in rows:
            one = known.get(node.card.url) or NodeView(node, alive=False)
            was_alive, one.node = one.alive, node
            one.alive = node.age < DEAD_AFTER or (was_alive and now < self._spared_until)
            one.proven = hmac.compare_digest(node.card.proof, node_signature(self._token, node.card.url))
            one.peaks.append(one.inflight)
            if one.alive != was_alive:
                self._observer.emit(TelemetryEvent("node.alive", data={"node": one.name, "alive": one.alive}))
            self._tracked[node.card.url] = one

    def pick(self, wanted: NodeRequirements, tried: Sequence[str] = ()) -> NodeView:
        """The node for a call, of those whose URL is not in `tried`. NoAccount says why there is none."""
        able = [one for one in self.able(wanted) if one.node.card.url not in tried]
        chosen = node_choice.choose([_candidate(one) for one in able], wanted.prefer)
        if chosen is None:
            # Nobody else is there: then rather try one that could not be reached a moment ago.
            able = [one for one in self.able(wanted, avoided=True) if one.node.card.url not in tried]
            chosen = node_choice.choose([_candidate(one) for one in able], wanted.prefer)
        if chosen is None and wanted.card is not None:
            # A node that is signing in will serve in a moment: waiting there beats an error.
            soon = [one for one in self.nodes if one.node.card.url not in tried and self._opening(one)]
            able, chosen = soon, node_choice.choose([_candidate(one) for one in soon], wanted.prefer)
        if chosen is None:
            raise self.no_node_error(wanted)
        one = next(one for one in able if one.name == chosen.name)
        if wanted.card is not None:
            front = min((other.passed for other in able), default=0.0)
            self._front = max(self._front, front)
            one.passed = node_choice.advance(one.passed, one.node.weight, self._front)
        return one

    def able(self, wanted: NodeRequirements, *, avoided: bool = False) -> list[NodeView]:
        """The nodes that could take such a call now. avoided: also those that could not be reached lately."""
        return [one for one in self.nodes if self._takes(one, wanted, avoided=avoided)]

    def node(self, name: str) -> NodeView:
        """A node by its name; NotFound."""
        found = [one for one in self.nodes if one.name == name]
        if not found:
            raise unknown_node(name)
        return max(found, key=lambda one: one.serves)

    def _takes(self, one: NodeView, wanted: NodeRequirements, *, avoided: bool) -> bool:
        now = self._clock.monotonic()
        if wanted.only:
            return one.serves and one.name == wanted.only
        if not one.serves or (one.avoid_until > now and not avoided):
            return False
        if wanted.card is None:
            return not one.node.draining or one.name == wanted.prefer
        report = one.node.report
        return (
            _has_accounts(report)
            and not one.node.draining
            and self._cools(one, wanted.card.capability, now) <= 0
            and (not report.offers or wanted.card.offer(report.offers) is not None)
        )

    def _cools(self, one: NodeView, capability: Capability, now: float) -> float:
        """Seconds until the node has this capability again, 0 = it has."""
        until = one.node.report.cooling.get(capability)
        left = max(until - one.node.age, 1.0) if until is not None else 0.0
        return max(left, one.cool_until.get(capability, 0.0) - now, 0.0)

    def _opening(self, one: NodeView) -> bool:
        now = self._clock.monotonic()
        ready = one.serves and not one.node.draining and one.avoid_until <= now
        return ready and one.node.report.status == "INIT"

    @contextmanager
    def carrying(self, one: NodeView) -> Iterator[None]:
        """A call is under way on this node."""
        one.inflight += 1
        one.taken += 1
        one.peaks[-1] = max(one.peaks[-1], one.inflight)
        try:
            yield
        finally:
            one.inflight -= 1

    def reached(self, one: NodeView) -> None:
        one.failures, one.avoid_until = 0, 0.0

    def unreachable(self, one: NodeView) -> None:
        """Nobody answered there: leave it alone for a while, longer every time."""
        one.failures += 1
        one.avoid_until = self._clock.monotonic() + min(AVOID, 2.0 ** min(one.failures, 6))

    def refused(self, one: NodeView, wanted: NodeRequirements, retry_after: float) -> None:
        """It could not take a call of this kind; until its row says so itself, others get those calls."""
        if wanted.card is not None:
            until = self._clock.monotonic() + min(AVOID, max(retry_after, 1.0))
            one.cool_until[wanted.card.capability] = until

    def models(self) -> tuple[AccountModel, ...]:
        """Every model that a node has which can be asked."""
        if self._models is None:
            serving = [one.node.report.offers for one in self.nodes if one.serves]
            self._models = tuple({offer.id: offer for offers in serving for offer in offers}.values())
        return self._models

    def words(self) -> Mapping[str, str]:
        """Every node's one word, as pages and errors show it; of two rows with one name that which serves."""
        return {one.name: _shown(one) for one in sorted(self.nodes, key=lambda one: one.serves)}

    def no_node_error(self, wanted: NodeRequirements) -> NoAccount:
        """Why no node can take the call, node by node; how long until one can."""
        if not self._tracked:
            why = self.degraded or "no node has registered"
            return NoAccount(
                f"No node is known: {why}. Start one with `gemgate worker`",
                f"没有可用节点：{why}。请使用 `gemgate worker` 启动节点",
                retry_after=5.0,
                code="no_node",
            )
        now = self._clock.monotonic()
        waits: list[float] = []
        if wanted.card is not None:
            capability = wanted.card.capability
            cooled = [self._cools(one, capability, now) for one in self.nodes if one.serves]
            waits = [seconds for seconds in cooled if seconds > 0]
        states = "; ".join(f"{name}: {word}" for name, word in self.words().items())
        return NoAccount(
            f"No node can take this call. {states}",
            f"没有节点可以处理此请求。{states}",
            quota=bool(waits),
            retry_after=min(waits) if waits else 5.0,
            code="rate_limit_exceeded" if waits else "no_node",
        )


def unknown_node(name: str) -> NotFound:
    return NotFound(f"There is no node {name[:60]}", f"没有名为 {name[:60]} 的节点", code="node_not_found")


def _has_accounts(report: NodeReport) -> bool:
    """Whether an account of it takes calls of some kind; of which kinds is told by what cools.

    `429_LIMIT` is the word for text: with lanes left, the node still does what does not rest.
    """
    return report.status in ("HEALTHY", "BUSY") or (report.status == "429_LIMIT" and report.lanes > 0)


def _candidate(one: NodeView) -> node_choice.Candidate:
    return node_choice.Candidate(one.name, one.node.weight, one.load, one.node.report.lanes, one.passed)


def _shown(one: NodeView) -> str:
    report = one.node.report
    if not one.alive:
        return f"dead (no beat for {one.node.age:.0f} s)"
    if not one.proven:
        return "not trusted (its INTERNAL_TOKEN is not the gateway's)"
    word = "draining" if one.node.draining and report.status != "OFFLINE" else report.status
    return f"{word} ({report.why})" if report.why else word
