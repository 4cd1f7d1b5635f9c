"""When a session will likely die, judged by how long the ones before it lived; None rather than a guess.

Two clocks run: from the sign-in, and from the last renewal. The second one counts only once renewals fail to come, for
while they come it says nothing. For each, sessions that outlived the present age are asked when half of them were dead
(the Kaplan-Meier median, in which a session that was replaced or still lives counts for as long as it was seen).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gemgate.ports import SessionLife

LEAST_DEATHS = 3
"""Deaths beyond the present age without which nothing is said."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The session likely dies in `seconds`; `deaths`: on how many deaths that rests.

    bound: the browser to whose device it is bound, when that is all it rests on.
    """

    seconds: float
    deaths: int
    bound: str = ""

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
    lives: Iterable[SessionLife], *, began_at: float, renewed_at: float, now: float, overdue_after: float
) -> Forecast | None:
    """When the present session likely dies; None when the lives seen so far do not tell.

    overdue_after: seconds without a renewal after which one is missing (two rotation intervals, say). Epoch seconds.
    """
    seen = [life for life in lives if not (life.ended_at is None and life.began_at == began_at)]
    ages = [(_end(life, now) - life.began_at, life.died) for life in seen]
    answers = [_median_rest(ages, now - began_at)]
    silence = now - renewed_at
    if silence > overdue_after:
        silences = [(_end(life, now) - life.renewed_at, life.died) for life in seen]
        answers.append(_median_rest(silences, silence))
    return min((one for one in answers if one is not None), key=lambda one: one.seconds, default=None)


def _end(life: SessionLife, now: float) -> float:
    return now if life.ended_at is None else life.ended_at


def _median_rest(spans: Iterable[tuple[float, bool]], age: float) -> Forecast | None:
    """What is left of a span that has lasted `age`: spans are (seconds, whether it ended in death)."""
    longer = sorted((seconds, not died) for seconds, died in spans if seconds > age)
    deaths = sum(not censored for _, censored in longer)
    if deaths < LEAST_DEATHS:
        return None
    alive = 1.0
    for before, (seconds, censored) in enumerate(longer):
        if not censored:
            alive *= 1 - 1 / (len(longer) - before)
            if alive <= 0.5 + 1e-9:
                return Forecast(seconds - age, deaths)
    return None


def _rounded(seconds: float) -> tuple[int, str]:
    for unit, size in (("day", 86_400), ("hour", 3600)):
        if seconds >= 2 * size:
            return round(seconds / size), unit
    return max(1, round(seconds / 60)), "minute"
