"""Forwards from every schema there ever was, with a copy first; never backwards; never under somebody who works."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gemgate.assembly.storage import open_storage
from gemgate.errors import Conflict, GatewayError, StorageDown
from gemgate.stores.sql import migrate, upgrade_copy
from gemgate.stores.sql.database import bring_up, open_database
from gemgate.version import __version__
from tests.support.serving import settings_for

DUMP = Path(__file__).with_name("before_0012.sql")
KEPT = sorted((*Path(__file__).parent.glob("before_*.sql"), *Path(__file__).with_name("released").glob("*.sql")))
"""Databases that older versions lived in; each release adds its own (tools/release.py)."""
REVISIONS = sorted(migrate._known())
Found = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def old_0010(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database that was lived in, at schema 0010."""
    place = tmp_path_factory.mktemp("old") / "gemgate.sqlite3"
    with contextlib.closing(sqlite3.connect(place)) as connection:
        connection.executescript(DUMP.read_text())
    return place.read_bytes()


async def at(revision: str, old: bytes, place: Path) -> None:
    """Bring the old database to a schema, there or back."""
    place.write_bytes(old)
    move = migrate.upgrade if revision > "0010" else migrate.downgrade
    await bring_up(place, by=lambda connection: move(connection, revision))


def rows(place: Path) -> Found:
    with contextlib.closing(sqlite3.connect(place)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=str) for name in names}


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("gemgate.sqlite3.schema-*"))


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_every_schema_comes_up_and_is_kept_as_it_was(
    revision: str, old_0010: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "gemgate.sqlite3"
    await at(revision, old_0010, place)
    before = rows(place)
    with caplog.at_level(logging.WARNING, "gemgate.upgrade"):
        await (await open_database(place)).close()
    (copy,) = copies(tmp_path)
    assert str(copy) in caplog.text
    assert f"from schema {revision} to {REVISIONS[-1]}" in caplog.text
    assert copy.name.startswith(f"gemgate.sqlite3.schema-{revision}.")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert rows(copy) == before
    after = rows(place)
    assert after[migrate.VERSION_TABLE] == [(REVISIONS[-1],)]
    assert {row[0] for row in after["account"]} == {row[0] for row in before["account"]}
    await (await open_database(place)).close()
    assert copies(tmp_path) == [copy]  # nothing to upgrade, nothing to copy


@pytest.mark.parametrize("dump", KEPT, ids=lambda dump: dump.stem)
async def test_what_a_released_version_left_comes_up(dump: Path, tmp_path: Path) -> None:
    place = tmp_path / "gemgate.sqlite3"
    with contextlib.closing(sqlite3.connect(place)) as connection:
        connection.executescript(dump.read_text("utf-8"))
    before = rows(place)
    async with open_storage(settings_for(None, tmp_path), exclusive=True) as storage:
        accounts = await storage.accounts.all()
    after = rows(place)
    assert accounts
    assert all(one.trouble is None and one.cookies is not None for one in accounts)
    assert {name: len(found) for name, found in after.items() if name in before} == {
        name: len(found) for name, found in before.items() if name in after
    }


async def test_a_new_database_is_no_upgrade(tmp_path: Path) -> None:
    await (await open_database(tmp_path / "gemgate.sqlite3")).close()
    assert not copies(tmp_path)


async def test_backwards_is_refused_with_both_versions(tmp_path: Path) -> None:
    place = tmp_path / "gemgate.sqlite3"
    await (await open_database(place)).close()
    with contextlib.closing(sqlite3.connect(place)) as connection:
        signed = connection.execute("PRAGMA user_version").fetchone()[0]
        assert f"{signed // 1_000_000}.{signed // 1_000 % 1_000}.{signed % 1_000}" == __version__
        connection.execute("PRAGMA user_version = 3002001")
        connection.execute(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'")
        connection.commit()
    before = rows(place)
    with pytest.raises(GatewayError) as caught:
        await open_database(place)
    for text in (caught.value.en, caught.value.zh):
        assert "3.2.1" in text
        assert __version__ in text
        assert "9999" in text
    assert rows(place) == before
    assert not copies(tmp_path)


async def test_without_room_for_the_copy_nothing_is_migrated(
    old_0010: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "gemgate.sqlite3"
    place.write_bytes(old_0010)
    before = rows(place)

    def full(*_: object, **__: object) -> sqlite3.Connection:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(upgrade_copy, "sqlite3", SimpleNamespace(connect=full, Error=sqlite3.Error))
    with pytest.raises(StorageDown, match=r"from schema 0010.*No space left.*nothing was changed"):
        await open_database(place)
    monkeypatch.undo()
    assert rows(place) == before
    assert [one.name for one in tmp_path.iterdir() if "schema" in one.name] == []
    await (await open_database(place)).close()


async def test_a_command_of_a_new_version_changes_nothing_under_a_gateway_that_runs(
    old_0010: bytes, tmp_path: Path
) -> None:
    place = tmp_path / "gemgate.sqlite3"
    place.write_bytes(old_0010)
    before = rows(place)
    code = (
        "import sys; from pathlib import Path; from gemgate.stores import instance_lock as one\n"
        "with one.instance_lock(one.lock_path(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(place)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict, match=f"older gemgate .process {holder.pid}"):
            async with open_storage(settings_for(None, tmp_path), exclusive=False):
                pass
        assert rows(place) == before
        assert holder.stdin is not None
        holder.stdin.close()
    async with open_storage(settings_for(None, tmp_path), exclusive=False):
        assert rows(place)[migrate.VERSION_TABLE] == [(REVISIONS[-1],)]
