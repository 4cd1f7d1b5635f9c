"""How Google's usage windows went over time, account by account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from gemgate.accounts import Capability, UsageWindow
from gemgate.frozen import frozen


@frozen
class UsageReading:
    """A window as it was told at `at` (epoch seconds).

    calls: how many calls of ours the account had answered since its reading before, by their main capability.
    """

    account: str
    at: float
    window: UsageWindow
    calls: Mapping[Capability, int] = field(default_factory=dict)


class WindowStore(Protocol):
    """The series of readings. StorageDown anywhere."""

    async def add(self, readings: Sequence[UsageReading]) -> None:
        """Write readings down; one that stands there already (account, window, model, moment) is left as it is."""
        ...

    async def since(self, account: str, moment: float, *, limit: int = 2000) -> Sequence[UsageReading]:
        """The newest of an account from `moment` on, oldest first."""
        ...

    async def forget_before(self, moment: float) -> int:
        """Drop those from before `moment`; how many."""
        ...
