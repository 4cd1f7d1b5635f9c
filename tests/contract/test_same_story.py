"""The job store of the simulation and the one on SQLite tell the same story of the same random calls, at one clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from gemgate.batches import Cancelled, Checkpoint, Claim, Deferred, Done, Failed, Released
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.vault import Vault
from tests.simulation.job_rows import MemoryJobs
from tests.support.job_orders import drafts, order

STEPS = 250
VAULT = Vault(["a passphrase of the story"])
DAY = 86_400.0


def let_tell_the_time(database: Database, now: Callable[[], float]) -> None:
    """SQLite's own clock is a function, and so can be another one."""

    def connected(connection: Any, record: object) -> None:
        del record
        connection.create_function("julianday", 1, lambda word: now() / DAY + 2440587.5)

    event.listen(database._engine.sync_engine, "connect", connected)


class Both:
    """Each call goes to both stores, and both say the same."""

    def __init__(self, memory: MemoryJobs, sqlite: SqlJobStore, dice: Random) -> None:
        self.stores: tuple[Any, Any] = memory, sqlite
        self.random = dice
        self.held: list[tuple[Claim, Claim]] = []
        self.batches: list[str] = []
        self.said: list[str] = []

    async def ask(self, name: str, *given: Any) -> tuple[Any, Any]:
        one, other = [await getattr(store, name)(*given) for store in self.stores]
        self.said.append(f"{name}{given}: {one!r}"[:300])
        return one, other

    async def alike(self, name: str, *given: Any) -> Any:
        one, other = await self.ask(name, *given)
        assert one == other, "\n".join(self.said[-12:])
        return one

    async def step(self, now: float) -> None:
        dice = self.random
        batch_id = dice.choice(self.batches)
        match dice.choices(
            ("submit", "claim", "note", "settle", "renew", "expire", "change", "again", "close"),
            (1, 10, 3, 8, 2, 3, 1, 1, 2),
        )[0]:
            case "submit":
                await self.submit(now)
            case "claim":
                owner, seconds = dice.choice("ab"), dice.choice((5.0, 40.0))
                one, other = await self.ask("claim", owner, ["image"], seconds, ["alice"])
                assert (one is None) == (other is None), "\n".join(self.said[-12:])
                if one is not None:
                    assert _run(one) == _run(other), "\n".join(self.said[-12:])
                    self.held.append((one, other))
            case "renew":
                owner = dice.choice("ab")
                ids = [claim.task.id for claim, _ in self.held if claim.owner == owner]
                await self.alike("renew", owner, ids, 30.0)
            case "expire":
                await self.alike("expire")
            case "change":
                one, other = await self.ask(
                    "change", batch_id, dice.choice(("paused", "active", "active", "cancelled"))
                )
                assert one.state == other.state
            case "again":
                await self.ask("again", batch_id)
            case "close":
                one, other = await self.ask("closing", "a", 10.0)
                assert (one and one.id) == (other and other.id), "\n".join(self.said[-12:])
                if one is not None:
                    await self.alike("close", one.id, "a", "about", now)
            case deed if self.held:
                await self.of_a_run(deed)
            case _:
                return

    async def of_a_run(self, deed: str) -> None:
        """By whoever holds it, or held it once."""
        dice = self.random
        claims = dice.choice(self.held)
        outcome: Any = Checkpoint(dice.choice(("alice", "bob")), "id", dice.choice(("", "c_1")))
        if deed == "settle":
            outcome = dice.choice(
                (
                    Done("{}"),
                    Failed("code", "en", "zh", True),
                    Cancelled(),
                    Deferred(dice.choice((0.0, 20.0)), dice.random() < 0.5, "code", "en", "zh", None),
                    Released(),
                )
            )
        one, other = [
            await getattr(store, deed)(claim, outcome) for store, claim in zip(self.stores, claims, strict=True)
        ]
        self.said.append(f"{deed} {claims[0].task.id}/{claims[0].task.attempt} {outcome}: {one}")
        assert one == other, "\n".join(self.said[-12:])

    async def submit(self, now: float) -> None:
        batch = replace(
            order(f"batch_{len(self.batches) + 1:08x}"), created_at=now, concurrency=self.random.randint(1, 4)
        )
        self.batches.append(batch.id)
        await self.ask("submit", batch, drafts(self.random.randint(1, 5)))

    async def compare(self) -> None:
        for batch_id in self.batches:
            told = []
            for store in self.stores:
                batch = await store.get(None, batch_id)
                tasks = [
                    (t.id, t.status, t.attempt, t.failures, t.checkpoint, t.code, t.settled, bool(t.finished_at))
                    for t in await store.tasks(batch_id)
                ]
                told.append(
                    (batch.state, batch.tally, batch.settled, bool(batch.ended_at), bool(batch.closed_at), tasks)
                )
            assert told[0] == told[1], "\n".join(self.said[-12:])


def _run(claim: Claim) -> tuple[Any, ...]:
    return claim.task.id, claim.task.attempt, claim.task.checkpoint, claim.owner, claim.batch.id


@pytest.mark.parametrize("seed", range(4))
async def test_memory_and_sqlite_tell_the_same_story(tmp_path: Path, seed: int) -> None:
    dice, now = Random(seed), 1_800_000_000.0
    database = await open_database(tmp_path / "jobs.sqlite3")
    let_tell_the_time(database, lambda: now)
    try:
        both = Both(MemoryJobs(lambda: now), SqlJobStore(database, VAULT), dice)
        await both.submit(now)
        for _ in range(STEPS):
            now += dice.choice((0.5, 3.0, 12.0))
            await both.step(now)
            await both.compare()
        assert len(both.held) > STEPS / 10
    finally:
        await database.close()
