"""The promises of `ports.UsageStore`, over both databases."""

from __future__ import annotations

import asyncio

import pytest

from gemgate.ports.usage import UsageOf, UsageQuestion, UsageSums
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.usage import SqlUsageStore

DAY = 20_000


@pytest.fixture
def store(database: Database) -> SqlUsageStore:
    return SqlUsageStore(database)


def of(day: int = DAY, hour: int = 3, key: str = "kim", account: str = "alice", outcome: str = "ok") -> UsageOf:
    return UsageOf(day, hour, key, account, "gemini-3-pro", "3 Pro", "openai", "chat", outcome)


def asked(*by: str, since: int = DAY - 500, until: int = DAY + 500, **where: str) -> UsageQuestion:
    return UsageQuestion(by, since, until, tuple(where.items()))


def one() -> UsageSums:
    return UsageSums(1, 10, 20, 2, 1, 1.5, 3_000_000_000, 1, 1)


async def test_sums_are_added_to_what_is_there(store: SqlUsageStore) -> None:
    await store.add("a", 1, {of(): one(), of(hour=4): one()}, 0.0)
    await store.add("b", 1, {of(): one()}, 0.0)
    (row,) = await store.ask(asked())
    assert row.sums == UsageSums(3, 30, 60, 6, 3, 4.5, 9_000_000_000, 3, 3)
    assert [(row.of, row.sums.calls) for row in await store.ask(asked("day", "hour"))] == [((DAY, 3), 2), ((DAY, 4), 1)]


async def test_what_a_writer_repeats_is_added_once(store: SqlUsageStore) -> None:
    for number in (1, 1, 2, 2, 1):
        await store.add("a", number, {of(): one()}, 0.0)
    (row,) = await store.ask(asked())
    assert row.sums.calls == 2


async def test_a_question_names_its_dimensions_days_and_values(store: SqlUsageStore) -> None:
    rows = [of(key=key, account=account, day=day) for key in "ab" for account in "xy" for day in (DAY, DAY + 1)]
    await store.add("w", 1, {row: one() for row in rows}, 0.0)
    by_key = await store.ask(asked("key"))
    assert [(row.of, row.sums.calls) for row in by_key] == [(("a",), 4), (("b",), 4)]
    (only,) = await store.ask(asked("account", since=DAY, until=DAY + 1, key="a", account="y"))
    assert (only.of, only.sums.calls) == (("y",), 1)
    assert not await store.ask(asked(since=DAY + 2))
    assert not await store.ask(asked("key", since=DAY + 2))
    cut = UsageQuestion(("day", "key"), DAY, DAY + 2, (), 3)
    assert len(await store.ask(cut)) == 3


async def test_days_are_forgotten_whole(store: SqlUsageStore) -> None:
    await store.add("a", 1, {of(day=day): one() for day in range(DAY, DAY + 4)}, DAY * 86_400.0)
    assert await store.forget_before(DAY + 2) == 4  # an hour and its day each
    assert [row.of for row in await store.ask(asked("day"))] == [(DAY + 2,), (DAY + 3,)]
    assert [row.of for row in await store.ask(asked("day", "hour"))] == [(DAY + 2, 3), (DAY + 3, 3)]


async def test_writers_at_once_lose_nothing(store: SqlUsageStore) -> None:
    keys = [f"k{number}" for number in range(8)]

    async def writes(name: str) -> None:
        order = keys if name < "c" else keys[::-1]
        for number in range(1, 6):
            await store.add(name, number, {of(key=key): one() for key in order}, 0.0)

    await asyncio.gather(*(writes(name) for name in "abcd"))
    assert {row.sums.calls for row in await store.ask(asked("key"))} == {20}
