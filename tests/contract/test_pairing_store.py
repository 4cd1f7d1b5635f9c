"""Pairing codes and pushes, on both databases: a code counts once, a version never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from gemgate.ports.accounts import AccountSetup
from gemgate.ports.keys import ClientKey
from gemgate.ports.pairings import CookiePush, PairingCode
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.stores.sql.pairings import SqlPairingStore
from gemgate.stores.vault import Vault

CODE = PairingCode("digest-1", "alice", 700.0)
PUSH = CookiePush("alice", 5, "d5", 100.0, 100.0, "Firefox", "de")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url)
    accounts = SqlAccountStore(database, Vault([Fernet.generate_key().decode()]))
    for name in ("alice", "bob"):
        await accounts.set_up(AccountSetup(name))
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> SqlPairingStore:
    return SqlPairingStore(database)


async def test_a_code_counts_once_however_many_bring_it(store: SqlPairingStore) -> None:
    await store.offer(CODE, 100.0)
    assert await store.redeem("digest-2", 200.0) is None
    brought = await asyncio.gather(*(store.redeem("digest-1", 200.0) for _ in range(8)))
    assert [one for one in brought if one is not None] == ["alice"]


async def test_a_browser_that_is_paired_anew_begins_to_count_anew(store: SqlPairingStore) -> None:
    largest = replace(PUSH, version=2**53 - 1)
    assert await store.keep_push(largest)
    assert await store.keep_push(replace(PUSH, account="bob"))
    await store.offer(CODE, 100.0)
    assert await store.redeem("digest-2", 200.0) is None
    assert await store.pushed("alice") == largest
    assert await store.redeem("digest-1", 200.0) == "alice"
    assert await store.pushed("alice") is None
    assert await store.pushed("bob") is not None
    assert await store.keep_push(PUSH)


async def test_a_code_ends_with_its_time_and_with_the_next_one(store: SqlPairingStore) -> None:
    await store.offer(CODE, 100.0)
    assert await store.redeem("digest-1", 700.0) is None
    assert await store.redeem("digest-1", 200.0) is None  # looked at is used
    await store.offer(replace(CODE, digest="old"), 100.0)
    await store.offer(replace(CODE, digest="other", account="bob"), 100.0)
    await store.offer(replace(CODE, digest="new"), 150.0)
    assert [await store.redeem(one, 200.0) for one in ("old", "new", "other")] == [None, "alice", "bob"]


async def test_a_version_never_goes_back(store: SqlPairingStore) -> None:
    assert await store.pushed("alice") is None
    assert await store.keep_push(PUSH)
    assert not await store.keep_push(replace(PUSH, version=4))
    assert not await store.keep_push(replace(PUSH, digest="other"))
    assert await store.keep_push(replace(PUSH, seen_at=160.0))
    assert await store.pushed("alice") == replace(PUSH, seen_at=160.0)
    assert await store.keep_push(replace(PUSH, version=2**53 - 1, digest="d6"))
    assert await store.pushed("bob") is None
    assert not await store.keep_push(replace(PUSH, account="nobody"))


async def test_of_many_at_once_the_newest_stays(store: SqlPairingStore) -> None:
    pushes = [replace(PUSH, version=number, digest=f"d{number}") for number in range(1, 9)]
    await asyncio.gather(*(store.keep_push(one) for one in pushes))
    kept = await store.pushed("alice")
    assert kept is not None
    assert kept.version == 8


async def test_all_goes_with_the_account(store: SqlPairingStore, database: Database) -> None:
    keys = SqlKeyStore(database)
    await keys.add_key(ClientKey("key_1", "browser-1", "d1", "wxyz", 100.0, account="alice"))
    await keys.add_key(ClientKey("key_2", "browser-2", "d2", "wxyz", 100.0, account="bob"))
    await store.offer(CODE, 100.0)
    await store.keep_push(PUSH)
    await SqlAccountStore(database, Vault([Fernet.generate_key().decode()])).remove("alice")
    assert await store.redeem("digest-1", 200.0) is None
    assert await store.pushed("alice") is None
    holds = {key.account: key.holds(200.0) for key in await keys.keys()}
    assert holds == {"alice": False, "bob": True}
