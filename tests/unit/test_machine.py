"""What the machine runs out of: limits read as control groups state them, calls refused before they cost memory."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from gemgate.allocator import give_back, give_code_back, heap, unchanged
from gemgate.errors import StorageDown
from gemgate.machine import CLIENTS, MB, Machine, Memory
from gemgate.ports.runtime import TelemetryEvent
from gemgate.testing import FakeClock


class Seen:
    def __init__(self) -> None:
        self.facts: list[TelemetryEvent] = []

    def emit(self, fact: TelemetryEvent) -> None:
        self.facts.append(fact)


def group(top: Path, version: int, *, limit: str, used: int, cache: int = 0, path: str = "") -> None:
    """A control group's files as the kernel shows them."""
    place = top / path if version == 2 else top / "memory" / path
    place.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (place / names[0]).write_text(f"{limit}\n")
    (place / names[1]).write_text(f"{used}\n")
    (place / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\nslab 3\n")


def proc(folder: Path, *lines: str) -> Path:
    place = folder / "proc"
    place.mkdir(exist_ok=True)
    (place / "cgroup").write_text("".join(f"{line}\n" for line in lines))
    return place


@pytest.mark.parametrize(("version", "line"), [(2, "0::/pod/one"), (1, "4:cpu,memory:/pod/one")])
def test_a_groups_limit_counts_without_the_cache_that_the_system_takes_back(
    tmp_path: Path, version: int, line: str
) -> None:
    top = tmp_path / "groups"
    group(top, version, limit=str(500 * MB), used=480 * MB, cache=300 * MB, path="pod/one")
    memory = Memory(proc(tmp_path, "9:pids:/x", line), top)
    assert memory.limit == 500 * MB
    assert memory.fits(200 * MB, virtual=10_000 * MB), "what is only reserved does not count here"
    group(top, version, limit=str(500 * MB), used=480 * MB, path="pod/one")
    assert not memory.fits(0), "a tenth is kept for what is under way"


def test_a_limit_above_our_group_counts_and_none_is_none(tmp_path: Path) -> None:
    top = tmp_path / "groups"
    group(top, 2, limit="max", used=900 * MB, path="pod/one")
    group(top, 2, limit=str(1000 * MB), used=900 * MB, path="pod")
    assert not Memory(proc(tmp_path, "0::/pod/one"), top).fits(1)
    group(top, 2, limit="max", used=900 * MB, path="pod")
    free = Memory(proc(tmp_path, "0::/pod/one"), top)
    assert (free.limit, free.fits(1 << 50)) == (0, True)
    assert Memory(tmp_path / "nothing", tmp_path / "nothing").fits(1 << 50)


def test_what_is_promised_to_others_is_not_there(tmp_path: Path) -> None:
    top = tmp_path / "groups"
    group(top, 2, limit=str(300 * MB), used=100 * MB)
    memory = Memory(proc(tmp_path, "0::/"), top)
    assert memory.fits(150 * MB)
    with memory.promised(100 * MB):
        assert not memory.fits(150 * MB)
    assert memory.fits(150 * MB)


async def test_a_body_that_does_not_fit_is_refused_and_a_short_one_is_not(tmp_path: Path) -> None:
    top = tmp_path / "groups"
    group(top, 2, limit=str(300 * MB), used=200 * MB)
    seen = Seen()
    machine = Machine(tmp_path, clock=FakeClock(), observer=seen, memory=Memory(proc(tmp_path, "0::/"), top))
    assert machine.refuses(1000) is None
    assert machine.refuses(0) is None
    refused = machine.refuses(20 * MB)
    assert refused is not None
    assert (refused.code, refused.generated) == ("out_of_memory", "no")
    assert not machine.shortages, "memory is short for this body only"
    group(top, 2, limit=str(300 * MB), used=299 * MB)
    await machine.look()
    assert [short.part for short in machine.shortages] == ["memory"]
    assert machine.refuses(1000) is not None
    group(top, 2, limit=str(300 * MB), used=100 * MB)
    assert machine.refuses(1000) is None, "over as soon as it is over"
    await machine.look()
    told = [fact.name for fact in seen.facts if fact.data["part"] == "memory"]
    assert told == ["machine.short", "machine.enough"]


async def test_a_store_that_is_away_is_tried_again_at_every_look(tmp_path: Path) -> None:
    away: list[StorageDown] = [StorageDown("the database is away")]
    tries = 0

    async def again() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise away[0]
        away.clear()

    stores = {"database": (lambda: away[0] if away else None, again)}
    machine = Machine(tmp_path, clock=FakeClock(), observer=Seen(), stores=stores)  # type: ignore[arg-type]
    for _ in range(2):
        await machine.look()
        assert machine.short("database")
    await machine.look()
    assert not machine.short("database")
    await machine.look()
    assert tries == 3


async def test_too_many_connections_are_a_shortage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, clock=FakeClock(), observer=Seen(), memory=Memory(tmp_path, tmp_path))
    monkeypatch.setattr(CLIENTS, "most", 10)
    monkeypatch.setattr(CLIENTS, "open", 9)
    assert not machine.short("descriptors")
    monkeypatch.setattr(CLIENTS, "open", 10)
    assert machine.short("descriptors")


FRAGMENTED = """
import asyncio
from pathlib import Path
from gemgate.machine import GIVEN_BACK_EVERY, Machine, heap
from gemgate.testing import FakeClock
from tests.support.own_memory import resident

class Deaf:
    def emit(self, fact): ...

async def main():
    clock = FakeClock()
    machine = Machine(Path("."), clock=clock, observer=Deaf())
    pieces = [bytes([number % 255]) * 30_000 for number in range(2_000)]
    del pieces[:-1]
    await machine.look()
    before = sum(resident().values())
    await clock.advance(GIVEN_BACK_EVERY)
    await machine.look()
    print(before - sum(resident().values()))

asyncio.run(main())
"""


@pytest.mark.skipif(heap().in_use == 0, reason="not a C library that tells, and gives back")
def test_what_is_free_below_something_in_use_is_the_systems_again_in_time() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000


LIBRARIES = """
import hashlib, sqlite3, ssl
from gemgate.allocator import give_code_back
from tests.support.own_memory import resident

def used():
    ssl.create_default_context()
    return sqlite3.connect(":memory:").execute("SELECT 6 * 7").fetchone()[0], hashlib.sha3_256(b"a").hexdigest()

told, before = used(), resident()["RssFile"]
give_code_back()
left = resident()["RssFile"]
assert used() == told
print(before - left, resident()["RssFile"] - left)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is not told")
def test_pages_of_libraries_go_and_come_again_when_they_are_used() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True)
    gone, again = map(int, done.stdout.split())
    assert gone > 4_000_000
    assert 0 < again < gone


MAPPINGS = """\
7f0000000000-7f0000002000 r-xp 00000000 08:01 77                         /lib/a b.so
Rss:                   8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000002000-7f0000003000 r--p 00002000 08:01 77                         /lib/a b.so
Rss:                   4 kB
Anonymous:             4 kB
VmFlags: rd mr mw me
7f0000003000-7f0000005000 r--p 00003000 08:01 77                         /lib/a b.so (deleted)
Rss:                   8 kB
Anonymous:             0 kB
7f0000005000-7f0000006000 rw-p 00005000 08:01 77                         /lib/a b.so
Anonymous:             0 kB
7f0000006000-7f0000007000 r--s 00000000 08:01 78                         /data/gemgate.sqlite3-shm
Anonymous:             0 kB
7f0000007000-7f0000008000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000008000-7f0000009000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
"""


def test_only_what_is_as_its_file_is_goes() -> None:
    assert unchanged(MAPPINGS) == [(0x7F0000000000, 0x7F0000002000), (0x7F0000003000, 0x7F0000005000)]


def test_giving_back_leaves_nothing_to_the_collector() -> None:
    give_back()
    give_code_back()
    gc.collect()
    for _ in range(3):
        give_back()
        heap()
    assert gc.collect() == 0
