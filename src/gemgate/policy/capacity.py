"""How many calls will be done when, and what bounds it: from how long one takes, how many run at once, how often they
may start, and what Google's windows leave. Pure.

The work is a fluid that flows at the rate of its accounts; an account stands still while it rests and while a window is
down to its reserve, until the window begins anew. What is not known is left out of the sum and named beside it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gemgate.frozen import frozen

Bound = Literal["window", "rest", "pace", "concurrency", "no_account"]
"""What bounds a forecast: Google's windows, accounts that rest, the pace of accounts and ways out, lanes, or that there
is no account at all."""
Unknown = Literal["seconds", "cost", "refill", "elsewhere"]
"""What a forecast cannot know: how long a call takes; what one takes of a window; when a window begins
anew; the windows of accounts that other nodes run."""

HORIZON = 14 * 86_400.0
"""Seconds that are looked ahead: two of Google's weeks."""
MOST_STEPS = 5_000
EXACT, LEAST_STEP = 86_400.0, 600.0
"""Seconds that are looked at exactly, and how coarsely what lies behind them."""
NEARER = 0.05
"""By how much sooner it must be without a bound for that to be what bounds it, as a share."""


@frozen
class Budget:
    """What one window leaves to such calls, in calls.

    left: until its reserve. full: what it holds anew at `resets_at` (epoch seconds, None unknown). length: seconds from
    one reset to the next, None unknown. drain: what others take of it, in calls a second.
    """

    window: str
    left: float
    full: float
    resets_at: float | None = None
    length: float | None = None
    drain: float = 0.0


@frozen
class Source:
    """An account as a maker of answers.

    lanes: calls at once. per_minute: its pace, 0 = any. rests_until: epoch seconds.
    """

    name: str
    lanes: int
    address: str = ""
    per_minute: float = 0.0
    rests_until: float = 0.0
    budgets: tuple[Budget, ...] = ()


@frozen
class Capacity:
    """What there is to work with.

    seconds: that one call takes, None unknown. lanes: calls at once in all, 0 = as many as the accounts take. paces:
    calls a minute of each way out. unknown: what the budgets could not say.
    """

    sources: Sequence[Source]
    seconds: float | None
    lanes: int = 0
    paces: Mapping[str, float] = field(default_factory=dict)
    unknown: Collection[Unknown] = ()


@frozen
class Forecast:
    """When it will be done. All moments are epoch seconds.

    ready_at: None where that is not known, or beyond the horizon (`beyond`). bound: what bounds it, "" = nothing is to
    be done. window: the window that holds most of it back. curve: (moment, how many are done) with a straight line
    between. unknown: what it does not know, so that it may be later.
    """

    count: int
    ready_at: float | None
    bound: Bound | Literal[""] = ""
    window: str = ""
    beyond: bool = False
    curve: tuple[tuple[float, float], ...] = ()
    unknown: tuple[Unknown, ...] = ()

    def done_by(self, moment: float) -> int | None:
        """How many are done at a moment; None where nothing is known."""
        if not self.curve:
            return self.count if not self.count else None
        before = self.curve[0]
        for point in self.curve[1:]:
            if moment < point[0]:
                span = point[0] - before[0]
                share = (moment - before[0]) / span if span > 0 else 1.0
                return math.floor(before[1] + max(0.0, share) * (point[1] - before[1]) + 1e-6)
            before = point
        return math.floor(before[1] + 1e-6)


def forecast(capacity: Capacity, count: int, now: float) -> Forecast:
    """When so many calls are done if nothing else comes."""
    unknown = tuple(dict.fromkeys(capacity.unknown))
    if count <= 0:
        return Forecast(0, now)
    if not any(source.lanes > 0 for source in capacity.sources):
        return Forecast(count, None, "no_account", unknown=unknown)
    if capacity.seconds is None or capacity.seconds <= 0:
        return Forecast(count, None, unknown=("seconds", *(one for one in unknown if one != "seconds")))
    flow = _Flow(capacity, count, now)
    flow.run()
    bound, window = _bound(capacity, count, now, flow)
    if flow.unfilled:
        unknown = tuple(dict.fromkeys((*unknown, "refill")))
    if flow.left > 1e-9:
        beyond = not flow.unfilled
        return Forecast(count, None, bound, window, beyond, tuple(flow.curve), unknown)
    return Forecast(count, flow.at, bound, window, curve=tuple(flow.curve), unknown=unknown)


def _bound(capacity: Capacity, count: int, now: float, flow: _Flow) -> tuple[Bound, str]:
    """What it would be done soonest without, of what has held it up at all."""
    sources = capacity.sources
    without: dict[Bound, Capacity] = {}
    if flow.held:
        without["window"] = replace(capacity, sources=[replace(one, budgets=()) for one in sources])
    if any(one.rests_until > now for one in sources):
        without["rest"] = replace(capacity, sources=[replace(one, rests_until=0.0) for one in sources])
    if flow.paced:
        without["pace"] = replace(capacity, sources=[replace(one, per_minute=0.0) for one in sources], paces={})
    takes = flow.at - now if flow.left <= 1e-9 else HORIZON
    best: Bound = "concurrency"
    soonest = takes * (1 - NEARER)
    for bound, freed in without.items():
        other = _Flow(freed, count, now)
        other.run()
        span = other.at - now if other.left <= 1e-9 else HORIZON
        if span < soonest:
            best, soonest = bound, span
    return best, max(flow.held, key=lambda one: flow.held[one]) if best == "window" else ""


@dataclass(slots=True)
class _Stand:
    """How a source stands: what its budgets hold, and when they begin anew."""

    source: Source
    left: list[float]
    resets: list[float]

    @property
    def stuck(self) -> bool:
        """Whether a window is down to its reserve of which nobody knows when it begins anew."""
        return any(left <= 1e-9 and at == math.inf for left, at in zip(self.left, self.resets, strict=True))

    def open(self, at: float) -> bool:
        return at >= self.source.rests_until and all(left > 1e-9 for left in self.left)


class _Flow:
    """The work as it flows, from event to event."""

    def __init__(self, capacity: Capacity, count: int, now: float) -> None:
        self.left = float(count)
        self.at = now
        self.curve: list[tuple[float, float]] = [(now, 0.0)]
        self.held: dict[str, float] = {}
        """Seconds for which each window kept an account from working."""
        self.paced = False
        """Whether a pace slowed it down at all."""
        self.unfilled = False
        self._count = count
        self._now = now
        self._seconds = capacity.seconds or 1.0
        self._lanes = capacity.lanes
        self._paces = capacity.paces
        self._stands = [
            _Stand(one, [b.left for b in one.budgets], [b.resets_at or math.inf for b in one.budgets])
            for one in capacity.sources
        ]

    def run(self) -> None:
        """To the end of the work, or as far as is looked ahead."""
        for _ in range(MOST_STEPS):
            if self.left <= 1e-9 or self.at >= self._now + HORIZON:
                break
            rates = self._rates()
            span = self._span(rates)
            if span == math.inf:
                break
            if self.at - self._now > EXACT and (total := sum(rates)):
                span = min(max(span, LEAST_STEP), self.left / total)
            self._flow(rates, span)
            self._renew()
        self.unfilled = self.left > 1e-9 and any(stand.stuck for stand in self._stands)
        if self.left <= 1e-9:  # the last of few is not done before one call is
            self.at = max(self.at, self._now + self._seconds)
            self.curve.append((self.at, float(self._count)))

    def _rates(self) -> list[float]:
        """Calls a second of each source: its lanes and pace, then what its way out and the order allow in all."""
        rates = [self._own(stand) for stand in self._stands]
        for address, per_minute in self._paces.items():
            mine = [n for n, stand in enumerate(self._stands) if stand.source.address == address]
            total = sum(rates[n] for n in mine)
            if per_minute and total > per_minute / 60:
                self.paced = True
                for n in mine:
                    rates[n] *= per_minute / 60 / total
        most, total = self._lanes / self._seconds, sum(rates)
        return [rate * most / total for rate in rates] if most and total > most else rates

    def _own(self, stand: _Stand) -> float:
        if not stand.open(self.at):
            return 0.0
        rate, pace = stand.source.lanes / self._seconds, stand.source.per_minute / 60
        if not pace or rate <= pace:
            return rate
        self.paced = True
        return pace

    def _span(self, rates: Sequence[float]) -> float:
        """Seconds until something changes."""
        total = sum(rates)
        spans = [self.left / total] if total else []
        for stand, rate in zip(self._stands, rates, strict=True):
            if stand.source.rests_until > self.at:
                spans.append(stand.source.rests_until - self.at)
            for budget, left, resets in zip(stand.source.budgets, stand.left, stand.resets, strict=True):
                if resets > self.at and resets < math.inf:
                    spans.append(resets - self.at)
                if (speed := rate + budget.drain) > 0 and left > 1e-9:
                    spans.append(left / speed)
        return min(min(spans, default=math.inf), max(0.0, self._now + HORIZON - self.at))

    def _flow(self, rates: Sequence[float], span: float) -> None:
        self.left = max(0.0, self.left - sum(rates) * span)
        for stand, rate in zip(self._stands, rates, strict=True):
            for n, budget in enumerate(stand.source.budgets):
                if stand.left[n] <= 1e-9:
                    self.held[budget.window] = self.held.get(budget.window, 0.0) + span
                stand.left[n] = max(0.0, stand.left[n] - (rate + budget.drain) * span)
        self.at += span
        self.curve.append((self.at, self._count - self.left))

    def _renew(self) -> None:
        """Windows that begin anew."""
        for stand in self._stands:
            for n, budget in enumerate(stand.source.budgets):
                if stand.resets[n] > self.at + 1e-6:
                    continue
                stand.resets[n] += budget.length or math.inf
                stand.left[n] = budget.full
