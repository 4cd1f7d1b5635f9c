"""What Google's usage windows mean for the next call: which of them binds, what a call costs of one, and what is kept
for people who wait. Pure.

A window whose reset has passed says nothing any more. Credits bind nothing: what they pay for is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from gemgate.accounts import Capability, UsageWindow
from gemgate.ports.usage_windows import UsageReading

CREDITS = "credits"
LENGTHS: Mapping[str, float] = {"5h": 5 * 3600.0, "weekly": 7 * 86_400.0}
"""Seconds of the windows whose length their name says; of others it is not known."""
LEAST_CALLS = 5
"""Calls of a kind that must stand in a series before it says what one of them costs."""
MOST_SPANS = 200
"""Spans between two readings that are looked at, the newest."""
_ROUNDS = 200


def live(windows: Iterable[UsageWindow], now: float) -> list[UsageWindow]:
    """Those that bound something at the moment."""
    return [one for one in windows if one.name != CREDITS and (one.resets_at is None or one.resets_at > now)]


def binding(windows: Iterable[UsageWindow], now: float) -> UsageWindow | None:
    """The one of which the smallest share is left; of equal ones that which lasts longest. None: nothing is known."""
    return min(live(windows, now), key=lambda one: (one.share_left, -(one.resets_at or 0.0)), default=None)


def reserved(left: float, cost: float, reserve: float) -> bool:
    """Whether one call more, at this cost, would take of the reserve. All are shares of one window; a reserve of 0 is
    none.
    """
    return reserve > 0 and left - cost < reserve - 1e-9


def step(window: UsageWindow, cost: float | None) -> float | None:
    """The share of the window that one call takes: as it was measured, else one of what Google counts; None unknown."""
    if cost is not None:
        return cost
    return 1.0 / window.total if window.total else None


def same_period(before: UsageWindow, after: UsageWindow, at: float) -> bool:
    """Whether a window that was read before goes on at `at`: it did not begin anew meanwhile."""
    return after.used >= before.used and (before.resets_at is None or at < before.resets_at)


def costs(readings: Sequence[UsageReading]) -> dict[Capability, float]:
    """The share of one window that a call of each capability takes, from its series (oldest first).

    The non-negative least squares of how much the window grew over the calls in between, by coordinates. Capabilities
    with too few calls are left out, and spans without calls of ours: what grew there was somebody else's.
    """
    spans = [
        (after.window.used - before.window.used, after.calls)
        for before, after in pairwise(readings)
        if any(after.calls.values()) and same_period(before.window, after.window, after.at)
    ][-MOST_SPANS:]
    names = sorted({capability for _, calls in spans for capability, number in calls.items() if number > 0})
    gram = {a: {b: sum(calls.get(a, 0) * calls.get(b, 0) for _, calls in spans) for b in names} for a in names}
    wanted = {a: sum(calls.get(a, 0) * grown for grown, calls in spans) for a in names}
    found = dict.fromkeys(names, 0.0)
    for _ in range(_ROUNDS):
        for a in names:
            others = sum(gram[a][b] * found[b] for b in names if b != a)
            found[a] = max(0.0, (wanted[a] - others) / gram[a][a])
    return {a: found[a] for a in names if sum(calls.get(a, 0) for _, calls in spans) >= LEAST_CALLS}
