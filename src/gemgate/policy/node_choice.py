"""Load balancing: which node of a fleet takes a call. The one that holds the conversation, else by weights, among those
with room.

Weights are kept by stride scheduling: every call moves its node on by 1/weight, and the node that is furthest behind is
next. So shares are exact however the calls come, one by one or all at once; load only decides who takes part.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemgate.frozen import frozen

OVERFULL = 2.0
"""How many times its lanes a node that is preferred may carry before others are asked: waiting there is cheaper than
telling a whole history anew, up to a point; and one conversation's children must not pile up on one node."""


@frozen
class Candidate:
    """A node that could take the call. load: calls it carries; lanes: calls at once it takes, 0 = unknown.

    passed: where it stands on the way of the weights.
    """

    name: str
    weight: float
    load: int
    lanes: int
    passed: float

    @property
    def has_room(self) -> bool:
        return not self.lanes or self.load < self.lanes


def choose(candidates: Sequence[Candidate], prefer: str = "") -> Candidate | None:
    """The node for the next call; None when there is none. A weight of 0 takes no calls at all."""
    able = [candidate for candidate in candidates if candidate.weight > 0]
    free = [candidate for candidate in able if candidate.has_room]
    for candidate in able:
        if candidate.name == prefer and (not free or candidate.load < OVERFULL * candidate.lanes or candidate.has_room):
            return candidate
    if free:
        return min(free, key=lambda c: (c.passed, -c.weight, c.name))
    return min(able, key=lambda c: ((c.load + 1) / (c.lanes or 1) / c.weight, c.passed, c.name), default=None)


def advance(passed: float, weight: float, front: float) -> float:
    """Where a node stands after one more call. `front`: where the one stood that was furthest behind.

    Who was away does not catch up on what it missed, or it would get every call for a while.
    """
    return max(passed, front) + 1.0 / weight
