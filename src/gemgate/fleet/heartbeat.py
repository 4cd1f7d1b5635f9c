"""A node tells how it is: a beat every 5 s and at every change, OFFLINE before it goes.

While the registry is away the node goes on serving, tries again, and announces itself anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from gemgate.accounts import CAPABILITIES, Capability
from gemgate.errors import GatewayError
from gemgate.fleet.registry import BEAT, Connect, answers_probe
from gemgate.nodes import NodeCard, NodeReport, NodeStatus
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.ports.nodes import NodeRegistry
from gemgate.ports.runtime import Clock, Observer, TelemetryEvent
from gemgate.ports.wakeup import Wakeup

TICK = 0.25
"""Seconds after which a node looks at its load again; what accounts tell of themselves is told at once."""

_CHANGES = ("account.state", "account.circuit", "address.circuit", "account.audit")


def status_of(accounts: Sequence[Account]) -> NodeStatus:
    """A node's one word from those of its accounts (docs/decisions.md 14).

    Gateways other than ours read nothing but the word: without text by quota it is `429_LIMIT`, whatever else is left.
    """
    statuses = [account.status() for account in accounts]
    texts = [account.status("text") for account in accounts]
    usable = [s.state for s, account in zip(texts, accounts, strict=True) if s.usable and account.is_open]
    if not usable and any(status.quota for status in texts):
        return "429_LIMIT"
    usable = usable or [s.state for s, account in zip(statuses, accounts, strict=True) if s.usable and account.is_open]
    if usable:
        return "BUSY" if all(state == "busy" for state in usable) else "HEALTHY"
    waiting = [s.state == "starting" or not _had_cookies(m) for s, m in zip(statuses, accounts, strict=True)]
    return "INIT" if all(waiting) or "starting" in [s.state for s in statuses] else "ERROR"


def _had_cookies(account: Account) -> bool:
    """Whether there is anything to sign in with: a node registers before a person has logged in."""
    if account.cookies is not None or account.not_taken is not None:
        return True
    return not (account.source is None or account.source.missing.en)


def report_of(pool: AccountPool, now: float, *, dispatched: int = 0, version: str = "") -> NodeReport:
    """How a node is at this moment. `now` in epoch seconds, as its circuits count."""
    accounts = pool.accounts
    status = status_of(accounts)
    able = [account for account in accounts if account.is_open and account.status().usable]
    return NodeReport(
        status,
        current=sum(account.busy for account in accounts) + pool.waiting,
        lanes=sum(account.lanes for account in able),
        dispatched=dispatched,
        offers=pool.models(),
        cooling=_cooling(accounts, now),
        why="" if status in ("HEALTHY", "BUSY") else pool.no_account_error(*_said_of(status)).en,
        version=version,
    )


def _said_of(status: NodeStatus) -> tuple[Capability, ...]:
    """What the reason for a word is told of."""
    return ("text",) if status == "429_LIMIT" else ()


def _cooling(accounts: Sequence[Account], now: float) -> dict[Capability, float]:
    """Capabilities that open accounts would have but for a cool-down: seconds until the first of them thaws."""
    cooling: dict[Capability, float] = {}
    for capability in CAPABILITIES:
        statuses = [account.status(capability) for account in accounts if account.is_open]
        if statuses and not any(status.usable for status in statuses):
            thaws = [status.until - now for status in statuses if status.until]
            cooling[capability] = round(max(0.0, min(thaws, default=0.0)), 1)
    return cooling


class Heartbeat:
    """Tells the registry of this node. It observes facts, so that a change is written the moment it happens."""

    def __init__(
        self,
        connect: Connect,
        card: NodeCard,
        pool: AccountPool,
        *,
        clock: Clock,
        observer: Observer,
        version: str = "",
    ) -> None:
        self.card = card
        self.away = "not announced yet"
        """Empty, or why the registry does not know of us at the moment."""
        self._connect = connect
        self._registry: NodeRegistry | None = None
        self._pool = pool
        self._clock = clock
        self._observer = observer
        self._version = version
        self._changed = Wakeup(clock)
        self._sent = 0
        self.listeners = {"attempt.sent": self._prompt_sent, **dict.fromkeys(_CHANGES, self._word_changed)}
        self._announced: tuple[object, ...] = ()
        self._left = False
        self._writing = asyncio.Lock()

    def _prompt_sent(self, _: TelemetryEvent) -> None:
        self._sent += 1

    def _word_changed(self, _: TelemetryEvent) -> None:
        self._changed.wake()

    def report(self) -> NodeReport:
        return report_of(self._pool, self._clock.now(), dispatched=self._sent, version=self._version)

    async def run(self) -> None:
        """Announce and beat for ever; while the registry is away, try again sooner at first and then every beat."""
        pause = 0.5
        while not self._left:
            try:
                await self._tell(announce=True)
                pause = 0.5
                while not self._left:
                    await self._next()
                    if not await self._tell():
                        break
            except GatewayError as error:
                if not self.away:
                    self._observer.emit(
                        TelemetryEvent("node.unheard", data={"node": self.card.worker_id, "why": error.en})
                    )
                self.away = error.en
                await self._clock.sleep(pause)
                pause = min(BEAT, pause * 2)

    async def _tell(self, *, announce: bool = False) -> bool:
        async with self._writing:
            if self._left:
                return True
            self._changed.clear()
            report = self.report()
            known = True
            async with answers_probe():
                if self._registry is None:
                    self._registry = await self._connect()
                if announce:
                    await self._registry.announce(self.card, report)
                else:
                    known = await self._registry.beat(self.card, report)
            if known:
                self._sent -= report.dispatched
                self._announced = _word(report)
                if self.away:
                    self._observer.emit(TelemetryEvent("node.announced", data={"node": self.card.worker_id}))
                self.away = ""
            return known

    async def _next(self) -> None:
        """Wait until a beat is due or there is something new to say."""
        due = self._clock.monotonic() + BEAT
        while self._clock.monotonic() < due and not self._left:
            await self._changed.wait(TICK)
            self._changed.clear()
            if _word(self.report()) != self._announced:
                return

    async def leave(self) -> None:
        """OFFLINE, before the node takes no more calls; what runs may end. Gives up after a while."""
        self._left = True
        self._changed.wake()
        with suppress(GatewayError):
            async with answers_probe(), self._writing:
                if self._registry is not None:
                    await self._registry.leave(self.card.url)


def _word(report: NodeReport) -> tuple[object, ...]:
    """What readers act on: a beat for every other call would tell them nothing."""
    return (report.status, report.lanes, tuple(report.cooling), tuple(offer.id for offer in report.offers))
