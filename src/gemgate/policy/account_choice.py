"""Load balancing: which of several accounts takes a call. One that may start now, with something left, least busy for
its weight, then longest unused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """`busy`: calls under way; `last_used`: seconds of any one clock; `wait`: seconds until its way out may be used;
    `used_up`: nothing may be left of what Google counts.
    """

    name: str
    busy: int
    weight: float = 1.0
    last_used: float = 0.0
    wait: float = 0.0
    used_up: bool = False


def choose(candidates: Iterable[Candidate], prefer: str | None = None) -> Candidate | None:
    """The preferred one if it is among them, else the least loaded; None when there is none."""
    rest = [candidate for candidate in candidates if candidate.weight > 0]
    if preferred := next((candidate for candidate in rest if candidate.name == prefer), None):
        return preferred
    return min(rest, key=lambda c: (c.wait, c.used_up, (c.busy + 1) / c.weight, c.last_used), default=None)
