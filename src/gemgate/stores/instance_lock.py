"""One gemgate per SQLite folder: a file beside the database that the owner of its accounts holds locked.

The system lets go of the lock when a process dies, however it dies; what stands in the file is only for people. On
PostgreSQL nothing is locked: there the lease of each account decides.

Ours and not `filelock` (4.3): its flock does not say who holds a file, nor can that be asked without taking it; where a
filesystem has no flock it goes over to a file that outlives its process; and it costs a start 10 ms of CPU and 1.3 MB.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from gemgate.errors import StorageDown, system_words
from gemgate.frozen import frozen

if sys.platform != "win32":  # it has no such locks: there nothing is guarded
    import fcntl


@frozen
class LockHolder:
    """Who holds a folder. url: where it answers, as far as it knows."""

    pid: int
    url: str = ""

    def __str__(self) -> str:
        return f"process {self.pid}" + (f" at {self.url}" if self.url else "")


def lock_path(database: Path) -> Path:
    """The lock of a SQLite database."""
    return database.with_name(database.name + ".owner")


@contextmanager
def instance_lock(path: Path, url: str = "") -> Iterator[None]:
    """Hold the lock; StorageDown names whoever holds it already."""
    if sys.platform == "win32":
        yield
        return
    descriptor = _opened(path)
    try:
        if not _locked(descriptor, tries=3):  # somebody who only looks holds it for a moment, too
            raise _taken(path, _read(descriptor))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(LockHolder(os.getpid(), url))).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lock_holder(path: Path) -> LockHolder | None:
    """Who holds the lock now; None when nobody does, or it cannot be known."""
    if sys.platform == "win32" or not path.exists():
        return None
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read(descriptor) or LockHolder(0)
        return None
    finally:
        os.close(descriptor)


def descriptor_of(path: Path) -> int | None:
    """Hold the lock until the descriptor is closed; None when somebody else does, or the system has no such locks."""
    if sys.platform == "win32":
        return None
    descriptor = _opened(path)
    if _locked(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _locked(descriptor: int, *, tries: int = 1) -> bool:
    """Whether the lock is ours now."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.05 if left else 0)
        else:
            return True
    return False


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = system_words(error)
        raise StorageDown(
            f"{path} cannot be opened: {why.en}; set DATA_DIR to a folder we may write",
            f"无法打开 {path}：{why.zh}；请将 DATA_DIR 设为可写的目录",
            code="data_dir",
        ) from None


def _read(descriptor: int) -> LockHolder | None:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return LockHolder(int(found["pid"]), str(found["url"]))
    except (ValueError, KeyError, TypeError):
        return None


def _taken(path: Path, owner: LockHolder | None) -> StorageDown:
    who = f" ({owner})" if owner else ""
    return StorageDown(
        f"Another gemgate{who} runs on {path.parent}. Stop it, or give this one a DATA_DIR of its own; "
        "several nodes share accounts through PostgreSQL (DATABASE_URL)",
        f"另一个 gemgate{who} 正在使用 {path.parent}。请先停止它，或为本实例设置单独的 DATA_DIR；"
        "多个节点可通过 PostgreSQL（DATABASE_URL）共享账号",
        code="data_dir_taken",
    )
