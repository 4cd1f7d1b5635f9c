"""The promises of `ports.ResponseStore`, over both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gemgate.ports.conversations import ResponseStore, StoredResponse
from gemgate.stores.sql.conversations import SqlResponseStore
from gemgate.stores.sql.database import open_database

ONE = StoredResponse("resp_1", "alice", '{"id":"resp_1"}', "[]", 100.0)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[ResponseStore]:
    database = await open_database(database_url)
    yield SqlResponseStore(database)
    await database.close()


async def test_what_was_saved_is_its_tenants_alone(store: ResponseStore) -> None:
    await store.save(ONE)
    await store.save(ONE)
    assert await store.get("resp_1", "alice") == ONE
    assert await store.get("resp_1", "bob") is None
    assert not await store.delete("resp_1", "bob")
    assert await store.get("resp_1", "alice") == ONE


async def test_what_is_deleted_is_gone_once(store: ResponseStore) -> None:
    await store.save(ONE)
    assert await store.delete("resp_1", "alice")
    assert not await store.delete("resp_1", "alice")
    assert await store.get("resp_1", "alice") is None


async def test_what_is_old_is_dropped_and_counted(store: ResponseStore) -> None:
    for number in range(4):
        await store.save(replace(ONE, id=f"resp_{number}", created_at=100.0 + number))
    assert await store.forget_before(102.0) == 2
    assert await store.forget_before(102.0) == 0
    assert await store.get("resp_1", "alice") is None
    assert await store.get("resp_2", "alice") is not None


async def test_two_dialects_share_it_and_do_not_see_each_others(database_url: str) -> None:
    database = await open_database(database_url)
    try:
        responses, interactions = SqlResponseStore(database, "resp_"), SqlResponseStore(database, "int_")
        await responses.save(ONE)
        assert await responses.get("resp_1", "alice") == ONE
        assert await interactions.get("resp_1", "alice") is None
        assert not await interactions.delete("resp_1", "alice")
        assert await responses.delete("resp_1", "alice")
    finally:
        await database.close()
