"""Channels of alerts that were set up on the page; their addresses are sealed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, delete, insert, select, update

from gemgate.errors import AccountError
from gemgate.ports.alerts import AlertChannel
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import alert_channel


class SqlAlertStore:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def channels(self) -> Sequence[AlertChannel]:
        query = select(alert_channel).order_by(alert_channel.c.created_at, alert_channel.c.id)
        async with self._database.reading() as connection:
            rows = list(await connection.execute(query))
        found: list[AlertChannel] = []
        for row in rows:
            try:
                url = (await self._vault.open(_subject(row.id), Sealed(row.url_key, row.url)))["url"]
            except AccountError:
                url = ""
            found.append(AlertChannel(row.id, row.kind, row.host, url, row.created_at))
        return found

    async def add(self, channel: AlertChannel) -> None:
        sealed = await self._vault.seal(_subject(channel.id), {"url": channel.url})
        values = {
            "id": channel.id,
            "kind": channel.kind,
            "host": channel.host,
            "url": sealed.text,
            "url_key": sealed.key_id,
            "created_at": channel.created_at,
        }
        async with self._database.writing() as connection:
            await connection.execute(insert(alert_channel).values(values))

    async def remove(self, channel_id: str) -> bool:
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(alert_channel).where(alert_channel.c.id == channel_id))
        return bool(gone.rowcount)

    async def rewrap(self) -> int:
        """Seal every address under the first key that is not yet; how many were changed."""
        async with self._database.reading() as connection:
            rows = list(await connection.execute(select(alert_channel)))
        changed = 0
        for row in rows:
            try:
                new = await self._vault.rewrap(_subject(row.id), Sealed(row.url_key, row.url))
            except AccountError:
                continue  # its key is gone: the page says so
            if new is not None:
                same = and_(alert_channel.c.id == row.id, alert_channel.c.url == row.url)
                values = {"url": new.text, "url_key": new.key_id}
                async with self._database.writing() as connection:
                    changed += (await connection.execute(update(alert_channel).where(same).values(values))).rowcount
        return changed


def _subject(channel_id: str) -> str:
    return f"alert channel {channel_id}"
