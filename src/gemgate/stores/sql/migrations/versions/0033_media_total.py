"""How much media each key has, kept by the database with every row, in place of a sum over all of them."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

_COUNTED = {
    "picture": ("tenant, bytes", "{row}bytes + 64000"),
    "batch": (
        "tenant, bytes, media_bytes",
        "CASE WHEN {row}media_bytes > 0 THEN {row}media_bytes + {row}bytes ELSE 0 END",
    ),
}
_ADDED = """
INSERT INTO media_total (tenant, bytes)
SELECT tenant, sum(n) FROM ({rows}) AS counted WHERE n <> 0 GROUP BY tenant HAVING sum(n) <> 0 ORDER BY tenant
ON CONFLICT (tenant) DO UPDATE SET bytes = media_total.bytes + excluded.bytes;
DELETE FROM media_total WHERE bytes = 0 AND tenant IN (SELECT tenant FROM ({rows}) AS counted);
"""


def upgrade() -> None:
    comment = "Of pictures, videos and music; triggers keep it"
    op.create_table(
        "media_total",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False, comment=comment),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for name, on, rows in _triggers(connection):
        done = _ADDED.format(rows=rows)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {on} BEGIN {done} END")
        else:
            body = f"$$BEGIN {done} RETURN NULL; END$$"
            connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}")
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {on} EXECUTE FUNCTION {name}()")
    # Behind the triggers, which let no other node write until all this is committed.
    rows = " UNION ALL ".join(f"{_rows(table)} FROM {table}" for table in _COUNTED)
    connection.exec_driver_sql(_ADDED.partition(";")[0].format(rows=rows))
    op.drop_index("ix_picture_tenant_bytes", "picture")
    op.drop_index("ix_batch_tenant_media_bytes", "batch")


def downgrade() -> None:
    op.create_index("ix_batch_tenant_media_bytes", "batch", ["tenant", "media_bytes", "bytes"])
    op.create_index("ix_picture_tenant_bytes", "picture", ["tenant", "bytes"])
    connection = op.get_bind()
    for name, _, _ in _triggers(connection):
        drop = f"TRIGGER {name}" if connection.dialect.name == "sqlite" else f"FUNCTION {name} CASCADE"
        connection.exec_driver_sql(f"DROP {drop}")
    op.drop_table("media_total")


def _triggers(connection: sa.Connection) -> Iterator[tuple[str, str, str]]:
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
