"""How the loops of the job engine wait: until this process knows of something, or for a while."""

from __future__ import annotations

from gemgate.errors import StorageDown
from gemgate.jobs.rules import JobRules
from gemgate.ports.jobs import JobStore
from gemgate.ports.wakeup import Wakeup


async def until_due(store: JobStore, wakeup: Wakeup, rules: JobRules) -> None:
    """Return when there may be something to do; while there is no batch, the store is asked rarely."""
    while not wakeup.woken and await _at_rest(store):
        await wakeup.wait(rules.idle)
    wakeup.clear()


async def _at_rest(store: JobStore) -> bool:
    try:
        return await store.at_rest()
    except StorageDown:
        return False  # whoever asks next says so
