"""What the soak tells of memory adds up, and names what grew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.own_memory import mapped

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the kernel does not tell")

GROWS = """
import ctypes, json
from tests.support.own_memory import mapped, python_arenas, resident
had, (arenas, unused) = mapped(), python_arenas()
{grow}
have, (more, idle), whole = mapped(), python_arenas(), sum(resident().values())
kinds = [kind for kind, size in have.items() if size - had.get(kind, 0) > 5e6]
print(json.dumps([kinds, (more - arenas) / 1e6, (idle - unused) / 1e6, (whole - sum(have.values())) / 1e6]))
"""


@pytest.mark.parametrize(
    ("grow", "kinds", "arenas", "unused"),
    [
        ("kept = bytes(range(256)) * 100_000", ["anonymous"], 0, 0),
        ("kept = [bytes(400) for _ in range(100_000)]", ["anonymous"], 45, 0),
        ("kept = [bytes(400) for _ in range(100_000)]; del kept[80:40_000], kept[160:]", [], 0, 0),
        ("kept = [bytes(400) for _ in range(100_000)]; kept = kept[::1000]", ["anonymous"], 45, 43),
        ("kept = [ctypes.create_string_buffer(30_000) for _ in range(1000)]", ["[heap]"], 0, 0),
    ],
)
def test_growth_is_told_where_it_is(grow: str, kinds: list[str], arenas: float, unused: float) -> None:
    """Megabytes: large blocks, small ones, those whose arenas are the system's again, one of each pool, the C heap."""
    done = subprocess.run([sys.executable, "-c", GROWS.format(grow=grow)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [kinds, *(pytest.approx(size, abs=3) for size in (arenas, unused, 0))]


SMAPS = """\
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
Rss:                 100 kB
Anonymous:           100 kB
7f0000021000-7f0004000000 ---p 00000000 00:00 0
Rss:                   0 kB
7f0005000000-7f0005001000 ---p 00000000 00:00 0
Rss:                   0 kB
7f0005001000-7f0005801000 rw-p 00000000 00:00 0
Rss:                  20 kB
7f0006100000-7f0006200000 rw-p 00000000 00:00 0
Rss:                1024 kB
7f0007000000-7f0007008000 rw-s 00000000 08:01 77                         /data/gemgate.db-shm
Rss:                  32 kB
7f0008000000-7f0008008000 r--p 00000000 08:01 78                         /lib/a b.so (deleted)
Rss:                   8 kB
55d000000000-55d000100000 rw-p 00000000 00:00 0                          [heap]
Rss:                 900 kB
"""


def test_each_mapping_has_its_kind() -> None:
    assert mapped(SMAPS.splitlines()) == {
        "[heap]": 900 << 10,
        "a b.so (deleted)": 8 << 10,
        "anonymous": 1024 << 10,
        "gemgate.db-shm": 32 << 10,
        "glibc's arenas of threads": 100 << 10,
        "stacks of threads": 20 << 10,
    }
