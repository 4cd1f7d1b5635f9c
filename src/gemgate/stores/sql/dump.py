"""All rows of a database, out of one and into another: for backups, and for moving from SQLite to PostgreSQL.

Secrets travel sealed, as they stand. Left behind are sign-ins at the page, pairing codes and the nodes of a fleet: they
come anew, as do totals, which the rows bring with them. What a running process holds (leases) runs out by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Integer, MetaData, Table, func, select
from sqlalchemy.dialects import sqlite

from gemgate.errors import BadRequest
from gemgate.lazy_import import later
from gemgate.stores.sql import migrate
from gemgate.stores.sql.database import Database, bring_up
from gemgate.stores.sql.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

PAGE: Final = 500
"""Rows that are in memory at a time."""
LEFT_BEHIND: Final = frozenset({"page_session", "pairing_code", "gemini_service_nodes", "node_detail", "media_total"})
TELLING: Final = ("account", "batch", "conversation", "picture", "stored_file", "client_key")
"""Tables whose rows say that a database is in use."""

Rows = Sequence[Mapping[str, Any]]


def tables(connection: Connection) -> list[Table]:
    """What is copied of this database, in an order in which no row comes before one that it refers to. An older schema
    has tables and columns of its own. GatewayError for a newer one.
    """
    there = metadata
    if migrate.understood(connection) != migrate.newest():
        there = MetaData()
        there.reflect(connection)
    return [table for table in there.sorted_tables if table.name not in {*LEFT_BEHIND, migrate.VERSION_TABLE}]


async def pages(database: Database) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """All rows of one moment, table by table, `PAGE` at a time."""
    async with database.reading(None) as connection:
        for table in await connection.run_sync(tables):
            async with connection.stream(select(table)) as result:
                async for part in result.mappings().partitions(PAGE):
                    yield table.name, [dict(row) for row in part]


async def schema_revision(database: Database) -> str:
    """The schema's version, as migrations number it."""
    async with database.reading() as connection:
        return await connection.run_sync(migrate.revision_of) or ""


async def count(database: Database) -> int:
    """How many rows there are to copy."""
    async with database.reading() as connection:
        counted = [
            await connection.scalar(select(func.count()).select_from(table))
            for table in await connection.run_sync(tables)
        ]
    return sum(number or 0 for number in counted)


async def copy(source: Database, target: Database, done: Callable[[int], None] = lambda _: None) -> int:
    """Copy every row that the target does not have yet, in one transaction; how many were new. May be run again.

    done: hears how many rows have been looked at.
    """
    new = 0
    async with target.writing(None) as connection:
        async for name, rows in pages(source):
            new += await connection.run_sync(insert_missing, metadata.tables[name], rows)
            done(len(rows))
        await connection.run_sync(_count_on)
    return new


async def restore_rows(url: str | Path, revision: str, found: Iterable[tuple[str, Rows]], *, replace: bool) -> None:
    """Make a database hold these rows, which were read at schema `revision`, and bring it to the newest schema.

    All or nothing. BadRequest when it holds something already, unless `replace` throws that away; GatewayError when
    the rows are of a newer gemgate.
    """

    def fill(connection: Connection) -> None:
        migrate.upgrade(connection, revision)
        there = MetaData()
        there.reflect(connection)
        if replace:
            last_first = list(reversed(there.sorted_tables))
            last_first.sort(key=lambda table: table.name == "media_total")  # what goes from others is taken off it
            for table in last_first:
                if table.name in metadata.tables:
                    connection.execute(table.delete())
        elif used := [
            name for name in TELLING if connection.scalar(select(func.count()).select_from(there.tables[name]))
        ]:
            raise BadRequest(
                f"The database is in use already (it holds rows of: {', '.join(used)}); --replace throws them away",
                f"数据库已有数据（{'、'.join(used)}）；使用 --replace 将清除它们",
                code="not_empty",
            )
        if (migrate.revision_of(connection) or "") > revision:
            # Rows have the columns that they had then: nothing is in the way any more, so the schema goes back to them.
            migrate.downgrade(connection, revision)
            there = MetaData()
            there.reflect(connection)
        for name, rows in found:
            table = there.tables[name]
            if not all(row.keys() <= set(table.c.keys()) for row in rows):
                raise ValueError(f"columns that {name} does not have")
            insert_missing(connection, table, rows)
        migrate.upgrade(connection)
        _count_on(connection)

    await bring_up(url, by=fill)


def insert_missing(connection: Connection, table: Table, rows: Rows) -> int:
    """Insert the rows whose keys are not there yet; how many that were."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    before = connection.scalar(select(func.count()).select_from(table)) or 0
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))
    return (connection.scalar(select(func.count()).select_from(table)) or 0) - before


def _count_on(connection: Connection) -> None:
    """PostgreSQL counts ids in sequences, which know nothing of rows that brought theirs along."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables(connection):
        for column in table.primary_key:
            if isinstance(column.type, Integer) and column.autoincrement is not False and not column.foreign_keys:
                highest = connection.scalar(select(func.max(column)))
                sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
                if sequence and highest:
                    connection.execute(select(func.setval(sequence, highest)))
