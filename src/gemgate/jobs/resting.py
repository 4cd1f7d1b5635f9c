"""How the loops of the job engine wait: until this process knows of something, or for a while."""

from __future__ import annotations

import asyncio

from gemgate.errors import StorageDown
from gemgate.jobs.rules import JobRules
from gemgate.ports.jobs import JobStore
from gemgate.ports.runtime import Clock


async def rest(clock: Clock, woken: asyncio.Event, seconds: float) -> None:
    """Until somebody wakes us, or so long."""
    resting = asyncio.ensure_future(clock.sleep(seconds))
    waking = asyncio.ensure_future(woken.wait())
    try:
        await asyncio.wait({resting, waking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        resting.cancel()
        waking.cancel()


async def until_due(store: JobStore, clock: Clock, woken: asyncio.Event, rules: JobRules) -> None:
    """Return when there may be something to do; while there is no batch, the store is asked rarely."""
    while not woken.is_set() and await _at_rest(store):
        await rest(clock, woken, rules.idle)
    woken.clear()


async def _at_rest(store: JobStore) -> bool:
    try:
        return await store.at_rest()
    except StorageDown:
        return False  # whoever asks next says so
