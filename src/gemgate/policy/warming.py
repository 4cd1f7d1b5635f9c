"""Which way out an account goes, and how much a new one may be hurried. Pure.

What gets an address blocked are bursts, not ten calls a minute (docs/google-wire.md 4.3). So the rate stays, and only
the burst of a new proxy grows, from a minute's calls to the whole within a day; after a block it begins anew. How long
Google takes to trust an address is not known: the day is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

WARM_SECONDS = 86_400.0


def burst_at(age: float, *, first: int, full: int) -> int:
    """Calls at once of a way out that has been used for `age` seconds. first: when it is new; full: when it is warm."""
    if full <= first:
        return full
    return first + int((full - first) * min(1.0, max(0.0, age) / WARM_SECONDS))


def warm_in(age: float) -> float:
    """Seconds until a way out is warm; 0 when it is."""
    return max(0.0, WARM_SECONDS - max(0.0, age))


def way_to_go(ways: Sequence[str], usable: Sequence[bool], last: str) -> str:
    """The way out to go, of these names in the operator's order: the last one as long as it is usable, for Google
    takes a session that wanders for a stolen one; else the first that is; else the last one, else the first.
    """
    open_ways = [way for way, good in zip(ways, usable, strict=True) if good]
    if last in open_ways:
        return last
    if open_ways:
        return open_ways[0]
    return last if last in ways else ways[0]
