"""Keys made on the page and its sessions, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gemgate.errors import Conflict
from gemgate.ports.keys import ClientKey, PageSession
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.keys import SqlKeyStore

KEY = ClientKey("key_1", "phone", "d1", "wxyz", 100.0, frozenset({"m1", "m2"}), frozenset({"chat"}), 30, 900.0)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlKeyStore]:
    database = await open_database(database_url)
    yield SqlKeyStore(database)
    await database.close()


async def test_a_key_comes_back_as_it_was_made(store: SqlKeyStore) -> None:
    await store.add_key(KEY)
    plain = ClientKey("key_2", "desk", "d2", "abcd", 200.0)
    await store.add_key(plain)
    assert list(await store.keys()) == [plain, KEY]


async def test_a_revoked_key_keeps_its_name_for_ever(store: SqlKeyStore) -> None:
    await store.add_key(KEY)
    assert await store.revoke_key("key_1", 150.0)
    assert not await store.revoke_key("key_1", 160.0)
    assert not await store.revoke_key("key_9", 160.0)
    (kept,) = await store.keys()
    assert kept.revoked_at == 150.0
    assert not kept.holds(151.0)
    with pytest.raises(Conflict):
        await store.add_key(replace(KEY, id="key_3", digest="d3"))


async def test_use_is_noted_forwards_only(store: SqlKeyStore) -> None:
    await store.add_key(KEY)
    await store.used({"key_1": 300.0, "key_9": 300.0})
    await store.used({"key_1": 200.0})
    assert (await store.keys())[0].used_at == 300.0


async def test_sessions_expire_and_end(store: SqlKeyStore) -> None:
    first = PageSession("s1", "x1", 100.0, 200.0, "10.0.0.1", "Firefox")
    await store.add_session(first)
    await store.add_session(PageSession("s2", "x2", 150.0, 400.0))
    assert [s.id for s in await store.sessions(199.0)] == ["s2", "s1"]
    assert [s.id for s in await store.sessions(200.0)] == ["s2"]
    await store.add_session(PageSession("s3", "x3", 250.0, 500.0))
    assert [s.id for s in await store.sessions(0.0)] == ["s3", "s2"]
    assert await store.end_session("s2")
    assert not await store.end_session("s2")
    assert await store.end_sessions() == 1
    assert not await store.sessions(0.0)


async def test_a_name_of_the_settings_is_nobody_elses(store: SqlKeyStore) -> None:
    await store.add_key(KEY)
    await store.reserve(["ann", "ben"], 50.0)
    await store.reserve(["ann"], 60.0)
    assert [key.name for key in await store.keys()] == ["phone"]
    with pytest.raises(Conflict):
        await store.add_key(replace(KEY, id="key_3", name="ann", digest="d3"))
    await store.revoke_key("key_1", 70.0)
    with pytest.raises(Conflict) as refused:
        await store.reserve(["carol", "phone"], 80.0)
    assert refused.value.param == "phone"
