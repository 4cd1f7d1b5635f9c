"""Load balancing: which of several accounts takes a call. One that may start now, with something left, least busy for
its weight and for what Google says is left of it, then longest unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemgate.frozen import frozen

LEAST_LEFT = 0.05
"""Below this share what is left makes no more difference, but for nothing at all."""


@frozen
class Candidate:
    """`busy`: calls under way; `last_used`: seconds of any one clock; `wait`: seconds until its way out may be used;
    `left`: the share of its binding window that is left for the call, None where Google has not said.
    """

    name: str
    busy: int
    weight: float = 1.0
    last_used: float = 0.0
    wait: float = 0.0
    left: float | None = None


def choose(candidates: Iterable[Candidate], prefer: str | None = None) -> Candidate | None:
    """The preferred one if it is among them, else the least loaded; None when there is none."""
    rest = [candidate for candidate in candidates if candidate.weight > 0]
    if preferred := next((candidate for candidate in rest if candidate.name == prefer), None):
        return preferred
    unknown = _usual(rest)

    def order(one: Candidate) -> tuple[float, bool, float, float]:
        left = unknown if one.left is None else max(LEAST_LEFT, round(one.left, 1))
        return one.wait, one.left is not None and one.left <= 0, (one.busy + 1) / (one.weight * left), one.last_used

    return min(rest, key=order, default=None)


def _usual(candidates: Sequence[Candidate]) -> float:
    """What is taken to be left where it is not known: as much as the others have on average."""
    known = [max(LEAST_LEFT, round(one.left, 1)) for one in candidates if one.left is not None]
    return sum(known) / len(known) if known else 1.0
