"""Who calls: the tenant, the key and what it may, and the language to answer in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final

from gemgate.errors import BadValue
from gemgate.frozen import frozen

THINGS: Final = ("calls", "tokens", "images", "videos")
PERIODS: Final = ("day", "month")
LIMITS: Final = (*(f"{thing}_per_{period}" for thing in THINGS for period in PERIODS), "at_once")
"""What a budget can limit."""
MOST: Final = 10**15
"""The largest limit."""


@frozen
class Cost:
    """What a call is counted as; tokens are known when it has ended."""

    calls: int = 1
    tokens: int = 0
    images: int = 0
    videos: int = 0


@frozen
class Budget:
    """Some of `LIMITS`, in that order; falsy when nothing is limited."""

    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return bool(self.limits)

    def __str__(self) -> str:
        return ",".join(f"{name}={amount}" for name, amount in self.limits.items())

    def rules(self) -> Iterator[tuple[str, str, int]]:
        """Thing, period and amount of each limit over time."""
        for name, amount in self.limits.items():
            thing, _, period = name.partition("_per_")
            if period:
                yield thing, period, amount

    @classmethod
    def of(cls, limits: Mapping[str, int | None]) -> Budget:
        """BadValue for a limit that there is not, or an amount that is none. None: not limited."""
        for name, amount in limits.items():
            if name not in LIMITS:
                raise BadValue(
                    f"there is no limit {name[:40]}; there are {', '.join(LIMITS)}",
                    f"没有名为 {name[:40]} 的限额；可用的有 {'、'.join(LIMITS)}",
                )
            if amount is not None and not 0 <= amount <= MOST:
                raise BadValue(f"{name} must be from 0 to {MOST}", f"{name} 必须在 0 到 {MOST} 之间")
        found = {name: limits[name] for name in LIMITS if limits.get(name) is not None}
        return cls(MappingProxyType({name: amount for name, amount in found.items() if amount is not None}))

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The opposite of `str`: `images_per_day=100,at_once=4`. BadValue."""
        limits: dict[str, int | None] = {}
        for part in text.replace(";", ",").split(","):
            name, _, amount = (one.strip() for one in part.partition("="))
            if not name and not amount:
                continue
            if not (amount.isascii() and amount.isdecimal() and len(amount) < 17):
                said = part.strip()[:60]
                raise BadValue(
                    f"{said} is not NAME=NUMBER, as images_per_day=100",
                    f"{said} 不是 名称=数字，例如 images_per_day=100",
                )
            limits[name] = int(amount)
        return cls.of(limits)


NO_BUDGET: Final = Budget()


@frozen
class Left:
    """What is left of one limit. scope: `key` or `all`; reset: seconds until it begins anew, 0 for at_once."""

    scope: str
    name: str
    limit: int
    remaining: int
    reset: float


def told(left: Iterable[Left]) -> str:
    """The header `x-gemgate-budget`: `key;images_per_day;limit=100;left=37;reset=40211, all;...`."""
    return ", ".join(
        f"{one.scope};{one.name};limit={one.limit};left={one.remaining};reset={math.ceil(one.reset)}" for one in left
    )


@frozen
class Caller:
    """Who asks, as the door found out.

    tenant:   the name of the API key, or "" when keys are off; conversations and batches never cross tenants.
    client:   what limits count by: the key's name, else the address (IPv6 by /64).
    per_hour: the key's own hourly limit, None for the general one.
    admin:    may see all tenants and the account names.
    models:   ids that the key is limited to, empty for all.
    operations: groups of operations that the key is limited to, empty for all.
    account:  of a paired browser: the one account whose cookies its key may push, "" for everybody else.
    quota:    what is left, when the call was counted before it came here: it is not counted again.
    budget:   of the key itself.
    host:     our own name and port as the caller called them, so that our links are known when they come back.
    """

    tenant: str = ""
    client: str = "local"
    address: str = ""
    per_hour: int | None = None
    admin: bool = False
    language: str = "en"
    request_id: str = ""
    models: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    quota: Quota | None = None
    host: str = ""
    account: str = ""
    budget: Budget = NO_BUDGET


@frozen
class Quota:
    """What is left of the rule that binds: a limit of 0 means none. Seconds for `reset`. left: of budgets."""

    limit: int = 0
    remaining: int = 0
    reset: float = 0.0
    left: tuple[Left, ...] = ()
