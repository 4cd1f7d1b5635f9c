"""Whom the page was told to alert: addresses are sealed, for whoever knows one can send there."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select

from gemgate.errors import AccountError
from gemgate.ports import AlertPlace, ChannelKind, Sealed
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import alert_channel
from gemgate.stores.vault import Vault


class SqlAlertChannels:
    """Behind `ports.AlertPlaces`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def all(self) -> tuple[AlertPlace, ...]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(alert_channel).order_by(alert_channel.c.created_at))).all()
        found = []
        for row in rows:
            try:
                opened = await self._vault.open(row.id, Sealed(row.url_key, row.url))
            except AccountError:
                opened = {"url": ""}
            found.append(AlertPlace(row.id, row.kind, row.place, opened["url"], row.created_at))
        return tuple(found)

    async def add(self, kind: ChannelKind, url: str, now: float) -> AlertPlace:
        place = AlertPlace(f"alert_{secrets.token_hex(6)}", kind, urlsplit(url).netloc.rpartition("@")[2], url, now)
        sealed = await self._vault.seal(place.id, {"url": url})
        values = {
            "id": place.id,
            "kind": kind,
            "place": place.place,
            "url": sealed.text,
            "url_key": sealed.key_id,
            "created_at": now,
        }
        async with self._database.writing() as connection:
            await connection.execute(insert(alert_channel).values(values))
        return place

    async def remove(self, place_id: str) -> bool:
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(alert_channel).where(alert_channel.c.id == place_id))
        return gone.rowcount > 0
