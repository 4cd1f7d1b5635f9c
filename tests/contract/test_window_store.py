"""The series of Google's usage windows, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gemgate.accounts import UsageWindow
from gemgate.ports.usage_windows import UsageReading, WindowStore
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.usage_windows import SqlWindowStore


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[WindowStore]:
    database = await open_database(database_url)
    yield SqlWindowStore(database)
    await database.close()


def reading(at: float, account: str = "alice", **more: object) -> UsageReading:
    window = UsageWindow("5h", 0.25, at + 3600, 75.0, None)
    return UsageReading(account, at, window, {"image": 3, "text": 1})


async def test_readings_come_back_as_they_were_oldest_first(store: WindowStore) -> None:
    told = UsageReading("alice", 200.0, UsageWindow("action 6", 0.12, None, 22.0, 25.0, "hex"))
    await store.add([reading(300.0), reading(100.0), told, reading(100.0, "bob")])
    assert list(await store.since("alice", 0.0)) == [reading(100.0), told, reading(300.0)]
    assert list(await store.since("alice", 150.0)) == [told, reading(300.0)]
    assert list(await store.since("alice", 0.0, limit=1)) == [reading(300.0)]
    assert list(await store.since("carol", 0.0)) == []


async def test_the_same_reading_is_written_once(store: WindowStore) -> None:
    await store.add([])
    await store.add([reading(100.0)])
    await store.add([reading(100.0), reading(200.0)])
    assert [one.at for one in await store.since("alice", 0.0)] == [100.0, 200.0]


async def test_what_is_old_is_forgotten_and_only_that(store: WindowStore) -> None:
    await store.add([reading(100.0), reading(200.0, "bob"), reading(300.0)])
    assert await store.forget_before(200.0) == 1
    assert await store.forget_before(200.0) == 0
    assert [one.at for one in await store.since("alice", 0.0)] == [300.0]
    assert [one.at for one in await store.since("bob", 0.0)] == [200.0]
