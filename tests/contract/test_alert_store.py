"""Channels of alerts, on both databases: sealed, and sealed anew when keys are rotated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from gemgate.ports.alerts import AlertChannel, AlertStore
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.database import open_database
from gemgate.stores.vault import Vault

CHANNEL = AlertChannel("alert_1", "webhook", "example.com", "https://example.com/secret-path", 100.0)


async def test_a_new_first_key_seals_everything_anew(database_url: str) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    database = await open_database(database_url)
    try:
        await SqlAlertStore(database, Vault([old])).add(CHANNEL)
        both = SqlAlertStore(database, Vault([new, old]))
        assert await both.rewrap() == 1
        assert await both.rewrap() == 0
        assert list(await SqlAlertStore(database, Vault([new])).channels()) == [CHANNEL]
        (lost,) = await SqlAlertStore(database, Vault([old])).channels()
        assert (lost.url, lost.host) == ("", "example.com")
        assert await SqlAlertStore(database, Vault([Fernet.generate_key().decode()])).rewrap() == 0
    finally:
        await database.close()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[AlertStore]:
    database = await open_database(database_url)
    yield SqlAlertStore(database, Vault([Fernet.generate_key().decode()]))
    await database.close()


async def test_channels_come_oldest_first_with_their_addresses(store: AlertStore) -> None:
    later = replace(CHANNEL, id="alert_0", created_at=200.0)
    await store.add(later)
    await store.add(CHANNEL)
    assert list(await store.channels()) == [CHANNEL, later]


async def test_a_channel_that_is_removed_is_gone_once(store: AlertStore) -> None:
    await store.add(CHANNEL)
    assert await store.remove(CHANNEL.id)
    assert not await store.remove(CHANNEL.id)
    assert list(await store.channels()) == []
