"""The ledger of usage: one table of hours and, as hour -1, of whole days, which most questions are about."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Double, Executable, cast, delete, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gemgate.lazy_import import later
from gemgate.ports.usage import AMOUNTS, UsageOf, UsageQuestion, UsageRow, UsageSums
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import usage, usage_writer

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

WHOLE_DAY = -1
"""The hour of rows that have the sums of a day: a year of them is read in a fraction of the time of its hours."""
DAY = 86_400.0


class SqlUsageStore:
    """Adding is one statement for each of a batch's rows, in one transaction with the number of the batch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, writer: str, number: int, sums: Mapping[UsageOf, UsageSums], now: float) -> None:
        rows: dict[UsageOf, UsageSums] = {}
        for of, more in sums.items():
            for one in (of, of._replace(hour=WHOLE_DAY)):
                rows.setdefault(one, UsageSums()).add(more)
        # One order for all processes: two that add to the same rows must not wait for each other.
        values = [
            {**of._asdict(), **{name: getattr(one, name) for name in AMOUNTS}} for of, one in sorted(rows.items())
        ]
        mark = {"id": writer, "written": number, "at": now}
        async with self._database.writing() as connection:
            if (await connection.execute(_mark(self._database.is_sqlite), mark)).first() is not None and values:
                await connection.execute(_upsert(self._database.is_sqlite), values)

    async def ask(self, question: UsageQuestion) -> Sequence[UsageRow]:
        columns = [usage.c[name] for name in question.by]
        sums = [self._sum(usage.c[name]) for name in AMOUNTS]
        hours = list(range(24)) if "hour" in question.by else [WHOLE_DAY]
        query = select(*columns, *sums).where(
            usage.c.hour.in_(hours), usage.c.day >= question.since, usage.c.day < question.until
        )
        for name, value in question.where:
            query = query.where(usage.c[name] == value)
        if columns:
            query = query.group_by(*columns).order_by(*columns)
        async with self._database.reading() as connection:
            found = (await connection.execute(query.limit(question.most))).all()
        width = len(columns)
        return [UsageRow(tuple(row[:width]), UsageSums(*row[width:])) for row in found if row[width] is not None]

    def _sum(self, amount: Column[Any]) -> ColumnElement[Any]:
        """PostgreSQL adds whole numbers up as decimals; as doubles, exact up to 2^53, 8,000 groups take 45 ms of its
        processor's time where they took 63.
        """
        if self._database.is_sqlite:
            return func.sum(amount)
        return cast(func.sum(cast(amount, Double)), amount.type)

    async def forget_before(self, day: int) -> int:
        async with self._database.writing() as connection:
            await connection.execute(delete(usage_writer).where(usage_writer.c.at < day * DAY))
            return int((await connection.execute(delete(usage).where(usage.c.day < day))).rowcount)


# Built once: SQLAlchemy takes longer to build a statement than SQLite to carry it out.
@functools.cache
def _mark(sqlite: bool) -> Executable:
    """The writer's number is written, and told back, unless it was before."""
    statement = (sqlite_insert if sqlite else postgresql.insert)(usage_writer)
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={"written": statement.excluded.written, "at": statement.excluded.at},
        where=usage_writer.c.written < statement.excluded.written,
    ).returning(usage_writer.c.id)


@functools.cache
def _upsert(sqlite: bool) -> Executable:
    statement = (sqlite_insert if sqlite else postgresql.insert)(usage)
    added = {name: usage.c[name] + statement.excluded[name] for name in AMOUNTS}
    return statement.on_conflict_do_update(index_elements=list(UsageOf._fields), set_=added)
