"""When batches will be done, and what would be done of an order by when: from how long the last tasks took, what stands
ahead, and the accounts as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from gemgate.accounts import Capability
from gemgate.batches import Batch, BatchKind, JobStatus
from gemgate.frozen import frozen
from gemgate.jobs.worker import NEEDS
from gemgate.offload import offload
from gemgate.policy.capacity import Capacity, Forecast, Source, forecast
from gemgate.pool.capacity import capacity
from gemgate.pool.pool import AccountPool
from gemgate.ports.jobs import JobStore
from gemgate.ports.runtime import Clock

KINDS_OF: dict[Capability, tuple[BatchKind, ...]] = {
    "image": ("images", "generations", "edits"),
    "text": ("chat", "responses"),
    "video": ("video",),
}
SAMPLE = 20
"""Tasks of a batch from whose ends it is measured how long one takes."""
LATEST = 50
"""Batches that are looked through for such tasks."""
MOST_OPEN = 500
"""Batches of each kind of standing that count as work ahead: those that nobody has begun, and those under way."""
MEASURED_IN = 3
"""Batches that have done something, the newest, from which it is measured."""
_OPEN: tuple[JobStatus, ...] = ("queued", "processing")
FRESH = 5.0
"""Seconds for which what was looked up counts."""


@frozen
class _Work:
    """What the store said. open: batches that are not over; seconds: that a task took, None unknown; elsewhere: lanes
    of other nodes; at: in epoch seconds.
    """

    open: Sequence[Batch]
    seconds: float | None
    elsewhere: int
    at: float


@dataclass(slots=True)
class Planner:
    """`elsewhere`: lanes of the accounts that other nodes run."""

    store: JobStore
    pool: AccountPool
    clock: Clock
    elsewhere: Callable[[], Awaitable[int]]
    _known: dict[Capability, _Work] = field(default_factory=dict)

    async def of_batch(self, batch: Batch) -> Forecast | None:
        """When a batch will be done; None while it is not under way, or nothing of it is left."""
        if batch.state != "active" or not batch.tally.open:
            return None
        capability = NEEDS[batch.need]
        work = await self._work(capability)
        seconds = await self._seconds_of(batch) or work.seconds
        ahead = _ahead(work.open, batch.tally.open, batch.priority, batch.id)
        return await self._forecast(
            capability, replace(work, seconds=seconds), batch.tally.open, ahead, batch.concurrency
        )

    async def of_order(self, capability: Capability, count: int, *, priority: int = 0, lanes: int = 0) -> Forecast:
        """When so many calls would be done if they were ordered now; behind what stands ahead of them."""
        work = await self._work(capability)
        ahead = _ahead(work.open, count, priority, "")
        return await self._forecast(capability, work, count, ahead, lanes)

    async def _forecast(self, capability: Capability, work: _Work, count: int, ahead: int, lanes: int) -> Forecast:
        """Its own lanes bound a batch only where nothing stands beside it."""
        now = self.clock.now()
        there = capacity(self.pool, capability, work.seconds, now)
        there = replace(there, lanes=0 if ahead else lanes)
        if work.elsewhere:
            other = Source("other nodes", work.elsewhere)
            there = Capacity(
                [*there.sources, other], there.seconds, there.lanes, there.paces, [*there.unknown, "elsewhere"]
            )
        found = await offload(len(there.sources) * (count + ahead), lambda: forecast(there, count + ahead, now))
        behind = tuple((at, max(0.0, done - ahead)) for at, done in found.curve)
        return replace(found, count=count, curve=behind)

    async def _work(self, capability: Capability) -> _Work:
        now = self.clock.now()
        known = self._known.get(capability)
        if known is None or not 0 <= now - known.at < FRESH:
            kinds = KINDS_OF.get(capability, ())
            latest, _ = await self.store.latest(None, kinds, LATEST)
            made = [batch for batch in latest if batch.tally.done][:MEASURED_IN]
            spans = [span for batch in made if (span := await self._seconds_of(batch)) is not None]
            seconds = sum(spans) / len(spans) if spans else None
            open_ones = [await self.store.latest(None, kinds, MOST_OPEN, status=one) for one in _OPEN]
            going = [batch for found, _ in open_ones for batch in found]
            known = self._known[capability] = _Work(going, seconds, await self.elsewhere(), now)
        return known

    async def _seconds_of(self, batch: Batch) -> float | None:
        """How long the last tasks of a batch took, on average; None where fewer than two have made something."""
        last = await self.store.ended(batch.id, max(0, batch.settled - SAMPLE), SAMPLE)
        made = [task for task in last if task.status == "done" and task.started_at and task.attempt <= 1]
        spans = [task.finished_at - task.started_at for task in made]  # of one that ran twice the wait is in it
        return max(0.001, sum(spans) / len(spans)) if len(spans) > 1 else None


def _ahead(open_ones: Sequence[Batch], count: int, priority: int, own: str) -> int:
    """Tasks of others that will be done before these: all of a higher priority; of the same one, in turns, as many."""
    others = [batch for batch in open_ones if batch.id != own and batch.priority >= priority]
    return sum(one.tally.open if one.priority > priority else min(one.tally.open, count) for one in others)
