"""The ways out of this node: their pace, their blocks and how warm they are, and which of its own an account goes.

An account keeps to its way out until that one is blocked or cannot be reached; what was chosen outlasts a restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from gemgate.errors import Unreachable
from gemgate.policy.circuit_breaker import Circuit
from gemgate.policy.token_bucket import Bucket
from gemgate.policy.warming import burst_at, way_to_go
from gemgate.pool.account import Account
from gemgate.pool.record import from_stored
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup, AccountStore, StoredCircuit
from gemgate.ports.runtime import Clock

DIRECT = "direct"
API = " (API)"
"""How the name of a way out ends that leads to the official API: what blocks the web app does not block that."""
FIRST_BURST = 10
"""Calls at once of a new way out: a minute's worth of what is borne for hours."""


class WaysOut:
    """`pace`: makes the pace of one way out; `general`: the proxy of accounts that name none."""

    def __init__(
        self, store: AccountStore, *, owner: str, pace: Callable[[], Bucket], general: str | None, clock: Clock
    ) -> None:
        self._store = store
        self._owner = owner
        self._pace = pace
        self._general = general
        self._clock = clock
        self._ways: dict[str, Egress] = {}
        self._stored: dict[str, StoredCircuit] = {}

    async def load(self) -> None:
        """Know the blocks that were stored. StorageDown."""
        self._stored = dict(await self._store.addresses(self._owner))

    async def chosen(self, setup: AccountSetup, last: str) -> tuple[AccountSetup, Egress]:
        """The account set up with the one way out that it goes. last: the one it went last. StorageDown."""
        proxies = setup.ways or (None,)
        names = [self._name(setup, proxy) for proxy in proxies]
        for name in names:
            await self._meet(name)
        now = self._clock.now()
        name = way_to_go(names, [self._ways[one].circuit.admits(now) for one in names], last)
        return replace(setup, proxy=proxies[names.index(name)]), self._ways[name]

    def leads_elsewhere(self, setup: AccountSetup, account: Account) -> str:
        """Another way out for an account whose own is of no use now; "" where there is none, or no need."""
        names = [self._name(setup, proxy) for proxy in setup.ways]
        now, own = self._clock.now(), account.egress
        lost = not account.is_open and isinstance(account.last_error, Unreachable)
        if len(names) < 2 or (own.circuit.phase(now) != "open" and not lost):
            return ""
        after = names[names.index(own.name) + 1 :] + names if own.name in names else names
        known = [self._ways[name] for name in after if name != own.name and name in self._ways]
        return next((way.name for way in known if way.circuit.admits(now)), "")

    async def warm(self) -> None:
        """Let each way out be hurried as much as its age allows; a block makes it new again. StorageDown."""
        now = self._clock.now()
        for way in self._ways.values():
            if way.circuit.until > way.warm_from:
                way.warm_from = way.circuit.until
                await self._store.first_used(self._owner, way.name, way.warm_from, anew=True)
            _allow(way, now)

    async def _meet(self, name: str) -> None:
        if name in self._ways:
            return
        stored = self._stored.get(name)
        pace = Bucket() if name.endswith(API) else self._pace()
        way = Egress(name, from_stored(stored, "blocked") if stored else Circuit(), pace, full_burst=pace.burst)
        if pace.per_minute:
            # One's own address is old to Google; only a block makes it new.
            since = 1.0 if name == DIRECT else self._clock.now()
            way.warm_from = await self._store.first_used(self._owner, name, since)
        self._ways[name] = way
        _allow(way, self._clock.now())

    def _name(self, setup: AccountSetup, proxy: str | None) -> str:
        """Carries no password. Of one proxy's users each is a way of its own: many lead each out by another address."""
        scheme, sep, rest = (proxy or self._general or DIRECT).partition("://")
        user, _, place = rest.rpartition("@")
        mark = hashlib.sha256(user.partition(":")[0].encode()).hexdigest()[:4]
        return f"{scheme}{sep}{place}" + (f"#{mark}" if user else "") + (API if setup.kind == "official" else "")


def _allow(way: Egress, now: float) -> None:
    if way.pace.per_minute:
        way.pace.allow(burst_at(now - way.warm_from, first=min(FIRST_BURST, way.full_burst), full=way.full_burst))
