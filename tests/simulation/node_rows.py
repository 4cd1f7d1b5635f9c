"""The registry of nodes in memory, under the contract of the one in PostgreSQL (see `test_store_doubles.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gemgate.errors import Conflict, NotFound
from gemgate.fleet.registry import DEAD_AFTER
from gemgate.work import Node, NodeCard, NodeReport


class MemoryNodes:
    """`now`: the database's clock. accounts, conversations: where it is read who holds what."""

    def __init__(self, now: Callable[[], float], accounts: Any = None, conversations: Any = None) -> None:
        self._now = now
        self._accounts = accounts
        self._conversations = conversations
        self._rows: dict[str, Node] = {}
        self._beats: dict[str, float] = {}
        self._own: dict[str, float] = {}

    async def announce(self, card: NodeCard, report: NodeReport) -> None:
        for url, twin in list(self._rows.items()):
            if twin.card.worker_id == card.worker_id and url != card.url:
                if twin.report.status != "OFFLINE" and self._now() - self._beats[url] < DEAD_AFTER:
                    raise Conflict(f"Another node goes by the name {card.worker_id}", code="worker_id_taken")
                moved = self._rows.pop(url)
                if card.url not in self._rows:
                    self._rows[card.url] = replace(moved, card=card)
                    self._own[card.url] = self._own.pop(url)
        old = self._rows.get(card.url)
        sent = (old.report.dispatched if old else 0) + report.dispatched
        weight = card.weight if old is None or self._own[card.url] != card.weight else old.weight
        made, draining = (old.created_at, old.draining) if old else (self._now(), False)
        self._rows[card.url] = Node(card, replace(report, dispatched=sent), 0.0, weight, draining, made)
        self._own[card.url] = card.weight
        self._beats[card.url] = self._now()

    async def beat(self, card: NodeCard, report: NodeReport) -> bool:
        old = self._rows.get(card.url)
        if old is None or (old.card.worker_id, old.card.proof) != (card.worker_id, card.proof):
            return False
        sent = old.report.dispatched + report.dispatched
        self._rows[card.url] = replace(old, report=replace(report, dispatched=sent))
        self._beats[card.url] = self._now()
        return True

    async def leave(self, url: str) -> None:
        if (old := self._rows.get(url)) is not None:
            self._rows[url] = replace(old, report=replace(old.report, status="OFFLINE"))
            self._beats[url] = self._now()

    async def nodes(self) -> tuple[Node, ...]:
        rows = [replace(one, age=self._now() - self._beats[url]) for url, one in self._rows.items()]
        return tuple(sorted(rows, key=lambda one: (one.card.worker_id, one.card.url)))

    def _url(self, worker_id: str) -> str:
        for url, one in self._rows.items():
            if one.card.worker_id == worker_id:
                return url
        raise NotFound(f"There is no node {worker_id}", code="node_not_found")

    async def weigh(self, worker_id: str, weight: float) -> None:
        url = self._url(worker_id)
        self._rows[url] = replace(self._rows[url], weight=weight)

    async def drain(self, worker_id: str, draining: bool) -> None:
        url = self._url(worker_id)
        self._rows[url] = replace(self._rows[url], draining=draining)

    async def forget(self, worker_id: str) -> None:
        del self._rows[self._url(worker_id)]

    async def holder(self, tenant: str, conversation_id: str, tips: Sequence[str]) -> str:
        rows = self._conversations.rows.values() if self._conversations is not None else ()
        own = [row for row in rows if row.tenant == tenant and (row.id == conversation_id or row.tip in tips)]
        best = max(own, key=lambda row: row.length, default=None)
        return await self.runs(best.account) if best is not None else ""

    async def runs(self, account: str) -> str:
        row = self._accounts.rows.get(account) if self._accounts is not None else None
        return row.owner if row is not None and row.lease_until > self._now() else ""
