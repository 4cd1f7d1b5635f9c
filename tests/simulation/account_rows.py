"""Accounts and conversations in memory, under the contracts of those on a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemgate.accounts import Capability, Cookies, Known, MeasuredWalls, State
from gemgate.errors import GatewayError, NotFound
from gemgate.policy.session_end import INFERRED, SHOWN
from gemgate.ports.accounts import AccountSetup, AuditLine, SessionRecord, StoredAccount, StoredCircuit
from gemgate.ports.conversations import Conversation
from gemgate.testing import MemoryConversations


@dataclass(slots=True)
class _Life:
    session: str
    life: SessionRecord = field(default_factory=lambda: SessionRecord("", 0.0, 0.0))


class MemoryAccounts:
    """`now`: the database's clock, which judges leases."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.rows: dict[str, StoredAccount] = {}
        self._lives: list[_Life] = []
        self._audit: list[AuditLine] = []
        self._addresses: dict[tuple[str, str], StoredCircuit] = {}
        self._first_used: dict[tuple[str, str], float] = {}

    def lives_on(self, name: str) -> bool:
        """Whether a node holds the account at this moment."""
        row = self.rows.get(name)
        return row is not None and row.owner != "" and row.lease_until > self._now()

    def _row(self, name: str) -> StoredAccount:
        if name not in self.rows:
            raise NotFound(f"There is no account {name}")
        return self.rows[name]

    def _change(self, name: str, **values: Any) -> None:
        self.rows[name] = replace(self._row(name), **values)

    async def all(self) -> tuple[StoredAccount, ...]:
        return tuple(self.rows[name] for name in sorted(self.rows))

    async def get(self, name: str) -> StoredAccount:
        return self._row(name)

    async def set_up(self, setup: AccountSetup) -> bool:
        new = setup.name not in self.rows
        self.rows[setup.name] = StoredAccount(setup) if new else replace(self.rows[setup.name], setup=setup)
        return new

    async def remove(self, name: str) -> None:
        self._row(name)
        del self.rows[name]
        for one in self._lives:
            if one.life.account == name and one.life.ended_at is None:
                one.life = replace(one.life, ended_at=self._now())

    async def pause(self, name: str, paused: bool) -> None:
        self._change(name, paused=paused)

    async def keep_walls(self, name: str, walls: MeasuredWalls) -> None:
        self._change(name, walls=walls)

    async def keep_cookies(
        self,
        name: str,
        cookies: Cookies,
        *,
        generation: int,
        taken: str | None = None,
        identity: str | None = None,
        at: float,
        arm: str = "",
    ) -> int | None:
        row = self._row(name)
        if row.version != generation:
            return None
        self._change(
            name,
            cookies=cookies,
            version=generation + 1,
            source_digest=row.source_digest if taken is None else taken,
            identity=row.identity if identity is None else identity,
        )
        self._renewed(name, cookies, at, arm)
        return generation + 1

    def _renewed(self, name: str, cookies: Cookies, at: float, arm: str) -> None:
        known: _Life | None = None
        for one in self._lives:
            if one.life.account == name and one.session == cookies.identity:
                known = one
            elif one.life.account == name and one.life.ended_at is None:
                one.life = replace(one.life, ended_at=at)
        if known is None:
            self._lives.append(_Life(cookies.identity, SessionRecord(name, at, at, arm=arm)))
        else:
            known.life = replace(known.life, renewed_at=at, ended_at=None, died=False, ended_by="", arm=arm)

    async def keep_state(
        self,
        name: str,
        state: State,
        error: GatewayError | None,
        circuits: Mapping[Capability, StoredCircuit],
        *,
        owner: str,
        at: float,
        known: Known | None = None,
        ended_by: str = "",
    ) -> bool:
        row = self._row(name)
        if row.owner not in ("", owner) and row.lease_until > self._now():
            return False
        en, zh = (error.en, error.zh) if error else ("", "")
        kept = {} if known is None else {"known": known}
        self._change(name, state=state, error_en=en, error_zh=zh, circuits=dict(circuits), **kept)
        if state == "needs_login":
            for one in self._lives:
                if one.life.account == name and one.life.ended_at is None:
                    one.life = replace(one.life, ended_at=at, died=True, ended_by=ended_by)
                shown = one.session == row.identity and one.life.account == name and ended_by in SHOWN
                if shown and one.life.died and one.life.ended_by in INFERRED:
                    one.life = replace(one.life, ended_by=ended_by)
        return True

    async def claim(self, name: str, owner: str, seconds: float) -> bool:
        row = self._row(name)
        if row.owner not in ("", owner) and row.lease_until > self._now():
            return False
        self._change(name, owner=owner, lease_until=self._now() + seconds)
        return True

    async def renew(self, owner: str, seconds: float) -> frozenset[str]:
        held = frozenset(name for name, row in self.rows.items() if row.owner == owner)
        for name in held:
            self._change(name, lease_until=self._now() + seconds)
        return held

    async def release(self, owner: str, name: str | None = None) -> None:
        for mine in [one for one, row in self.rows.items() if row.owner == owner and name in (None, one)]:
            self._change(mine, owner="", lease_until=0.0)

    async def keep_address(self, node: str, address: str, circuit: StoredCircuit) -> None:
        self._addresses.pop((node, address), None)
        if circuit.until or circuit.failures:
            self._addresses[node, address] = circuit

    async def addresses(self, node: str) -> dict[str, StoredCircuit]:
        return {address: circuit for (of, address), circuit in self._addresses.items() if of == node}

    async def keep_way(self, name: str, way: str) -> None:
        self._change(name, way=way)

    async def first_used(self, node: str, address: str, at: float, *, anew: bool = False) -> float:
        if anew:
            self._first_used[node, address] = at
        return self._first_used.setdefault((node, address), at)

    async def lives(self, name: str | None = None, *, limit: int = 200) -> tuple[SessionRecord, ...]:
        found = [one.life for one in reversed(self._lives) if name in (None, one.life.account)]
        return tuple(sorted(found, key=lambda life: -life.began_at)[:limit])

    async def audit(self, line: AuditLine) -> None:
        self._audit.append(line)

    async def audit_lines(
        self, name: str | None = None, *, actor: str | None = None, limit: int = 100
    ) -> tuple[AuditLine, ...]:
        found = [x for x in reversed(self._audit) if name in (None, x.account) and actor in (None, x.actor)]
        return tuple(sorted(found, key=lambda line: -line.at)[:limit])

    async def forget_audit(self, before: float) -> None:
        self._audit = [line for line in self._audit if line.at >= before]

    async def rewrap(self) -> int:
        return 0


class LeasedConversations(MemoryConversations):
    """As the database's: what somebody continues right now is not found. `now`: the database's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
        free = [row for row in self.rows.values() if self.leases.get(row.id, ("", 0.0))[1] <= self._now()]
        own = [row for row in free if row.tenant == tenant and row.tip in tips and row.tip]
        return max(own, key=lambda row: row.length, default=None)

    async def written(self) -> None:
        return None
