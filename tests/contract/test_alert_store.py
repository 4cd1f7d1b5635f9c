"""Channels of alerts, on both databases: sealed, and sealed anew when keys are rotated."""

from __future__ import annotations

from cryptography.fernet import Fernet

from gemgate.ports.alerts import AlertChannel
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
