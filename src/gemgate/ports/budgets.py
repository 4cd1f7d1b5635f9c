"""Budgets: what a key, and all together, may use in a day and a month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gemgate.caller import Budget, Cost, Left


class Budgets(Protocol):
    """Counts exactly over all processes that share the database, and over restarts. Days and months are UTC's."""

    async def take(
        self, charge: str, tenant: str, budget: Budget | None, cost: Cost, *, at_once: bool
    ) -> tuple[Left, ...]:
        """Count what a call will cost, under the id of its charge; what is left of each limit in force.

        budget: the key's own, None to look it up by the tenant. at_once: the call is in flight until it is settled or
        its process dies. A charge that was taken before and not settled is not counted again. OverBudget with the
        reset when anything of it is one too many, and then nothing is counted. StorageDown.
        """
        ...

    async def check(self, tenant: str, budget: Budget, cost: Cost) -> None:
        """OverBudget where `take` would refuse now; nothing is counted. StorageDown."""
        ...

    async def standing(self, keys: Mapping[str, Budget]) -> Mapping[str | None, tuple[Left, ...]]:
        """What is left now of each limit in force, by the key's name, and under None of all together; nothing is
        counted, and calls that ended a moment ago may not be in it. One query for any number of keys. StorageDown.
        """
        ...

    def resume(self, charge: str) -> None:
        """An earlier run, perhaps of another process, has taken this charge, and its task goes on here."""
        ...

    def settle(self, charge: str, used: Cost, *, over: bool) -> None:
        """Count what it came to in place of what was taken, soon. over: else it only is not in flight any more. A
        charge that was never taken here is none.
        """
        ...
