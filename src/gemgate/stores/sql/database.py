"""The database: how it is opened, and the only two ways to use it, `reading()` and `writing()`.

SQLite opens no transaction for a SELECT, so a read-then-write loses updates silently (docs/decisions.md 28): here every
write transaction begins with BEGIN IMMEDIATE. PostgreSQL's READ COMMITTED loses them as well: there, and everywhere for
preference, change a row by one `UPDATE ... WHERE` that names what was seen, or read it FOR UPDATE.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Double, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.util import await_only

from gemgate.errors import Conflict, GatewayError, LocalText, StorageDown, forget_frames, system_words
from gemgate.stores.instance_lock import descriptor_of
from gemgate.stores.sql import migrate
from gemgate.stores.sql.disconnects import Endings
from gemgate.stores.sql.upgrade_copy import copy_before_upgrade

BUSY_TIMEOUT_MS = 30_000
TRANSACTION_SECONDS = 40.0
"""No transaction lasts longer, so that a database that hangs holds nobody for ever."""
UPGRADE_SECONDS = 900.0
"""The same for a SQLite file that is copied and migrated: both take as long as the disk does."""
IDLE_SECONDS = 10
"""After so long without a word PostgreSQL ends a transaction that may hold rows: its process hangs, others wait."""
CONNECT_SECONDS = 5
FILE_CONNECTIONS = 15
"""Connections to a SQLite file at most. All are kept: to open one takes a thread and four pragmas, and its descriptor
stays as long as any other is open. The last one that was used is used again, so that few have a warm cache.
"""
CACHE_KB = 512
"""Of a file's pages each connection keeps so much; the system keeps the rest for all. With SQLite's own 2 MB they held
33 MB after 15,000 calls, most of what a process had grown by; a read costs 5 % more now, 0.4 us.
"""
_WRITES = "gemgate_writes"
_END_IDLE = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
_ENDED_IDLE = "25P03"


class epoch_now(FunctionElement[float]):  # noqa: N801 - reads as SQL
    """The database's own clock in epoch seconds: what leases are judged by, so that nodes' clocks do not matter."""

    type = Double()
    inherit_cache = True


@compiles(epoch_now, "sqlite")
def _epoch_now_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(epoch_now, "postgresql")
def _epoch_now_postgresql(*_: Any, **__: Any) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


class Database:
    """An open database. Transactions do not nest: a task that writes must not ask for `writing()` again."""

    def __init__(self, engine: AsyncEngine, connections: Endings) -> None:
        self._engine = engine
        self._connections = connections
        self._writer = engine.execution_options(**{_WRITES: True})
        self._reader = engine
        if not self.is_sqlite:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # SQLite lets one writer in: waiting here is fair and costs no thread, waiting there is a poll.
        self._turn = asyncio.Lock() if self.is_sqlite else None
        self._locks: dict[str, int] = {}
        self._failed: dict[str, StorageDown] = {}

    @property
    def trouble(self) -> StorageDown | None:
        """Why the last transaction that read, or the last that wrote, could not; None when both went well."""
        return self._failed.get("writing") or self._failed.get("reading")

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageDown as error:
            self._failed[what] = error
            raise
        self._failed.pop(what, None)

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self, seconds: float | None = TRANSACTION_SECONDS) -> AsyncIterator[AsyncConnection]:
        """One consistent view; nothing may be written. seconds: how long it may last; None for a copy of everything."""
        with self._watched("reading"):
            async with _gateway_errors(seconds), self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, seconds: float | None = TRANSACTION_SECONDS) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed at the end, or rolled back by an exception."""
        with self._watched("writing"):
            if self._turn is None:
                async with _gateway_errors(seconds), self._writer.begin() as connection:
                    if seconds is not None:
                        await connection.exec_driver_sql(_END_IDLE)
                    yield connection
            else:
                async with self._turn, _gateway_errors(seconds), self._writer.begin() as connection:
                    yield connection

    async def lock(self, name: str) -> bool:
        """Hold a name for as long as this process lives; False when another process does, or cannot be asked.

        Only beside a SQLite file, where every process that opens it is on this machine: the system lets go of the lock
        when a process dies, however it dies.
        """
        file = self._engine.url.database
        if not self.is_sqlite or not file:
            return False
        if name not in self._locks:
            descriptor = await asyncio.to_thread(descriptor_of, Path(f"{file}-{name}.lock"))
            if descriptor is None:
                return False
            self._locks[name] = descriptor
        return True

    async def listening(self, channel: str) -> AsyncGenerator[str, None]:
        """What PostgreSQL's NOTIFY says on a channel; on SQLite, which tells nobody, it ends at once."""
        if self.is_sqlite:
            return
        import psycopg  # noqa: PLC0415 - only where PostgreSQL is used

        _, options = self._engine.dialect.create_connect_args(self._engine.url)
        try:
            connection = await psycopg.AsyncConnection.connect(
                **options, connect_timeout=CONNECT_SECONDS, autocommit=True
            )
            async with connection:
                await connection.execute(f"LISTEN {channel}")
                async for notification in connection.notifies():
                    yield notification.payload
        except (psycopg.Error, OSError) as error:
            raise _away(_cause(type(error).__name__)) from error

    async def close(self) -> None:
        """A SQLite file is let go of when this returns: the threads of its connections have ended."""
        await self._engine.dispose()
        await self._connections.ended()
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()


async def open_database(url: str | Path, *, held_by: str = "") -> Database:
    """Open and bring to the newest schema, however many processes start at once.

    url: `postgresql+psycopg://...`, `sqlite:///PATH`, or the path of a SQLite file, made (0600) when missing.
    held_by: who else works on it: under them the schema is not changed, Conflict names them.
    GatewayError: not a database URL, a driver missing, or a database of a newer gemgate. StorageDown: not reachable.
    """
    database = unopened(url)
    await bring_up(url, held_by=held_by)
    return database


def unopened(url: str | Path, *, only_look: bool = False) -> Database:
    """The database without a look at it: for who must start while it is away, and brings it up later.

    only_look: nothing is written to a SQLite file by any transaction, not even how it keeps its log.
    """
    connections = Endings()
    return Database(_engine(database_url(url), connections, foreign_keys=True, only_look=only_look), connections)


async def bring_up(url: str | Path, *, by: Callable[[Connection], None] | None = None, held_by: str = "") -> None:
    """Bring the schema to the newest (or do what `by` does) in one transaction; raises as `open_database` does.

    A SQLite file is copied first, when there is something to upgrade.
    """
    parsed = database_url(url)
    file = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
    if file is not None:
        await asyncio.to_thread(_make_file, file)
    async with _gateway_errors(TRANSACTION_SECONDS if file is None else UPGRADE_SECONDS):
        connections = Endings()
        engine = _engine(parsed, connections, foreign_keys=False, poolclass=NullPool)
        engine = engine.execution_options(**{_WRITES: True})
        try:
            async with engine.begin() as connection:
                if by is None and file is not None and (old := await connection.run_sync(migrate.behind)):
                    if held_by:
                        raise _older_holds(held_by, file)
                    await asyncio.to_thread(copy_before_upgrade, file, old, migrate.newest())
                await connection.run_sync(by or migrate.upgrade)
        finally:
            await engine.dispose()
            await connections.ended()


def _older_holds(held_by: str, file: Path) -> Conflict:
    return Conflict(
        f"An older gemgate ({held_by}) works on {file}, whose schema this version would change; start that one anew, "
        "with this version",
        f"较旧的 gemgate（{held_by}）正在使用 {file}，而当前版本需要更改其架构；请先用当前版本重启它",
        code="database_older",
    )


def database_url(url: str | Path) -> URL:
    """The URL with the driver we use; GatewayError for what is no SQLite or PostgreSQL URL."""
    try:
        parsed = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
    except ArgumentError:
        raise _bad_url() from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
    raise _bad_url()


def _bad_url() -> GatewayError:
    return GatewayError(
        "DATABASE_URL must be postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH",
        "DATABASE_URL 必须是 postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME 或 sqlite:///路径",
        code="database_url",
    )


def _make_file(path: Path) -> None:
    """SQLite gives its log files the database's mode, so it is enough to make that one private."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        why = system_words(error)
        raise StorageDown(
            f"The database {path} cannot be opened: {why.en}; set DATA_DIR to a folder we may write",
            f"无法打开数据库 {path}：{why.zh}；请将 DATA_DIR 设为可写的目录",
            code="database_unavailable",
        ) from None


def _engine(
    url: URL, connections: Endings, *, foreign_keys: bool, only_look: bool = False, **options: Any
) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        if "poolclass" not in options:
            options |= {"pool_size": FILE_CONNECTIONS, "max_overflow": 0, "pool_use_lifo": True}
        engine = create_async_engine(url, connect_args={"async_creator_fn": connections.connect}, **options)
        _prepare_sqlite(engine, foreign_keys=foreign_keys, only_look=only_look)
        return engine
    if "poolclass" not in options:
        options |= {"pool_size": 10, "max_overflow": 10, "pool_timeout": CONNECT_SECONDS, "pool_pre_ping": True}
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 10_000, "keepalives_idle": 30}
    arguments["prepare_threshold"] = None  # prepared statements fail behind a pooler that shares connections
    try:
        from gemgate.stores.sql.cancellable import CancellableConnection  # noqa: PLC0415 - only where PostgreSQL is used

        arguments["async_creator_fn"] = CancellableConnection.connect
        return create_async_engine(url, connect_args=arguments, **options)
    except ModuleNotFoundError:
        raise GatewayError(
            "DATABASE_URL names PostgreSQL, whose driver is not installed: pip install '.[postgres]' in the checkout",
            "DATABASE_URL 指向 PostgreSQL，但未安装驱动：请在源码目录中执行 pip install '.[postgres]'",
            code="database_url",
        ) from None


def _keep_a_log(cursor: Any) -> None:
    """Write-ahead logging. While another process switches the same new file to it, SQLite says "locked" at once,
    however long the busy time-out is.
    """
    over = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > over:
                raise
        else:
            return
        await_only(asyncio.sleep(0.01))


def _prepare_sqlite(engine: AsyncEngine, *, foreign_keys: bool, only_look: bool) -> None:
    def connected(connection: Any, record: object) -> None:
        del record
        connection.isolation_level = None  # sqlite3 begins nothing by itself; `begun` does
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if only_look:
            cursor.execute("PRAGMA query_only = ON")
        else:
            _keep_a_log(cursor)
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)


@asynccontextmanager
async def _gateway_errors(seconds: float | None = TRANSACTION_SECONDS) -> AsyncIterator[None]:
    """What the world does to a database becomes StorageDown; our own mistakes stay what they are."""
    try:
        async with asyncio.timeout(seconds) as bound:
            try:
                yield
            except asyncio.CancelledError as error:
                # SQLAlchemy's frames name it, so that it holds itself and the whole call; another one is raised, for
                # contextlib puts the frames of an error back that is raised again.
                forget_frames(error)
                raise asyncio.CancelledError(*error.args) from None
    except DBAPIError as error:
        ended = getattr(error.orig, "sqlstate", "") == _ENDED_IDLE
        if not (ended or isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError):
            raise
        name = getattr(error.orig, "sqlite_errorname", "") or type(error.orig).__name__
        raise _away(_cause(name)) from error
    except PoolTimeout as error:
        raise _away(LocalText("all connections are taken", "连接已全部占用")) from error
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise _away(LocalText("no answer in time", "未及时响应")) from error
    finally:
        del bound  # it holds the task, and that the error that ends it


_CAUSES = {
    "SQLITE_FULL": LocalText("the disk is full", "磁盘已满"),
    "SQLITE_READONLY": LocalText("it cannot be written", "不可写入"),
    "SQLITE_BUSY": LocalText("another program holds it", "被其他程序占用"),
    "SQLITE_IOERR": LocalText("the disk fails", "磁盘读写失败"),
    "SQLITE_CORRUPT": LocalText("it is damaged", "已损坏"),
}
"""What SQLite's commonest errors mean; their names may go on, as in SQLITE_IOERR_WRITE."""


def _cause(name: str) -> LocalText:
    words = _CAUSES.get("_".join(name.split("_")[:2]))
    return LocalText(f"{words.en}, {name}", f"{words.zh}，{name}") if words else LocalText(name, name)


def _away(cause: LocalText) -> StorageDown:
    return StorageDown(
        f"The database is away ({cause.en}); check DATABASE_URL and the disk, or wait until it is back",
        f"数据库不可用（{cause.zh}），请检查 DATABASE_URL 和磁盘，或等待其恢复",
        code="database_unavailable",
        retry_after=5.0,
    )
