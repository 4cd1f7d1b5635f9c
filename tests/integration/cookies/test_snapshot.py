"""Copies of a database that another process writes without a pause: never torn, never behind what was committed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gemgate.cookies.snapshot import CannotCopy, opened_copy, stamp
from tests.support.patience import wait_until

ROWS = 400
WRITER = """
    import random, sqlite3, sys, time
    path, mode, pause, checkpoint = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    one = sqlite3.connect(path, isolation_level=None)
    one.execute(f"PRAGMA journal_mode={mode}")
    one.execute("PRAGMA locking_mode=EXCLUSIVE")
    one.execute("PRAGMA synchronous=OFF")
    one.execute(f"PRAGMA wal_autocheckpoint={checkpoint}")
    one.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER, pad BLOB)")
    one.execute("BEGIN")
    one.executemany("INSERT OR REPLACE INTO t VALUES (?, 0, zeroblob(300))", [(i,) for i in range(400)])
    one.execute("COMMIT")
    print("ready", flush=True)
    n = 0
    while True:
        n += 1
        one.execute("BEGIN")
        one.execute("UPDATE t SET n = ?", (n,))
        one.execute("COMMIT")
        print(n, flush=True)
        time.sleep(pause * random.random() * 2)
"""


@contextmanager
def writer(path: Path, mode: str, pause: float, checkpoint: int = 40) -> Iterator[subprocess.Popen[str]]:
    """A process that commits one whole change of every row after another."""
    arguments = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), mode, str(pause), str(checkpoint)]
    with path.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(arguments, stdout=log, text=True)
        try:
            wait_until(lambda: path.with_suffix(".log").read_text().startswith("ready\n"))
            yield process
        finally:
            process.kill()
            process.wait()


def committed(path: Path) -> int:
    lines = path.with_suffix(".log").read_text().split("\n")[1:-1]
    return int(lines[-1]) if lines else 0


@pytest.mark.parametrize(
    ("mode", "pause", "wanted"), [("WAL", 0.0, 20), ("WAL", 0.01, 20), ("TRUNCATE", 0.2, 4), ("DELETE", 0.2, 4)]
)
def test_a_copy_is_one_moment_and_not_an_old_one(mode: str, pause: float, wanted: int, tmp_path: Path) -> None:
    path = tmp_path / "db"
    moments = set()
    deadline = time.monotonic() + 60
    with writer(path, mode, pause):
        while len(moments) < wanted:
            assert time.monotonic() < deadline, "the writer does not write, or hardly a copy is made"
            before = committed(path)
            try:
                with opened_copy(path) as copy:
                    found = {n for (n,) in copy.execute("SELECT n FROM t")}
                    assert copy.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)
                    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            except CannotCopy:
                continue
            assert len(found) == 1, "rows of several commits in one copy"
            moment = found.pop()
            assert moment >= before, "a copy from before the last commit"
            moments.add(moment)


def pairs(path: Path, mode: str) -> sqlite3.Connection:
    """A database of many pages in which every commit moves `n` of all rows; a state of two numbers is no state."""
    one = sqlite3.connect(path, isolation_level=None)
    one.execute(f"PRAGMA journal_mode={mode}")
    one.execute("PRAGMA wal_autocheckpoint=0")
    one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, pad BLOB)")
    one.executemany("INSERT INTO t VALUES (?, 1, zeroblob(2000))", [(i,) for i in range(50)])
    time.sleep(0.06)
    return one


def numbers(path: Path) -> list[int]:
    with opened_copy(path) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return sorted({n for (n,) in copy.execute("SELECT n FROM t")})


def test_a_log_that_is_begun_again_meanwhile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages copied, then moved from the log into the file, then the log begun again with a small change only."""
    one = pairs(tmp_path / "db", "WAL")
    really, struck = shutil.copyfile, []

    def copyfile(source: Path, target: Path) -> None:
        really(source, target)
        if source.name == "db" and not struck:
            struck.append(one.execute("UPDATE t SET n = 2"))
            one.execute("PRAGMA wal_checkpoint(RESTART)")
            one.execute("UPDATE t SET pad = zeroblob(2001) WHERE id = 0")

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with closing(one):
        assert numbers(tmp_path / "db") == [2]


def test_a_file_that_is_written_meanwhile_is_copied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pairs(tmp_path / "db", "DELETE")
    struck = []

    def copyfile(source: Path, target: Path) -> None:
        with source.open("rb") as old, target.open("wb") as new:
            new.write(old.read(source.stat().st_size // 2))
            if not struck:
                struck.append(one.execute("UPDATE t SET n = 2"))
            new.write(old.read())

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with closing(one):
        assert numbers(tmp_path / "db") == [2]


@pytest.mark.parametrize("mode", ["TRUNCATE", "DELETE"])
def test_a_database_without_a_pause_is_given_up_and_not_guessed(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every copy is overtaken, however long the machine takes over one: another process may itself be held up."""
    one = pairs(tmp_path / "db", mode)
    really = shutil.copyfile

    def copyfile(source: Path, target: Path) -> None:
        really(source, target)
        one.execute("UPDATE t SET n = n + 1")

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with closing(one), pytest.raises(CannotCopy), opened_copy(tmp_path / "db"):
        pass


def test_a_transaction_that_was_cut_off_is_not_seen(tmp_path: Path) -> None:
    """A hot journal lies beside the file: its half-written pages are no state of the database."""
    path = tmp_path / "db"
    with sqlite3.connect(path) as one:
        one.execute("CREATE TABLE t (n INTEGER)")
    one.close()
    (tmp_path / "db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    with pytest.raises(CannotCopy), opened_copy(path):
        pass


def test_nothing_is_left_behind_and_nobody_else_can_read_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as one:
        one.execute("CREATE TABLE t (n INTEGER)")
    one.close()
    time.sleep(0.06)
    with opened_copy(path) as copy:
        folder = Path(copy.execute("PRAGMA database_list").fetchone()[2]).parent
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_the_stamp_changes_with_every_commit(tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert stamp(path) is None
    one = sqlite3.connect(path, isolation_level=None)
    one.execute("PRAGMA journal_mode=WAL")
    one.execute("CREATE TABLE t (n INTEGER)")
    seen = set()
    for n in range(5):
        one.execute("INSERT INTO t VALUES (?)", (n,))
        seen.add(stamp(path))
        time.sleep(0.02)
    one.close()
    assert len(seen) == 5
