"""What is half written when the process ends in the middle of it is taken away, whoever writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gemgate.stores.drafts import drafted

ENDS = """
import os, sys, threading
from pathlib import Path
from gemgate.stores.drafts import drafted, drop_unfinished

folder, writing, rest = Path(sys.argv[1]), threading.Barrier(3), threading.Event()

def write(name):
    with drafted(folder / name) as file:
        file.write(b"half")
        writing.wait()
        rest.wait()

for name in ("one", "two"):
    threading.Thread(target=write, args=(name,), daemon=True).start()
with drafted(folder / "whole") as file:
    file.write(b"whole")
writing.wait()
with drafted(folder / "three"):
    drop_unfinished()
    os._exit(0)
"""


def test_the_process_ends_and_no_half_file_is_left(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ENDS, str(tmp_path)], check=True, timeout=60)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("whole", b"whole")]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"before")
    with pytest.raises(RuntimeError), drafted(place):
        raise RuntimeError
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"before")]
