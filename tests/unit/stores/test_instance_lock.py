"""The lock of a SQLite folder: who holds it is told, and a process that dies holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemgate.errors import StorageDown
from gemgate.stores.instance_lock import LockHolder, descriptor_of, instance_lock, lock_holder

HOLDS = """
import sys
from pathlib import Path
from gemgate.stores.instance_lock import instance_lock
with instance_lock(Path(sys.argv[1]), "http://127.0.0.1:9"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "x.owner")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_who_holds_it_is_told_and_kill_9_lets_go(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "x.owner"
    assert lock_holder(path) == LockHolder(holder.pid, "http://127.0.0.1:9")
    for _ in range(2):  # asking and being refused change nothing
        with pytest.raises(StorageDown, match=f"process {holder.pid} at http://127.0.0.1:9"), instance_lock(path):
            pass
    assert descriptor_of(path) is None
    holder.kill()
    holder.wait()
    assert lock_holder(path) is None
    with instance_lock(path, "http://127.0.0.1:8"):
        assert lock_holder(path) == LockHolder(os.getpid(), "http://127.0.0.1:8")
    assert path.read_bytes() == b""


def test_a_descriptor_holds_it_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = descriptor_of(path)
    assert first is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert descriptor_of(path) is None
    os.close(first)
    again = descriptor_of(path)
    assert again is not None
    os.close(again)


def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    nobody = 65534
    root = os.geteuid() == 0
    if root:
        os.seteuid(nobody)
    try:
        refused = pytest.raises(StorageDown, match="set DATA_DIR to a folder we may write")
        with refused as caught, instance_lock(folder / "x.owner"):
            pass
    finally:
        if root:
            os.seteuid(0)
    assert caught.value.code == "data_dir"
