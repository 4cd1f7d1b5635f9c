"""The garbage collector walks through what is new: what has stayed once stays for good.

A call leaves it nothing to find (`tests/integration/soak/test_released.py`), so that it comes by rarely; and what it
looks through meanwhile, it looks through while everything waits: a millisecond for some 5 000 objects. Each is looked
at in three collections, however often these come; so they come often enough to be short.
"""

from __future__ import annotations

import gc

COLLECTED_EVERY = (20_000, 5, 2)
"""Allocations between two collections of young objects, and collections between those of older ones: a whole one has
200 000 objects to look through at most. (With 20 and 20 it had 300 000 after 60 000 requests.)"""


def keep() -> None:
    """What there is stays: the collector need not walk through it again and again. It is still freed when nothing holds
    it; only circles of it are not found any more.
    """
    gc.freeze()


def collect_rarely() -> None:
    """Once, when everything is built: keep it, and from now on whatever a whole collection has looked at in vain."""
    keep()
    gc.set_threshold(*COLLECTED_EVERY)
    if _keep_survivors not in gc.callbacks:
        gc.callbacks.append(_keep_survivors)


def _keep_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == len(COLLECTED_EVERY) - 1:
        keep()
