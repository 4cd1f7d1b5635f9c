"""Settings that were changed on the page: every change is a row, the newest of a setting is in force."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.errors import Conflict, StorageDown
from gemgate.ports.settings import SettingChange
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import setting_change


class SqlSettingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def values(self) -> Mapping[str, str]:
        async with self._reading() as connection:
            found = await self._newest(connection)
        return {name: one.after for name, one in found.items() if one.after is not None}

    async def change(
        self, wanted: Mapping[str, str | None], actor: str, at: float, *, undoes: SettingChange | None = None
    ) -> Sequence[SettingChange]:
        try:
            async with self._database.writing() as connection:
                newest = await self._newest(connection)
                if undoes is not None and newest.get(undoes.name) != undoes:
                    raise _changed_since(undoes.name)
                made: list[SettingChange] = []
                for name, after in wanted.items():
                    last = newest.get(name)
                    before, version = (last.after, last.version) if last else (None, 0)
                    if before != after:
                        made.append(SettingChange(name, version + 1, at, actor, before, after))
                if made:
                    await connection.execute(insert(setting_change), [asdict(one) for one in made])
                return made
        except IntegrityError:  # the same version of it was entered by another at the same time
            raise _changed_since(", ".join(wanted)) from None

    async def changes(self, limit: int = 50) -> Sequence[SettingChange]:
        query = select(setting_change).order_by(setting_change.c.at.desc(), setting_change.c.version.desc())
        async with self._reading() as connection:
            return [SettingChange(*row) for row in await connection.execute(query.limit(limit))]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        """For who may come before the schema is up: the front of a fleet, `gemgate settings`."""
        try:
            async with self._database.reading() as connection:
                yield connection
        except ProgrammingError as error:
            raise StorageDown("The database has no such table yet", "数据库中尚无该表") from error

    async def _newest(self, connection: AsyncConnection) -> dict[str, SettingChange]:
        last = select(setting_change.c.name, func.max(setting_change.c.version).label("version"))
        newest = last.group_by(setting_change.c.name).subquery()
        query = select(setting_change).join(
            newest, (setting_change.c.name == newest.c.name) & (setting_change.c.version == newest.c.version)
        )
        return {row.name: SettingChange(*row) for row in await connection.execute(query)}


def _changed_since(name: str) -> Conflict:
    return Conflict(
        f"Somebody else has changed {name.upper()} meanwhile; look at it again",
        f"{name.upper()} 刚被其他人修改，请重新查看",
        code="setting_changed",
    )
