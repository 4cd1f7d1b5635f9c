"""Brings a database to the newest schema at the start: one process migrates, the others wait for it.

Everything happens in the transaction of the connection that is handed in: a migration that fails leaves no trace.
An empty database gets its tables as `schema` says them, which a test holds to what the migrations come to: Alembic,
17 MB and a quarter of a second, is only imported when an older database has to be changed.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select, text

from gemgate.errors import GatewayError
from gemgate.stores.sql.schema import metadata
from gemgate.version import __version__

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "gemgate_version"
_VERSION = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""As Alembic makes it."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x67656D67617465
"""The number of our advisory lock in PostgreSQL: "gemgate"."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up; `connection` is in a write transaction, on SQLite without foreign keys.

    GatewayError: it is of a newer gemgate, which is named.
    """
    there = understood(connection)
    if revision == "head" and there == newest():
        return
    _take_turns(connection)
    if revision == "head" and revision_of(connection) is None:
        _make(connection)
    else:
        _migrate(connection, "upgrade", revision)
    _sign(connection)


def understood(connection: Connection) -> str | None:
    """Where the schema stands; None for an empty database. GatewayError: it is of a newer gemgate, which is named."""
    there = revision_of(connection)
    if there is not None and there not in _known():
        raise _newer(connection, there)
    return there


def holds(connection: Connection, *tables: Table) -> bool:
    """Whether a schema, an older one perhaps, has these tables with all their columns."""
    there = inspect(connection)
    return all(
        there.has_table(table.name)
        and {column.name for column in table.columns} <= {column["name"] for column in there.get_columns(table.name)}
        for table in tables
    )


def behind(connection: Connection) -> str:
    """The revision that the next `upgrade` starts from; "" when there is nothing to upgrade, or nothing yet."""
    there = revision_of(connection)
    return there if there is not None and there in _known() and there != newest() else ""


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the schema down to `revision`, "base" for nothing at all."""
    _take_turns(connection)
    _migrate(connection, "downgrade", revision)


def newest() -> str:
    """The newest revision: versions are numbered, and their files begin with the number."""
    return max(_known())


def _known() -> set[str]:
    return {path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}


def revision_of(connection: Connection) -> str | None:
    """Where the schema stands; None for an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()


def _take_turns(connection: Connection) -> None:
    """Until this transaction ends; on SQLite it is the only one that writes as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _make(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection, checkfirst=True)  # it is there after a way down
    connection.execute(_VERSION.insert().values(version_num=newest()))


def _sign(connection: Connection) -> None:
    """Leave our version in the database, where a migration could not: outside of the schema, which older ones know."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"COMMENT ON TABLE {VERSION_TABLE} IS 'gemgate {__version__}'")
    else:
        major, minor, patch = (int(part) for part in re.findall(r"\d+", __version__)[:3])
        connection.exec_driver_sql(f"PRAGMA user_version = {major * 1_000_000 + minor * 1_000 + patch}")


def signed_by(connection: Connection) -> str:
    """The version of gemgate that last migrated the database; "" when it did not say."""
    if connection.dialect.name == "postgresql":
        said = connection.exec_driver_sql(f"SELECT obj_description('{VERSION_TABLE}'::regclass)").scalar()
        return str(said or "").removeprefix("gemgate ")
    number = int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}" if number else ""


def _newer(connection: Connection, there: str) -> GatewayError:
    maker = signed_by(connection) or "of a version that it does not say"
    return GatewayError(
        f"The database was made by a newer gemgate, {maker} (schema {there}); this is gemgate {__version__} (schema "
        f"{newest()}), which cannot read it. Install the newer one, or put back the copy from before the upgrade "
        "(gemgate.sqlite3.schema-…, beside the database) or a backup",
        f"数据库由更新版本的 gemgate（{maker}，架构 {there}）创建；"
        f"当前为 gemgate {__version__}（架构 {newest()}），无法读取。"
        "请安装更新版本，或放回升级前的副本（数据库旁的 gemgate.sqlite3.schema-…）或备份",
        code="database_newer",
    )


def _migrate(connection: Connection, action: Literal["upgrade", "downgrade"], revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415

    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise AssertionError("foreign keys must be off, or rebuilding a table deletes what refers to it")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        getattr(command, action)(config(connection), revision)
    except CommandError as error:  # rows of a backup, whose revision nobody here knows
        raise GatewayError(
            f"The backup was made by a newer gemgate ({error}); this is {__version__}: restore it with the newer one",
            f"备份由更新版本的 gemgate 创建（{error}），当前为 {__version__}，请安装更新版本后恢复",
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
