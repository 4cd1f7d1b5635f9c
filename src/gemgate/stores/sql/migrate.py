"""Brings a database to the newest schema at the start: one process migrates, the others wait for it.

Everything happens in the transaction of the connection that is handed in: a migration that fails leaves no trace.
Alembic takes a fifth of a second to import, so it is only asked when there is something to do.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, String, column, inspect, select, table, text

from gemgate.errors import GatewayError

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "gemgate_version"
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x67656D67617465
"""The number of our advisory lock in PostgreSQL: "gemgate"."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up; `connection` is in a write transaction, on SQLite without foreign keys."""
    if revision != "head" or _revision(connection) != newest():
        _migrate(connection, "upgrade", revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the schema down to `revision`, "base" for nothing at all."""
    _migrate(connection, "downgrade", revision)


def newest() -> str:
    """The newest revision: versions are numbered, and their files begin with the number."""
    return max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def _revision(connection: Connection) -> str | None:
    """Where the schema stands; None for an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    query = select(column("version_num", String)).select_from(table(VERSION_TABLE))
    return connection.execute(query).scalar_one_or_none()


def _migrate(connection: Connection, action: Literal["upgrade", "downgrade"], revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    elif connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise AssertionError("foreign keys must be off, or rebuilding a table deletes what refers to it")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        getattr(command, action)(config(connection), revision)
    except CommandError as error:
        raise GatewayError(
            f"The database was made by a newer gemgate ({error}); install that version, or restore a backup",
            f"数据库由更新版本的 gemgate 创建（{error}），请安装该版本，或恢复备份",
            code="database_newer",
        ) from None
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        assert not broken, f"a migration left rows that refer to nothing: {broken[:3]}"


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; there is no ini file."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made
