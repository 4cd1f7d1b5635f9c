"""How long the sessions of all accounts lived: forecasts of each, and curves by what kept them alive."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from gemgate.frozen import frozen
from gemgate.policy import binding, survival
from gemgate.policy.session_arm import ARMS, Arm, arm_of
from gemgate.policy.session_forecast import Forecast, Score, forecast, score
from gemgate.policy.survival import Curve
from gemgate.pool.account import Account
from gemgate.ports.accounts import AccountStore, SessionRecord
from gemgate.ports.runtime import Clock

HORIZON = 86_400.0
"""Seconds ahead that forecasts are scored for."""
KEPT = 1000
"""Lives that are looked at, the newest: all accounts together."""
USUAL_ROTATION = 600.0


@frozen
class ArmLives:
    """One arm's curve. ended_by: how often each end was seen; alive: sessions that live; replaced: that were ended by
    a new sign-in, or with their account. Both are censored.
    """

    arm: str
    curve: Curve
    ended_by: dict[str, int]
    alive: int
    replaced: int


class SessionLives:
    """`rotate_every`: seconds between rotations of ours, 0 = never. What is said counts from the last `load`."""

    def __init__(self, store: AccountStore, *, rotate_every: float, clock: Clock) -> None:
        self._store = store
        self._rotate_every = rotate_every
        self._clock = clock
        self._all: tuple[SessionRecord, ...] = ()
        self._by_account: dict[str, list[SessionRecord]] = {}
        self._score: tuple[float, Score | None] = (0.0, None)

    async def load(self) -> None:
        """Read them again. StorageDown."""
        self._all = await self._store.lives(limit=KEPT)
        self._by_account = {}
        for life in self._all:
            self._by_account.setdefault(life.account, []).append(life)

    def arm(self, account: Account) -> Arm:
        """What keeps the account's session alive at the moment."""
        paired = account.browser.rotates(account.cookies, self._clock.now())
        source = account.source.name if account.source is not None else ""
        return arm_of(source, paired=paired, rotates=account.rotate and bool(self._rotate_every))

    def forecast(self, account: Account) -> Forecast | None:
        """When the session likely dies: judged by the account's own sessions: those of others tell little of it."""
        if not account.is_open or not account.signed_in_at:
            return None
        own = self._by_account.get(account.name, [])
        present = next((life for life in own if life.ended_at is None), None)
        began, now = present.began_at if present else account.signed_in_at, self._clock.now()
        overdue = 2 * (self._rotate_every or USUAL_ROTATION)
        expected = forecast(own, began_at=began, renewed_at=account.renewed_at, now=now, overdue_after=overdue)
        left = began + binding.BOUND_SECONDS - now
        bound = account.cookies.bound if account.cookies and left > 0 else ""
        if bound and (expected is None or expected.seconds > left):
            return Forecast(left, 0, bound, early=max(0.0, began + binding.FIRST_DEATHS - now))
        return expected

    def arms(self) -> list[ArmLives]:
        """A curve for each arm that has lives."""
        now = self._clock.now()
        found = []
        for arm in (*ARMS, ""):
            lives = [life for life in self._all if life.arm == arm]
            if lives:
                found.append(_arm_lives(arm, lives, now))
        return found

    async def scored(self) -> Score | None:
        """How good forecasts a day ahead were; counted at most once a minute, away from the loop."""
        now = self._clock.now()
        if now - self._score[0] >= 60.0:
            self._score = (now, await asyncio.to_thread(score, self._all, horizon=HORIZON, now=now))
        return self._score[1]


def _arm_lives(arm: str, lives: Sequence[SessionRecord], now: float) -> ArmLives:
    spans = [((now if life.ended_at is None else life.ended_at) - life.began_at, life.died) for life in lives]
    ends = Counter(life.ended_by or "unknown" for life in lives if life.died)
    alive = sum(life.ended_at is None for life in lives)
    replaced = len(lives) - alive - sum(life.died for life in lives)
    return ArmLives(arm, survival.kaplan_meier(spans), dict(ends.most_common()), alive, replaced)
