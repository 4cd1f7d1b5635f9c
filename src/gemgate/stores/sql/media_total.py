"""The database itself keeps how much media each key has: triggers bring `media_total` along with every row.

Whatever adds, changes or removes a row (a picture kept, a retention, a restore, another node, a person's SQL) is
counted within its own transaction, so the total is the sum at every moment, and `MediaShare` reads one row.

Migrations bring older databases to what stands here, so who changes it adds one, as does who rebuilds one of the tables
on SQLite, where its triggers go with it: tests/contract/test_database.py holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

BESIDE = 64_000
"""Bytes that a picture counts for beside its own: its preview, what stood behind its logo, its row."""
_COUNTED = {
    "picture": ("tenant, bytes", f"{{row}}bytes + {BESIDE}"),
    "batch": (
        "tenant, bytes, media_bytes",
        "CASE WHEN {row}media_bytes > 0 THEN {row}media_bytes + {row}bytes ELSE 0 END",
    ),
}
"""By table: the columns that matter, and what a row counts for."""
_ADDED = """
INSERT INTO media_total (tenant, bytes)
SELECT tenant, sum(n) FROM ({rows}) AS counted WHERE n <> 0 GROUP BY tenant HAVING sum(n) <> 0 ORDER BY tenant
ON CONFLICT (tenant) DO UPDATE SET bytes = media_total.bytes + excluded.bytes;
DELETE FROM media_total WHERE bytes = 0 AND tenant IN (SELECT tenant FROM ({rows}) AS counted);
"""
"""Keys by their names: of two changes that count for several, none holds what the other waits for."""


def make_triggers(connection: Connection) -> None:
    for name, on, rows in _triggers(connection):
        done = _ADDED.format(rows=rows)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {on} BEGIN {done} END")
        else:
            body = f"$$BEGIN {done} RETURN NULL; END$$"
            connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}")
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {on} EXECUTE FUNCTION {name}()")


def _triggers(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Name, when, and the rows that come (+) and go (-). PostgreSQL counts what comes or goes at once as one."""
    at_once = connection.dialect.name == "postgresql"
    together = " REFERENCING {} TABLE AS those FOR EACH STATEMENT" if at_once else ""
    for table, (columns, counts) in _COUNTED.items():
        come, gone = _rows(table, "NEW."), _rows(table, "OLD.", "-")
        differ = f"OLD.tenant <> NEW.tenant OR {counts.format(row='OLD.')} <> {counts.format(row='NEW.')}"
        change = f"AFTER UPDATE OF {columns} ON {table} FOR EACH ROW WHEN ({differ})"
        yield f"media_total_{table}_changed", change, f"{come} UNION ALL {gone}"
        if at_once:
            come, gone = f"{_rows(table)} FROM those", f"{_rows(table, sign='-')} FROM those"
        yield f"media_total_{table}_come", f"AFTER INSERT ON {table}" + together.format("NEW"), come
        yield f"media_total_{table}_gone", f"AFTER DELETE ON {table}" + together.format("OLD"), gone


def _rows(table: str, row: str = "", sign: str = "") -> str:
    _, counts = _COUNTED[table]
    return f"SELECT {row}tenant AS tenant, {sign}({counts.format(row=row)}) AS n"
