"""When a session will likely die, judged by how long the ones before it lived; None rather than a guess.

Two clocks run: from the sign-in, and from the last renewal. The second one counts only once renewals fail to come, for
while they come it says nothing. For each, what was left of the sessions that outlived the present age makes a survival
curve (`policy.survival`): its median is the forecast, and the age by which a tenth were dead is when to warn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gemgate.frozen import frozen
from gemgate.policy import survival
from gemgate.policy.survival import Curve
from gemgate.ports.accounts import SessionRecord

LEAST_DEATHS = 3
"""Deaths beyond the present age without which nothing is said."""
EARLY = 0.1
"""The share of sessions like this one that may be dead before anybody was warned."""


@frozen
class Forecast:
    """The session likely dies in `seconds`; `deaths`: on how many deaths that rests.

    bound: the browser to whose device it is bound, when that is all it rests on. early: seconds until a tenth of its
    like are dead; of a bound session the shortest life that was seen of such.
    """

    seconds: float
    deaths: int
    bound: str = ""
    early: float = 0.0

    @property
    def en(self) -> str:
        number, unit = _rounded(self.seconds)
        if self.bound:
            return (
                f"likely dies within {number} {unit}{'' if number == 1 else 's'}: bound to the device of {self.bound}"
            )
        return f"likely dies in about {number} {unit}{'' if number == 1 else 's'}"

    @property
    def zh(self) -> str:
        number, unit = _rounded(self.seconds)
        if self.bound:
            return f"预计 {number} {_ZH[unit]}内失效：会话绑定到 {self.bound} 的设备"
        return f"预计约 {number} {_ZH[unit]}后失效"


_ZH = {"minute": "分钟", "hour": "小时", "day": "天"}


def forecast(
    lives: Iterable[SessionRecord], *, began_at: float, renewed_at: float, now: float, overdue_after: float
) -> Forecast | None:
    """When the present session likely dies; None when the lives seen so far do not tell.

    overdue_after: seconds without a renewal after which one is missing (two rotation intervals, say). Epoch seconds.
    """
    curves = _curves(lives, began_at=began_at, renewed_at=renewed_at, now=now, overdue_after=overdue_after)
    found = [Forecast(median, curve.deaths, early=curve.quantile(EARLY) or median)
             for curve in curves if (median := _median(curve)) is not None]  # fmt: skip
    return min(found, key=lambda one: one.seconds, default=None)


def _median(curve: Curve) -> float | None:
    return curve.median if curve.deaths >= LEAST_DEATHS else None


def _curves(
    lives: Iterable[SessionRecord], *, began_at: float, renewed_at: float, now: float, overdue_after: float
) -> Iterator[Curve]:
    """What was left of lives like this one: by its age, and by its silence where a renewal is missing."""
    seen = [life for life in lives if not (life.ended_at is None and life.began_at == began_at)]
    yield survival.left(((_end(life, now) - life.began_at, life.died) for life in seen), now - began_at)
    silence = now - renewed_at
    if silence > overdue_after:
        yield survival.left(((_end(life, now) - life.renewed_at, life.died) for life in seen), silence)


def _end(life: SessionRecord, now: float) -> float:
    return now if life.ended_at is None else life.ended_at


@frozen
class Score:
    """How good the forecasts were (Brier: the mean square of what they were off, 0 = perfect, 0.25 = a coin).

    asked: forecasts that could be judged. base: the same for always saying the share that died, so that a score below
    it says the forecasts know something. horizon: "dies within so many seconds" is what was forecast.
    """

    brier: float
    base: float
    asked: int
    horizon: float


ASKED_AT = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Ages, in horizons, at which each life is asked what would have been said of it."""
JUDGED = 100
"""The newest lives that are judged: the cost is theirs times all lives."""


def score(lives: Sequence[SessionRecord], *, horizon: float, now: float) -> Score | None:
    """What forecasts by age alone would have come to: each from the lives as they were known at its moment, and judged
    by what came. Each account is judged by its own lives, as its forecast is. A life whose end by then is not known (it
    was replaced, or still runs) is not judged. None: no case.
    """
    cases: list[tuple[float, bool]] = []
    by_account: dict[str, list[SessionRecord]] = {}
    for life in lives:
        by_account.setdefault(life.account, []).append(life)
    for life in sorted(lives, key=lambda one: one.began_at)[-JUDGED:]:
        for part in ASKED_AT:
            asked = life.began_at + part * horizon
            end = _end(life, now)
            if end <= asked or (end < asked + horizon and not life.died):
                continue
            own = (one for one in by_account[life.account] if one.began_at < asked and one is not life)
            known = [_as_known(one, asked) for one in own]
            curve = survival.left(((_end(one, asked) - one.began_at, one.died) for one in known), asked - life.began_at)
            if curve.deaths >= LEAST_DEATHS:
                cases.append((1 - curve.alive(horizon), end <= asked + horizon))
    if not cases:
        return None
    share = sum(died for _, died in cases) / len(cases)
    brier = sum((said - died) ** 2 for said, died in cases) / len(cases)
    return Score(brier, share * (1 - share), len(cases), horizon)


def _as_known(life: SessionRecord, at: float) -> SessionRecord:
    """A life as it was known then: what ended later had not ended."""
    over = life.ended_at is not None and life.ended_at <= at
    return life if over else replace(life, ended_at=None, died=False)


def _rounded(seconds: float) -> tuple[int, str]:
    for unit, size in (("day", 86_400), ("hour", 3600)):
        if seconds >= 2 * size:
            return round(seconds / size), unit
    return max(1, round(seconds / 60)), "minute"
