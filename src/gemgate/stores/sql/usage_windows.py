"""The series of Google's usage windows in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson
from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gemgate.accounts import CAPABILITIES, Capability, UsageWindow
from gemgate.lazy_import import later
from gemgate.ports.usage_windows import UsageReading
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import usage_reading as table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")


class SqlWindowStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, readings: Sequence[UsageReading]) -> None:
        if not readings:
            return
        insert = sqlite_insert if self._database.is_sqlite else postgresql.insert
        async with self._database.writing() as connection:
            await connection.execute(insert(table).on_conflict_do_nothing(), [_values(one) for one in readings])

    async def since(self, account: str, moment: float, *, limit: int = 2000) -> Sequence[UsageReading]:
        mine = (table.c.account == account) & (table.c.at >= moment)
        newest = select(table).where(mine).order_by(table.c.at.desc(), table.c.name, table.c.model).limit(limit)
        async with self._database.reading() as connection:
            return [_reading(row) for row in await connection.execute(newest)][::-1]

    async def forget_before(self, moment: float) -> int:
        async with self._database.writing() as connection:
            return (await connection.execute(delete(table).where(table.c.at < moment))).rowcount


def _values(reading: UsageReading) -> dict[str, Any]:
    window = reading.window
    return {
        "account": reading.account,
        "at": reading.at,
        "name": window.name,
        "model": window.model,
        "used": window.used,
        "resets_at": window.resets_at,
        "remaining": window.left,
        "total": window.total,
        "calls": orjson.dumps(dict(reading.calls)).decode() if reading.calls else "",
    }


def _reading(row: Row[Any]) -> UsageReading:
    window = UsageWindow(row.name, row.used, row.resets_at, row.remaining, row.total, row.model)
    calls = orjson.loads(row.calls) if row.calls else {}
    known = {cast("Capability", name): int(number) for name, number in calls.items() if name in CAPABILITIES}
    return UsageReading(row.account, row.at, window, known)
