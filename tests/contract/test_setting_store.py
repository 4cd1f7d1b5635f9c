"""Changed settings, on both databases: the last change of each counts, and only that can be undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gemgate.errors import Conflict
from gemgate.ports.settings import SettingChange, SettingStore
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.live_settings import SqlSettingStore


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SettingStore]:
    database = await open_database(database_url)
    yield SqlSettingStore(database)
    await database.close()


async def test_the_last_change_of_each_counts_until_it_is_given_back(store: SettingStore) -> None:
    assert await store.values() == {}
    (first,) = await store.change({"budget": '"a=1"'}, "admin", 1.0)
    assert first == SettingChange("budget", 1, 1.0, "admin", None, '"a=1"')
    second, other = await store.change({"budget": '"a=2"', "rpm_limit": "5"}, "admin", 2.0)
    assert (second.version, second.before, other.version) == (2, '"a=1"', 1)
    assert await store.values() == {"budget": '"a=2"', "rpm_limit": "5"}
    assert list(await store.change({"rpm_limit": "5"}, "admin", 3.0)) == [], "it is so already"
    await store.change({"budget": None}, "admin", 4.0)
    assert await store.values() == {"rpm_limit": "5"}
    assert [(one.name, one.version) for one in await store.changes()][:1] == [("budget", 3)]
    assert len(await store.changes(2)) == 2


async def test_only_the_last_change_can_be_undone(store: SettingStore) -> None:
    (first,) = await store.change({"rpm_limit": "5"}, "ann", 1.0)
    (second,) = await store.change({"rpm_limit": "6"}, "ben", 2.0)
    for stale in (first, replace(second, after="7")):
        with pytest.raises(Conflict, match="RPM_LIMIT"):
            await store.change({"rpm_limit": stale.before}, "ann", 3.0, undoes=stale)
    (undone,) = await store.change({"rpm_limit": second.before}, "ann", 3.0, undoes=second)
    assert (undone.before, undone.after, await store.values()) == ("6", "5", {"rpm_limit": "5"})


async def test_of_two_at_the_same_moment_each_is_a_version_or_told(store: SettingStore) -> None:
    wanted = [store.change({"rpm_limit": str(number)}, "admin", float(number)) for number in range(1, 9)]
    ended = await asyncio.gather(*wanted, return_exceptions=True)
    made = [one[0] for one in ended if not isinstance(one, BaseException)]
    assert all(isinstance(one, Conflict) for one in ended if isinstance(one, BaseException))
    assert sorted(one.version for one in made) == list(range(1, len(made) + 1))
    by_version = sorted(made, key=lambda one: one.version)
    assert [one.before for one in by_version] == [None, *(one.after for one in by_version[:-1])]
    assert await store.values() == {"rpm_limit": by_version[-1].after}
