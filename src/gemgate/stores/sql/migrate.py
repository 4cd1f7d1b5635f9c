"""Brings a database to the newest schema at the start: one process migrates, the others wait for it.

Everything happens in the transaction of the connection that is handed in: a migration that fails leaves no trace.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from gemgate.errors import GatewayError

VERSION_TABLE = "gemgate_version"
_LOCK = 0x67656D67617465
"""The number of our advisory lock in PostgreSQL: "gemgate"."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up; `connection` is in a write transaction, on SQLite without foreign keys."""
    _migrate(connection, command.upgrade, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the schema down to `revision`, "base" for nothing at all."""
    _migrate(connection, command.downgrade, revision)


def _migrate(connection: Connection, action: object, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    elif connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise AssertionError("foreign keys must be off, or rebuilding a table deletes what refers to it")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        action(config(connection), revision)  # type: ignore[operator]
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
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made
