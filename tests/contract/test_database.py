"""The database under the stores, on SQLite and PostgreSQL: migrations, concurrent starts, lost updates, failures."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import greenlet_spawn

from gemgate.errors import GatewayError, NotFound, StorageDown
from gemgate.ports.accounts import AccountSetup
from gemgate.stores.sql import database as sql_database
from gemgate.stores.sql import migrate
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import Database, epoch_now, open_database
from gemgate.stores.sql.database import database_url as parsed_url
from gemgate.stores.sql.schema import account, account_circuit, metadata
from gemgate.stores.vault import Vault
from tests.contract.lost_updates import CONTESTED, COUNTER, KEY
from tests.support.patience import AT_ONCE, PATIENCE
from tests.support.processes import run_together

ROOT = Path(__file__).parents[2]


async def in_migration(url: str, action: object, *arguments: object) -> object:
    """Run something on a bare connection, in one transaction."""
    engine = create_async_engine(parsed_url(url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(action, *arguments)  # type: ignore[arg-type]
    finally:
        await engine.dispose()


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def described(connection: Connection) -> set[tuple[object, ...]]:
    """Columns, keys, indexes and triggers of all our tables as the database itself tells them, in any order."""
    if connection.dialect.name == "postgresql":
        return {tuple(row) for query in CATALOGUE for row in connection.exec_driver_sql(query)}
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    found: set[tuple[object, ...]] = {tuple(row) for row in connection.exec_driver_sql(query)}
    for name in tables(connection):
        for kind in ("table_xinfo", "foreign_key_list", "index_list"):
            rows = connection.exec_driver_sql(f"PRAGMA {kind}({name})").all()
            found |= {(name, kind, *row[1:]) for row in rows}
            for index in (row[1] for row in rows if kind == "index_list"):
                parts = connection.exec_driver_sql(f"PRAGMA index_xinfo({index})")
                found |= {(index, row[0], *row[2:]) for row in parts}
    return found


CATALOGUE = (
    (
        "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), "
        "col_description(attrelid, attnum) FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
        "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped"
    ),
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace"
    ),
    (
        "SELECT tgname, pg_get_triggerdef(pg_trigger.oid), prosrc FROM pg_trigger "
        "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
    ),
)


async def test_the_migrations_make_exactly_the_schema(database_url: str) -> None:
    """What an empty database gets at once is to the last default what an old one comes to step by step."""

    def differences(connection: Connection) -> list[object]:
        # SQLite reports an empty default in another spelling than ours, and of an index not which way a column goes.
        reported = connection.dialect.name != "sqlite"
        options = {
            "version_table": migrate.VERSION_TABLE,
            "compare_server_default": reported,
            "include_object": lambda _thing, name, *_: reported or name != "ix_batch_turn",
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    await (await open_database(database_url)).close()
    made = await in_migration(database_url, described)
    assert await in_migration(database_url, migrate.revision_of) == migrate.newest()
    await in_migration(database_url, migrate.downgrade, "base")
    await in_migration(database_url, migrate._migrate, "upgrade", "head")
    assert await in_migration(database_url, differences) == []
    migrated = await in_migration(database_url, described)
    assert isinstance(made, set)
    assert len(made) > 300
    assert made == migrated


async def test_every_migration_goes_down_and_up_again(database: Database, database_url: str) -> None:
    revisions = [one.revision for one in ScriptDirectory.from_config(migrate.config()).walk_revisions()]
    assert migrate.newest() == revisions[0]
    for revision in [*revisions[1:], "base"]:
        await in_migration(database_url, migrate.downgrade, revision)
    assert await in_migration(database_url, tables) == {migrate.VERSION_TABLE}
    for revision in reversed(revisions):
        await in_migration(database_url, migrate.upgrade, revision)
    assert await in_migration(database_url, tables) == {*metadata.tables, migrate.VERSION_TABLE}


async def test_rows_survive_a_start_and_a_second_open(database: Database, database_url: str) -> None:
    await SqlAccountStore(database, Vault([KEY])).set_up(AccountSetup("alice"))
    again = await open_database(database_url)
    try:
        assert (await SqlAccountStore(again, Vault([KEY])).get("alice")).name == "alice"
    finally:
        await again.close()


async def test_a_failing_migration_leaves_no_trace(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection) -> None:
        migrate._migrate(connection, "upgrade", "head")
        raise RuntimeError("the machine fell over")

    monkeypatch.setattr(migrate, "upgrade", broken)
    with pytest.raises(RuntimeError):
        await open_database(database_url)
    assert await in_migration(database_url, tables) == set()


async def test_a_database_of_a_newer_version_is_left_alone(database: Database, database_url: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(GatewayError, match="newer gemgate") as caught:
        await open_database(database_url)
    assert caught.value.code == "database_newer"


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    start = (
        "import asyncio, sys\n"
        "from gemgate.stores.sql.database import open_database\n"
        "async def main():\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    await (await open_database(sys.argv[1])).close()\n"
        "asyncio.run(main())"
    )
    await run_together(4, "-c", start, database_url)
    assert await in_migration(database_url, tables) == {*metadata.tables, migrate.VERSION_TABLE}


async def test_processes_that_write_the_same_rows_lose_no_update(database: Database, database_url: str) -> None:
    """Four processes; every success that was reported is in the row, and nothing else is."""
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup(COUNTER, lanes=0))
    await store.set_up(AccountSetup(CONTESTED))
    said = await run_together(4, "-m", "tests.contract.lost_updates", database_url, "60")
    wins = [int(line.split()[0]) for line in said]
    assert (await store.get(CONTESTED)).version == sum(wins)
    assert sum(wins) >= 60, "a process that sees the newest row must win now and then"
    assert sum(wins) < 240, "nobody ever came late: the processes did not meet"
    assert (await store.get(COUNTER)).setup.lanes == sum(int(line.split()[1]) for line in said) == 480


async def test_tasks_of_one_process_lose_no_update(database: Database) -> None:
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup(COUNTER, lanes=0))

    async def count_up() -> None:
        async with database.writing() as connection:
            mine = account.c.name == COUNTER
            lanes = await connection.scalar(select(account.c.lanes).where(mine).with_for_update())
            await asyncio.sleep(0)
            await connection.execute(account.update().where(mine).values(lanes=lanes + 1))

    await asyncio.gather(*(count_up() for _ in range(100)))
    assert (await store.get(COUNTER)).setup.lanes == 100


async def test_what_fails_inside_a_transaction_is_undone(database: Database) -> None:
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup("alice"))

    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(account.delete())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [one.name for one in await store.all()] == ["alice"]


async def test_a_cancelled_writer_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    store = SqlAccountStore(database, Vault([KEY]))
    inside = asyncio.Event()

    async def write() -> None:
        async with database.writing() as connection:
            values = {"name": "half", "kind": "web", "origin": "admin", "source": "", "weight": 1.0}
            await connection.execute(account.insert().values(**values))
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(AT_ONCE):
        await store.set_up(AccountSetup("whole"))
    assert [one.name for one in await store.all()] == ["whole"]


async def test_a_process_killed_inside_a_transaction_leaves_nothing(database: Database, database_url: str) -> None:
    dies = (
        "import asyncio, os, sys\n"
        "from gemgate.stores.sql.database import open_database\n"
        "from gemgate.stores.sql.schema import account\n"
        "async def main():\n"
        "    database = await open_database(sys.argv[1])\n"
        "    async with database.writing() as connection:\n"
        "        values = dict(name='half', kind='web', origin='admin', source='', weight=1.0)\n"
        "        await connection.execute(account.insert().values(**values))\n"
        "        print('inside', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", dies, database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"inside\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    store = SqlAccountStore(database, Vault([KEY]))
    async with asyncio.timeout(PATIENCE):
        await store.set_up(AccountSetup("whole"))
    assert [one.name for one in await store.all()] == ["whole"]


async def test_readers_are_not_held_up_by_a_writer(database: Database) -> None:
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup("alice"))
    async with database.writing() as connection:
        await connection.execute(account.update().values(source="env"))
        async with asyncio.timeout(AT_ONCE):
            assert (await store.get("alice")).setup.source == ""
    assert (await store.get("alice")).setup.source == "env"


async def test_a_view_is_of_one_moment(database: Database) -> None:
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup("alice"))
    async with database.reading() as connection:
        names = select(account.c.name)
        before = (await connection.execute(names)).scalars().all()
        await store.set_up(AccountSetup("bob"))
        assert (await connection.execute(names)).scalars().all() == before


async def test_rows_that_refer_to_nothing_are_refused(database: Database) -> None:
    values = {"account": "nobody", "capability": "text", "failures": 1, "until": 0, "opened_at": 0, "reason": ""}
    async with database.writing() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(account_circuit.insert().values(**values))


async def test_the_databases_clock_runs_in_epoch_seconds(database: Database) -> None:
    async with database.reading() as connection:
        found = [await connection.scalar(select(epoch_now())) for _ in range(2)]
        await asyncio.sleep(0.05)
        found.append(await connection.scalar(select(epoch_now())))
    assert all(isinstance(one, float) for one in found)
    assert 0.04 < found[2] - found[0] < 30
    assert found[0] > 1_700_000_000


class Contested:
    """The cursor of a new file that others switch to write-ahead logging meanwhile."""

    def __init__(self, code: int) -> None:
        self.code, self.asked = code, 0

    def execute(self, _: str) -> None:
        self.asked += 1
        if self.asked < 3:
            error = sqlite3.OperationalError("as SQLite says it")
            error.sqlite_errorcode = self.code
            raise error


async def test_a_new_file_that_others_open_at_this_moment_is_waited_for() -> None:
    """SQLite does not wait by itself here; that four processes begin together meets it once in a hundred times."""
    busy = Contested(sqlite3.SQLITE_BUSY)
    await greenlet_spawn(sql_database._keep_a_log, busy)
    assert busy.asked == 3
    broken = Contested(sqlite3.SQLITE_CORRUPT)
    with pytest.raises(sqlite3.OperationalError):
        await greenlet_spawn(sql_database._keep_a_log, broken)
    assert broken.asked == 1


async def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "gemgate.db")
    async with database.writing() as connection:
        full = "PRAGMA max_page_count = 1"  # SQLite makes that the pages that there are
        await connection.execute(text(full))
        with pytest.raises(StorageDown, match="the disk is full, SQLITE_FULL") as caught:
            async with sql_database._gateway_errors():
                await connection.execute(text("CREATE TABLE large AS SELECT zeroblob(9000000) AS it"))
    assert "磁盘已满" in caught.value.zh
    await database.close()


# The ways to a database


async def test_a_sqlite_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/gemgate.db"
    database = await open_database(path)
    await SqlAccountStore(database, Vault([KEY])).set_up(AccountSetup("alice"))
    assert {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {
        "gemgate.db": 0o600,
        "gemgate.db-wal": 0o600,
        "gemgate.db-shm": 0o600,
    }
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await database.close()
    assert [one.name for one in path.parent.iterdir()] == ["gemgate.db"]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:secret@h/n", "sqlite://", "sqlite:///:memory:"])
async def test_what_is_no_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await open_database(url)
    assert caught.value.code == "database_url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_every_spelling_of_postgresql_takes_our_driver(scheme: str) -> None:
    url = parsed_url(f"{scheme}://u:p@h:5433/n?sslmode=require")
    assert url.render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h:5433/n?sslmode=require"


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@127.0.0.1:1/n", "sqlite:////proc/nowhere/gemgate.db"], ids=["postgresql", "sqlite"]
)
async def test_a_database_that_cannot_be_reached_says_so_without_its_password(url: str) -> None:
    with pytest.raises(StorageDown) as caught:
        await open_database(url)
    assert caught.value.code == "database_unavailable"
    assert "secret" not in caught.value.en + caught.value.zh


async def test_a_postgresql_that_drops_its_connections_is_used_again_without_an_error(postgres_url: str) -> None:
    database = await open_database(postgres_url)
    store = SqlAccountStore(database, Vault([KEY]))
    await store.set_up(AccountSetup("alice"))
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid != pg_backend_pid()"
    )
    other = await open_database(postgres_url)
    async with other.writing() as connection:
        assert len((await connection.execute(text(ended))).all()) >= 1
    await other.close()
    assert [one.name for one in await store.all()] == ["alice"]
    await store.pause("alice", True)
    await database.close()


async def test_a_database_that_hangs_is_given_up(postgres_url: str) -> None:
    database = await open_database(postgres_url)
    with pytest.raises(StorageDown, match="no answer in time"):
        async with asyncio.timeout(PATIENCE), database.writing(seconds=0.5) as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))
    await SqlAccountStore(database, Vault([KEY])).set_up(AccountSetup("alice"))
    await database.close()


async def test_errors_of_the_code_inside_a_transaction_stay_what_they_are(database: Database) -> None:
    for error in (TimeoutError("mine"), FileNotFoundError("mine"), NotFound("mine")):
        with pytest.raises(type(error), match="mine"):
            async with database.writing():
                raise error


async def test_a_damaged_file_is_an_error_of_the_storage(tmp_path: Path) -> None:
    path = tmp_path / "gemgate.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StorageDown):
        await open_database(path)


async def test_a_process_that_hangs_inside_a_transaction_holds_nobody_up_for_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_database, "_END_IDLE", "SET LOCAL idle_in_transaction_session_timeout = '500ms'")
    one, other = await open_database(postgres_url), await open_database(postgres_url)
    try:
        await SqlAccountStore(one, Vault([KEY])).set_up(AccountSetup("alice"))
        change = update(account).where(account.c.name == "alice")

        async def hang() -> None:
            async with one.writing() as hanging:
                await hanging.execute(change.values(weight=2.0))
                async with asyncio.timeout(60), other.writing() as connection:
                    await connection.execute(change.values(weight=3.0))
                await hanging.execute(change.values(weight=4.0))

        with pytest.raises(StorageDown):
            await hang()
        async with one.reading() as connection:
            assert await connection.scalar(select(account.c.weight)) == 3.0
    finally:
        await one.close()
        await other.close()


async def test_each_connection_keeps_little_of_a_file(tmp_path: Path) -> None:
    """A gateway has fifteen of them: with SQLite's own 2 MB each they grow to a fifth of its memory."""
    database = await open_database(tmp_path / "gemgate.sqlite3")
    try:
        async with database.reading() as one, database.reading() as other:
            for connection in (one, other):
                assert (await connection.exec_driver_sql("PRAGMA cache_size")).scalar_one() == -sql_database.CACHE_KB
    finally:
        await database.close()
