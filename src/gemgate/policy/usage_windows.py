"""What Google's usage windows mean for the next call: which of them binds, what a call costs of one, and what is kept
for people who wait. Pure.

A window whose reset has passed says nothing any more. Credits bind nothing: what they pay for is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from gemgate.accounts import Capability, UsageWindow
from gemgate.ports.usage import UsageReading

CREDITS = "credits"
LENGTHS: Mapping[str, float] = {"5h": 5 * 3600.0, "weekly": 7 * 86_400.0}
"""Seconds of the windows whose length their name says; of others it is not known."""
LEAST_CALLS = 5
"""Calls of a kind that must stand in a series before it says what one of them costs."""
MOST_SPANS = 200
"""Spans between two readings that are looked at, the newest."""
_ROUNDS = 40


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

    The non-negative least squares of how much the window grew over the calls in between, by multiplicative updates.
    Capabilities with too few calls are left out, and spans without calls of ours: what grew there was somebody else's.
    """
    spans = [
        (after.window.used - before.window.used, after.calls)
        for before, after in pairwise(readings)
        if any(after.calls.values()) and same_period(before.window, after.window, after.at)
    ][-MOST_SPANS:]
    counted: dict[Capability, int] = {}
    for _, calls in spans:
        for capability, number in calls.items():
            counted[capability] = counted.get(capability, 0) + number
    found = {capability: 1.0 for capability, number in counted.items() if number > 0}
    for _ in range(_ROUNDS if len(found) > 1 else 1):
        fitted = [sum(found[c] * n for c, n in calls.items() if c in found) for _, calls in spans]
        updated: dict[Capability, float] = {}
        for capability, cost in found.items():
            wanted = sum(calls.get(capability, 0) * grown for grown, calls in spans)
            given = sum(calls.get(capability, 0) * fit for fit, (_, calls) in zip(fitted, spans, strict=True))
            updated[capability] = cost * wanted / given if given > 0 else 0.0
        found = updated
    return {capability: cost for capability, cost in found.items() if counted[capability] >= LEAST_CALLS}
