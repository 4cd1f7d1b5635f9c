"""How long things live, estimated from lives of which some are not over: Kaplan and Meier's curve. Pure.

A life that is not over, or that ended by something else than death, counts for as long as it was seen (it is censored).
Variances are Greenwood's; the 95 % intervals are those on the scale log(-log S), which stay within 0 and 1 and are
right for few lives. A death and a censoring at the same age: the death came first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

from gemgate.frozen import frozen

Z95 = 1.959963984540054
_HALF = 1e-9
"""So that one half made of binary fractions is one half."""


@frozen
class Step:
    """The curve falls at `age` (seconds): `deaths` of `at_risk` died. alive: share that lives on; low, high: its 95 %
    interval; error: its standard error (Greenwood).
    """

    age: float
    at_risk: int
    deaths: int
    alive: float
    error: float
    low: float
    high: float


@frozen
class Curve:
    """n: lives; deaths: those that were seen to end in death. seen: the longest life's age."""

    n: int
    deaths: int
    seen: float
    steps: tuple[Step, ...]

    def alive(self, age: float) -> float:
        """The share that lives longer than `age` seconds."""
        at = bisect_right(self.steps, age, key=lambda step: step.age)
        return self.steps[at - 1].alive if at else 1.0

    def quantile(self, dead: float) -> float | None:
        """The age by which this share is dead; None where the curve does not fall so low."""
        return next((step.age for step in self.steps if step.alive <= 1 - dead + _HALF), None)

    @property
    def median(self) -> float | None:
        return self.quantile(0.5)

    @property
    def median_interval(self) -> tuple[float | None, float | None]:
        """The ages between which the median lies (Brookmeyer and Crowley); None for an end that is not reached."""
        low = next((step.age for step in self.steps if step.low <= 0.5 + _HALF), None)
        high = next((step.age for step in self.steps if step.high < 0.5 - _HALF), None)
        return low, high


def kaplan_meier(spans: Iterable[tuple[float, bool]]) -> Curve:
    """The curve of lives (seconds, whether it ended in death). Sorts once and walks once."""
    rows = sorted((seconds, not died) for seconds, died in spans)
    n, steps, alive, greenwood, at = len(rows), list[Step](), 1.0, 0.0, 0
    total = 0
    while at < n:
        age, at_risk, deaths = rows[at][0], n - at, 0
        while at < n and rows[at][0] == age:
            deaths += not rows[at][1]
            at += 1
        if not deaths:
            continue
        total += deaths
        alive *= 1 - deaths / at_risk
        greenwood += deaths / (at_risk * (at_risk - deaths)) if at_risk > deaths else math.inf
        steps.append(Step(age, at_risk, deaths, alive, *_interval(alive, greenwood)))
    return Curve(n, total, rows[-1][0] if rows else 0.0, tuple(steps))


def _interval(alive: float, greenwood: float) -> tuple[float, float, float]:
    """Standard error and the ends of the interval."""
    if alive <= 0.0:
        return 0.0, 0.0, 0.0
    root = math.sqrt(greenwood)
    if alive >= 1.0 or not root:
        return 0.0, alive, alive
    wide = Z95 * root / math.log(alive)  # negative
    return alive * root, alive ** math.exp(-wide), alive ** math.exp(wide)


def left(spans: Iterable[tuple[float, bool]], age: float) -> Curve:
    """The curve of what was left of the lives that outlived `age`."""
    return kaplan_meier((seconds - age, died) for seconds, died in spans if seconds > age)
