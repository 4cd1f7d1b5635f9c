"""What a forecast takes for work that stands ahead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gemgate.batches import Batch, TaskCounts
from gemgate.jobs.capacity import LATEST, Planner
from gemgate.pool.pool import AccountPool
from gemgate.testing import FakeClock
from tests.support.job_orders import order


async def test_an_old_batch_that_is_open_stands_ahead_however_many_came_after_it() -> None:
    waiting = order("old", created_at=1.0, tally=TaskCounts(queued=900))
    ended = [order(f"b{n}", created_at=2.0 + n, tally=TaskCounts(done=1), closed_at=9.0) for n in range(LATEST)]
    clock = FakeClock()

    async def latest(tenant: None, kinds: Any, limit: int, status: str | None = None) -> tuple[list[Batch], int]:
        found = [one for one in [*ended[::-1], waiting] if status in (None, one.status)]
        return found[:limit], len(found)

    async def none(*_: Any) -> list[Any]:
        return []

    async def elsewhere() -> int:
        return 0

    store: Any = SimpleNamespace(latest=latest, ended=none)
    planner = Planner(store, AccountPool(clock=clock, random=lambda: 0.0), clock, elsewhere)
    work = await planner._work("image")
    assert [one.id for one in work.open] == ["old"]
