"""The promises of `ports.Budgets`, over both databases and several processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from gemgate.caller import NO_BUDGET, Budget, Cost, Left
from gemgate.errors import OverBudget, RateLimited, StorageDown
from gemgate.ports.keys import ClientKey
from gemgate.stores.sql import budgets as module
from gemgate.stores.sql.budgets import SqlBudgets, seconds_left
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.telemetry import SystemClock
from gemgate.testing import FakeClock

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
IMAGES = Budget.parse("images_per_day=3")
ONE = Cost(images=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def budgets(database: Database, clock: FakeClock) -> SqlBudgets:
    return SqlBudgets(database, clock)


async def test_what_is_taken_is_counted_until_nothing_is_left(budgets: SqlBudgets) -> None:
    for number, remaining in enumerate((2, 1, 0)):
        left = await budgets.take(f"c{number}", "kim", IMAGES, ONE, at_once=True)
        assert left == (Left("key", "images_per_day", 3, remaining, 12 * 3600.0),)
    with pytest.raises(OverBudget) as refused:
        await budgets.take("c3", "kim", IMAGES, ONE, at_once=True)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.retry_after == 12 * 3600
    assert "2026-12-01 00:00 UTC" in refused.value.en
    assert refused.value.details["budget"] == "key;images_per_day;limit=3;left=0;reset=43200"
    assert await budgets.take("c4", "kim", IMAGES, Cost(), at_once=True)  # a chat needs no image
    assert await budgets.take("c5", "lee", IMAGES, ONE, at_once=True)  # another key


async def test_all_or_nothing_of_it_is_counted(budgets: SqlBudgets) -> None:
    budget = Budget.parse("images_per_day=3,calls_per_month=2")
    with pytest.raises(OverBudget):
        await budgets.take("c1", "kim", budget, Cost(images=4), at_once=True)
    assert [one.remaining for one in await budgets.take("c2", "kim", budget, Cost(images=3), at_once=True)] == [1, 0]


async def test_a_new_day_and_month_begin_anew(budgets: SqlBudgets, clock: FakeClock) -> None:
    both = Budget.parse("images_per_day=1,images_per_month=1")
    await budgets.take("c1", "kim", both, ONE, at_once=True)
    await clock.advance(12 * 3600 - 1)
    with pytest.raises(OverBudget):
        await budgets.take("c2", "kim", both, ONE, at_once=True)
    await clock.advance(1)  # December
    assert [one.remaining for one in await budgets.take("c3", "kim", both, ONE, at_once=True)] == [0, 0]


async def test_what_was_not_made_is_given_back_and_tokens_count_at_the_end(budgets: SqlBudgets) -> None:
    budget = Budget.parse("images_per_day=3,tokens_per_day=100")
    await budgets.take("c1", "kim", budget, Cost(images=3), at_once=True)
    budgets.settle("c1", Cost(tokens=100, images=1), over=True)
    budgets.settle("c1", Cost(tokens=100, images=1), over=True)  # told twice, counted once
    await budgets.written()
    with pytest.raises(OverBudget, match="tokens"):
        await budgets.take("c2", "kim", budget, Cost(), at_once=True)
    left = await budgets.take("c3", "kim", Budget.parse("images_per_day=3"), Cost(images=2), at_once=True)
    assert left[0].remaining == 0


async def test_images_that_nobody_asked_for_are_counted(budgets: SqlBudgets) -> None:
    await budgets.take("c1", "kim", IMAGES, Cost(), at_once=True)
    budgets.settle("c1", Cost(images=3), over=True)
    with pytest.raises(OverBudget):
        await budgets.take("c2", "kim", IMAGES, ONE, at_once=True)


async def test_calls_in_flight_are_few_and_a_dead_process_s_are_forgotten(
    budgets: SqlBudgets, database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = Budget.parse("at_once=2")
    other = SqlBudgets(database, clock)
    await budgets.take("c1", "kim", two, ONE, at_once=True)
    await other.take("c2", "kim", two, ONE, at_once=True)
    with pytest.raises(RateLimited) as refused:
        await budgets.take("c3", "kim", two, ONE, at_once=True)
    assert refused.value.code == "rate_limit_exceeded"
    assert await budgets.take("t1", "kim", two, ONE, at_once=False) == ()  # a task of a batch has its turn elsewhere
    budgets.settle("c1", ONE, over=True)
    monkeypatch.setattr(module, "LEASE", -1.0)
    await budgets.take("c4", "kim", two, ONE, at_once=True)  # its process dies at once
    await budgets.take("c5", "kim", two, ONE, at_once=True)


async def test_a_task_is_charged_once_whoever_runs_it(
    budgets: SqlBudgets, database: Database, clock: FakeClock
) -> None:
    other = SqlBudgets(database, clock)
    for one in (budgets, other, budgets):
        left = await one.take("t1", "kim", IMAGES, ONE, at_once=False)
        assert left[0].remaining == 2
    budgets.settle("t1", Cost(tokens=5), over=False)
    other.resume("t1")
    other.settle("t1", ONE, over=True)
    await other.written()
    budgets.settle("t1", ONE, over=True)  # late, and gone
    await budgets.written()
    left = await budgets.take("t2", "kim", IMAGES, ONE, at_once=False)
    assert left[0].remaining == 1


async def test_all_keys_together_and_every_key_have_budgets(database: Database, clock: FakeClock) -> None:
    each, overall = Budget.parse("images_per_day=2,calls_per_day=9"), Budget.parse("images_per_day=3")
    budgets = SqlBudgets(database, clock, overall, each)
    await budgets.take("c1", "kim", NO_BUDGET, Cost(images=2), at_once=True)
    with pytest.raises(OverBudget, match="of this key of 2 images"):
        await budgets.take("c2", "kim", NO_BUDGET, ONE, at_once=True)
    with pytest.raises(OverBudget, match="of all keys together of 3 images"):
        await budgets.take("c3", "lee", NO_BUDGET, Cost(images=2), at_once=True)
    left = await budgets.take("c4", "kim", IMAGES, ONE, at_once=True)  # its own stands in the place of the general one
    assert {(one.scope, one.name, one.remaining) for one in left} == {
        ("all", "images_per_day", 0),
        ("key", "images_per_day", 0),
        ("key", "calls_per_day", 7),
    }


async def test_a_key_s_budget_is_found_by_its_name(budgets: SqlBudgets, database: Database) -> None:
    keys = SqlKeyStore(database)
    await keys.add_key(ClientKey("key_1", "kim", "d1", "wxyz", 1.0, budget=IMAGES))
    assert (await budgets.take("t1", "kim", None, ONE, at_once=False))[0].remaining == 2
    assert await keys.set_budget("key_1", Budget.parse("images_per_day=1"))
    with pytest.raises(OverBudget):
        await budgets.take("t2", "kim", None, ONE, at_once=False)
    with pytest.raises(OverBudget):
        await budgets.check("kim", (await keys.keys())[0].budget, ONE)
    await budgets.check("kim", IMAGES, ONE)
    assert await budgets.take("t3", "lee", None, ONE, at_once=False) == ()
    assert not await keys.set_budget("key_2", IMAGES)


WORK = """
import asyncio, sys
from gemgate.caller import Budget, Cost
from gemgate.errors import OverBudget
from gemgate.stores.sql.budgets import SqlBudgets
from gemgate.stores.sql.database import unopened
from gemgate.telemetry import SystemClock
from pathlib import Path

async def main(url, name, limit, calls):
    database = unopened(url if "://" in url else Path(url))
    budgets, budget, got = SqlBudgets(database, SystemClock()), Budget.parse(f"images_per_month={limit}"), 0
    async def call(number):
        nonlocal got
        try:
            await budgets.take(f"{name}-{number}", "kim", budget, Cost(images=1), at_once=True)
        except OverBudget:
            return
        made = number % 5 > 0
        budgets.settle(f"{name}-{number}", Cost(images=int(made)), over=True)
        got += made
    for first in range(0, int(calls), 5):
        await asyncio.gather(*(call(first + number) for number in range(5)))
    await budgets.written()
    print(got)
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


def run(url: object, name: str, limit: int, calls: int) -> subprocess.Popen[str]:
    """A process that makes so many calls for an image, five at a time, and prints how many it got."""
    command = [sys.executable, "-c", WORK, str(url), name, str(limit), str(calls)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def exactly(database: Database, url: object, limit: int, processes: int, calls: int) -> None:
    """A fifth of the calls fail and give their image back; more are wanted than there are."""
    ran = [run(url, f"p{number}", limit, calls) for number in range(processes)]
    told = await asyncio.gather(*(asyncio.to_thread(one.communicate, None, 240) for one in ran))
    made = sum(int(text) for text, _ in told)
    budgets, spare = SqlBudgets(database, SystemClock()), 0
    with suppress(OverBudget):
        while True:
            await budgets.take(f"last{spare}", "kim", Budget.of({"images_per_month": limit}), ONE, at_once=True)
            spare += 1
    assert made + spare == limit
    assert spare <= processes * 5  # what was given back after others had been refused


async def test_a_budget_is_exact_under_processes(database: Database, database_url: str) -> None:
    await exactly(database, database_url, limit=8, processes=2, calls=5)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_budget_of_100_images_under_8_processes_is_100(database: Database, database_url: str) -> None:
    await exactly(database, database_url, limit=100, processes=8, calls=20)


@pytest.mark.parametrize(
    ("period", "when", "seconds"),
    [
        ("day", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 1),
        ("month", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 1),
        ("month", datetime(2028, 2, 1, tzinfo=UTC), 29 * 86_400),
        ("day", datetime(2026, 1, 1, tzinfo=UTC), 86_400),
    ],
)
def test_days_and_months_end_in_utc(period: str, when: datetime, seconds: int) -> None:
    assert seconds_left(period, when.timestamp()) == seconds


async def test_what_is_left_is_told_without_a_call(database: Database, clock: FakeClock) -> None:
    budgets = SqlBudgets(
        database, clock, Budget.parse("calls_per_month=9,at_once=2"), Budget.parse("tokens_per_day=50")
    )
    keys = {"kim": IMAGES, "lee": NO_BUDGET}
    before = await budgets.standing(keys)
    assert [(one.name, one.remaining) for one in before[None]] == [("calls_per_month", 9), ("at_once", 2)]
    left = await budgets.take("c1", "kim", IMAGES, ONE, at_once=True)
    for _ in range(2):  # asking counts nothing
        found = await budgets.standing(keys)
        assert set(left) <= {*found[None], *found["kim"]}
    assert found["lee"] == (Left("key", "tokens_per_day", 50, 50, 12 * 3600.0),)
    budgets.settle("c1", Cost(tokens=80, images=1), over=True)
    found = await budgets.standing(keys)
    assert [(one.name, one.remaining) for one in found["kim"]] == [("tokens_per_day", 0), ("images_per_day", 2)]
    assert [(one.name, one.remaining) for one in found[None]] == [("calls_per_month", 8), ("at_once", 2)]


class Unsure:
    """A database that, told so, is away before a transaction or behind its commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.before = self.behind = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        if self.before:
            raise StorageDown("away")
        async with self._database.writing() as connection:
            yield connection
        if self.behind:
            raise StorageDown("no answer in time")


@pytest.fixture
def unsure(database: Database) -> Unsure:
    return Unsure(database)


@pytest.fixture
def shaky(unsure: Unsure, clock: FakeClock) -> SqlBudgets:
    return SqlBudgets(unsure, clock)  # type: ignore[arg-type]


async def test_a_charge_whose_commit_nobody_heard_of_can_be_given_back(unsure: Unsure, shaky: SqlBudgets) -> None:
    budget = Budget.parse("images_per_day=3,calls_per_day=1")
    for charge, moment in (("c1", "behind"), ("c2", "before")):
        setattr(unsure, moment, True)
        with pytest.raises(StorageDown):
            await shaky.take(charge, "kim", budget, Cost(images=3), at_once=True)
        unsure.before = unsure.behind = False
        shaky.settle(charge, Cost(0), over=True)
        await shaky.written()
    left = await shaky.take("c3", "kim", budget, Cost(images=3), at_once=True)
    assert [one.remaining for one in left] == [0, 0]


async def test_tokens_of_a_run_are_counted_once_however_its_commit_ended(unsure: Unsure, shaky: SqlBudgets) -> None:
    """The first is told away, the second unheard of, the third comes while both wait."""
    keys = {"kim": Budget.parse("tokens_per_day=100")}
    await shaky.take("t1", "kim", keys["kim"], Cost(), at_once=False)
    unsure.before = True
    shaky.settle("t1", Cost(tokens=30), over=False)
    with pytest.raises(StorageDown):
        await shaky.written()
    shaky.resume("t1")
    shaky.settle("t1", Cost(tokens=20), over=False)
    unsure.before, unsure.behind = False, True
    with pytest.raises(StorageDown):
        await shaky.written()
    shaky.resume("t1")
    shaky.settle("t1", Cost(tokens=5), over=True)
    unsure.behind = False
    assert [one.remaining for one in (await shaky.standing(keys))["kim"]] == [45]


async def test_what_goes_on_elsewhere_is_not_remembered_for_ever(budgets: SqlBudgets) -> None:
    for number in range(3):
        await budgets.take(f"t{number}", "kim", IMAGES, ONE, at_once=False)
        budgets.settle(f"t{number}", Cost(tokens=1), over=False)
    await budgets.written()
    assert budgets._mine == {}


async def test_written_waits_for_what_another_is_writing(budgets: SqlBudgets, database: Database) -> None:
    """Else a call could be refused for images that were given back before it came."""
    await budgets.take("c1", "kim", IMAGES, Cost(images=3), at_once=True)
    budgets.settle("c1", Cost(), over=True)
    writing = asyncio.create_task(budgets.written())
    await asyncio.sleep(0)
    await budgets.written()
    assert writing.done()
    await writing
