"""A consistent private copy of an SQLite database that another program has open, made without any lock.

Opening the file itself will not do: Firefox holds it exclusively, an immutable open does not see the write-ahead log,
and a reader's lock can make the browser's own write fail. So the bytes are copied, and what proves the copy whole is
that nothing was reset (log) or written (no log) while we copied. SQLite itself then reads log and pages together.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Inode, size and change time of a database, its write-ahead log and its rollback journal."""

_TRIES = 24
_QUIET = 0.05
"""Seconds without a write after which the next one is sure to change the file's time (kernels tick every 4-10 ms)."""
_WAL_HEADER = 32
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made inside it


class CannotCopy(Exception):
    """The database was rewritten all the time; the next look will do."""


def stamp(database: Path) -> Stamp | None:
    """What changes whenever the database does; None when there is no such file. OSError when it may not be seen."""
    if (own := _stat(database)) is None:
        return None
    return (own, _stat(_wal(database)), _stat(_journal(database)))


@contextmanager
def opened_copy(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a private copy, gone afterwards. CannotCopy, OSError, sqlite3.Error. Blocks: use a thread."""
    with tempfile.TemporaryDirectory(prefix="gemgate-", dir=_folder(database)) as folder:
        copy = Path(folder) / "copy"
        for _ in range(_TRIES):
            if _copy(database, copy):
                break
            time.sleep(_QUIET)
        else:
            raise CannotCopy(f"{database} is being rewritten all the time")
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            yield connection


def _folder(database: Path) -> Path | None:
    """Memory rather than a disk, for what is copied are secrets."""
    if _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK):
        need = 4 * (database.stat().st_size + 1_000_000)
        if shutil.disk_usage(_IN_MEMORY).free > need:
            return _IN_MEMORY
    return None


def _copy(database: Path, copy: Path) -> bool:
    """Copy database and log; False when the copy may be torn.

    With a log: every page that a checkpoint moves meanwhile is in the log still, unless the log was begun again, which
    changes the salt in its header. Without: nothing may have written the file, before (a hot journal) or meanwhile.
    """
    wal = _wal(database)
    copy_wal = _wal(copy)
    copy_wal.unlink(missing_ok=True)
    head, before = _wal_head(wal), stamp(database)
    if not head and not _is_quiet(database, before):
        return False
    shutil.copyfile(database, copy)
    if head:
        try:
            shutil.copyfile(wal, copy_wal)
        except FileNotFoundError:
            return False
        return _wal_head(copy_wal) == head == _wal_head(wal)
    return stamp(database) == before and not _wal_head(wal)


def _is_quiet(database: Path, before: Stamp | None) -> bool:
    age = time.time() - database.stat().st_mtime
    return before is not None and not 0 <= age < _QUIET and not _is_hot(_journal(database))


def _is_hot(journal: Path) -> bool:
    """Whether a transaction is under way: its journal is there and its head is not wiped."""
    try:
        with journal.open("rb") as file:
            return file.read(8).strip(b"\0") != b""
    except FileNotFoundError:
        return False


def _wal_head(wal: Path) -> bytes:
    try:
        with wal.open("rb") as file:
            return file.read(_WAL_HEADER)
    except FileNotFoundError:
        return b""


def _wal(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _journal(database: Path) -> Path:
    return database.with_name(database.name + "-journal")


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)
