"""A queue that is full: what a claim and a status cost while thousands wait, and what the database does for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import event, insert, select, text

from gemgate.batches import BatchKind, Need, Released
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.job_statements import ready, runnable
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.schema import batch as batch_table
from gemgate.stores.sql.schema import task as task_table
from gemgate.stores.vault import Vault
from tests.support.job_orders import drafts, order

VAULT = Vault([Fernet.generate_key().decode()])
NEEDS: tuple[Need, ...] = ("image", "text", "image_call")
KINDS: tuple[tuple[BatchKind, Need, int], ...] = (
    ("image_call", "image_call", 1000), ("response", "text", 0), ("images", "image", 0), ("chat", "text", 3),
)  # fmt: skip


@contextmanager
def heard(database: Database) -> Iterator[list[str]]:
    """The statements that are run meanwhile."""
    said: list[str] = []

    def hear(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        said.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", hear)


async def full(store: SqlJobStore, database: Database, jobs: int, tasks: int) -> None:
    """A batch of so many tasks, and so many jobs of one task, of all kinds, that wait."""
    await store.submit(order("batch_large", concurrency=50, priority=2), drafts(tasks))
    for kind, need, priority in KINDS:
        await store.submit(order(f"like_{kind}", kind=kind, need=need, priority=priority, concurrency=1), drafts(1))
    async with database.writing() as connection:
        rows = [dict(row) for row in (await connection.execute(select(batch_table))).mappings()]
        like = [row for row in rows if row["id"].startswith("like_")]
        waits = dict((await connection.execute(select(task_table).limit(1))).mappings().one())
        for start in range(0, jobs, 500):
            numbers = range(start, min(jobs, start + 500))
            copies = [{**like[n % len(like)], "id": f"job_{n}", "created_at": 1000.0 + n} for n in numbers]
            ones = [{**waits, "id": f"job_{n}_task_0", "batch": f"job_{n}", "seq": 0, "prompt": ""} for n in numbers]
            await connection.execute(insert(batch_table), copies)
            await connection.execute(insert(task_table), ones)
    if not database.is_sqlite:
        async with database.writing() as connection:
            await connection.execute(text("ANALYZE"))


async def claims(store: SqlJobStore, count: int) -> list[float]:
    """Seconds of each of so many claims; what was claimed is given back."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        claim = await store.claim("a", NEEDS, 60.0, ["alice"])
        took.append(time.perf_counter() - began)
        if claim is not None:
            await store.settle(claim, Released())
    return took


def told(took: Sequence[float]) -> str:
    cut = statistics.quantiles(took, n=100)
    return f"p50 {cut[49] * 1e3:.1f} ms, p99 {cut[98] * 1e3:.1f} ms"


@pytest.mark.parametrize("size", [400, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_a_claim_looks_at_the_first_jobs_of_a_queue_and_at_no_other(database: Database, size: int) -> None:
    store = SqlJobStore(database, VAULT)
    empty = await claims(store, 30 if size < 1000 else 300)
    await full(store, database, size, size)
    with heard(database) as said:
        await claims(store, 1)
    claimed = [statement for statement in said if not statement.startswith(("BEGIN", "SET", "SELECT pg_"))]
    assert len(claimed) <= 10, claimed
    plan = await explained(database)
    waiting = f"{size} jobs and a batch of {size} tasks"
    print(f"\n{database._engine.dialect.name}, {waiting}: claim {told(await claims(store, len(empty)))}")
    print(f"the same with an empty queue: {told(empty)}")
    if size >= 1000 or database.is_sqlite:  # PostgreSQL reads a small table as a whole
        assert plan.count("ix_batch_turn") == len(NEEDS), plan
        assert "SCAN batch" not in plan
        assert "Seq Scan on batch" not in plan


async def explained(database: Database) -> str:
    """How the database finds the jobs whose turn it is."""
    query = ready(NEEDS, partial(runnable, accounts=["alice"]), 50).compile(
        dialect=database._engine.sync_engine.dialect, compile_kwargs={"literal_binds": True}
    )
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.reading() as connection:
        return "\n".join(
            str(row[-1]) for row in await connection.execute(text(explain + str(query).replace(":", "\\:")))
        )


@pytest.mark.parametrize("size", [400, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_the_status_of_a_batch_costs_one_row(database: Database, size: int) -> None:
    store = SqlJobStore(database, VAULT)
    await full(store, database, size, size)
    with heard(database) as said:
        found = await store.get(None, "batch_large")
    assert found is not None
    assert found.tally.queued == size
    selects = [statement for statement in said if statement.startswith("SELECT") and " batch" in statement]
    assert len(selects) == 1
    assert "FROM task" not in " ".join(said)
    with heard(database) as said:
        jobs, total = await store.latest(None, [kind for kind, _, _ in KINDS], 50)
    assert (len(jobs), total) == (50, size + len(KINDS) + 1)
    assert "FROM task" not in " ".join(said)
