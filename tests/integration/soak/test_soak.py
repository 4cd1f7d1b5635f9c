"""The soak: mixed requests of all dialects with faults among them, against `gemgate serve` in a process of its own.

`pytest tests/integration/soak -m soak -s --soak-requests 2000` is a short one. It ends by itself: after its requests,
or after `--soak-minutes` with as many as there were.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import RemoteSimulator
from gemgate_simulator.record import Record
from tests.integration.soak.gateway import ACCOUNTS, Gateway, ask, running
from tests.integration.soak.load import NUMBER, Asked, Conversation, asked, prepare
from tests.support.watched_serve import LONG, Figures

SEED = 1
CALLERS = 24
READINGS = 40
"""How often the process is read, at rest, while it works."""
SLOPE = 0.5
"""Megabytes of memory that 10 000 requests may add."""
SETTLED = 90.0
"""Seconds within which everything that was open for a call is closed again."""
WARM = 0.05
"""Share of the requests after which what stays open and in memory is there, and at least WARM_LEAST."""
WARM_LEAST, WARM_MOST = 2_000, 10_000
REST = 20.0
"""Seconds without a call before what is open is counted for the first time."""
"""How an answer says that it failed, in any dialect."""
JUDGED_FROM = 10_000
"""Requests from which a slope of memory says something: before that it is the allocator's steps."""
BOOKS_LEAST = 500
"""Requests of a part at least."""
PAUSE = 2.0
"""Seconds between the last answer of a part and the reading."""


@dataclass(slots=True)
class Soaked:
    """What the soak saw. answers: how many of each kind by status; wrong: what no fault explains."""

    requests: int = 0
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    readings: list[tuple[int, Figures]] = field(default_factory=list)
    generations: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    violations: list[str] = field(default_factory=list)

    def note(self, one: Asked, status: int, why: str = "") -> None:
        """status: of the answer, 0 where the caller got none or did not wait for it; why: what he was told instead."""
        self.requests += 1
        self.answers.setdefault(one.kind, Counter())[f"{one.fault and 'faulted: '}{status or 'none'}"] += 1
        if not one.fault and (status != one.expects or (status == 200 and why)):
            self.wrong.append(f"No {one.number} ({one.kind}): {status} {why}")


async def load(gateway: Gateway, sim: RemoteSimulator, numbers: range, ends: float, soaked: Soaked) -> None:
    """All of these requests in READINGS parts; between them a rest, in which the gateway is read.

    What it takes under load is what two dozen callers have under way, bodies of 4 MB among them.
    """
    every = max(BOOKS_LEAST, -(-len(numbers) // READINGS))
    for first in range(0, len(numbers), every):
        if time.monotonic() < ends:
            await load_part(gateway, numbers[first : first + every], ends, soaked)
            await keep_books(sim, soaked)
            await asyncio.sleep(PAUSE)
            soaked.readings.append((soaked.requests, await gateway.read()))
            print(_row(*soaked.readings[-1]), *soaked.readings[-1][1].long, sep="\n", flush=True)


async def load_part(gateway: Gateway, numbers: range, ends: float, soaked: Soaked) -> None:
    """These requests, CALLERS at once."""
    left = iter(numbers)

    async def caller() -> None:
        conversation = Conversation()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
            for number in left:
                if time.monotonic() > ends:
                    return
                one = asked(number, SEED, conversation)
                try:
                    soaked.note(one, *await ask(http, gateway.url, one, conversation))
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    soaked.note(one, 0, repr(error))

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())


async def keep_books(sim: RemoteSimulator, soaked: Soaked) -> None:
    """What Google heard and made since the last time, and which of its rules were broken."""
    record: Record = await sim.record()
    await sim.google.forget()
    soaked.violations += record.violations
    for call in record.calls:
        soaked.sent += 1
        if call.generated and (found := NUMBER.findall(call.prompt)):
            soaked.generations[int(found[-1])] += 1


def more_open(now: Figures, before: Figures) -> dict[str, str]:
    """What is open that was not open after the warm-up."""
    more: dict[str, str] = {}
    if (count := sum(now.descriptors.values())) > (was := sum(before.descriptors.values())):
        more["descriptors"] = f"{was} -> {count}: {_gained(now.descriptors, before.descriptors)}"
    if now.threads > before.threads:
        more["threads"] = f"{before.threads} -> {now.threads}"
    if (count := sum(now.tasks.values())) > (was := sum(before.tasks.values())):
        more["tasks"] = f"{was} -> {count}: {_gained(now.tasks, before.tasks)}"
    return more


def _gained(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}


def _most(gained: dict[str, int]) -> dict[str, int]:
    return dict(Counter(gained).most_common(12))


async def settled(gateway: Gateway, before: Figures) -> tuple[Figures, dict[str, str]]:
    """The figures once nothing more is open than before, or after SETTLED seconds as they are."""
    over = time.monotonic() + SETTLED
    while True:
        figures = await gateway.read()
        more = more_open(figures, before)
        if not more or time.monotonic() > over:
            return figures, more
        await asyncio.sleep(2.0)


def slope(readings: list[tuple[int, Figures]]) -> tuple[float, float]:
    """Megabytes that 10 000 requests add, by least squares, and the standard error of that.

    Of what is the process's own: pages of libraries come and go. A reading has up to 8 MB more or less as free memory
    went back to the system long before it or just now.
    """
    if len(readings) < 3:
        return 0.0, 0.0
    counts, sizes = [count for count, _ in readings], [one.anon / 1e6 for _, one in readings]
    fitted = statistics.linear_regression(counts, sizes)
    missed = sum((size - fitted.slope * x - fitted.intercept) ** 2 for x, size in zip(counts, sizes, strict=True))
    spread = statistics.pvariance(counts) * len(counts)
    return fitted.slope * 10_000, math.sqrt(missed / (len(counts) - 2) / spread) * 10_000


COLUMNS = {"requests": 9, "MB": 7, "anon": 6, "file": 6, "in use": 7, "kept": 6, "arenas": 7, "unused": 7}
COLUMNS |= {"blocks": 8, "fds": 5, "threads": 7, "tasks": 6}
COLUMNS |= {"ms CPU": 7, "ms wall": 8}


def _line(cells: Iterable[str]) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, COLUMNS.values(), strict=True))


def _row(reached: int, one: Figures) -> str:
    sizes = (one.rss, one.anon, one.file, one.in_use, one.kept, one.arenas, one.unused)
    megabytes = [f"{size / 1e6:.1f}" for size in sizes]
    counts = [one.blocks, sum(one.descriptors.values()), one.threads, sum(one.tasks.values())]
    times = [f"{seconds * 1e3:.1f}" for seconds in (one.longest, one.late)]
    return _line([str(reached), *megabytes, *map(str, counts), *times])


def told(soaked: Soaked, steepness: float, error: float, seconds: float) -> str:
    """The table."""
    lines = [_line(COLUMNS)]
    lines += [_row(*reading) for reading in soaked.readings]
    lines.append("")
    warm = soaked.readings[0][0]
    count = soaked.requests - warm
    for kind, answers in sorted(soaked.answers.items()):
        lines.append(f"{kind:<34} {dict(sorted(answers.items()))}")
    lines.append(
        f"\n{count} requests after {warm} in {seconds:.0f} s ({count / seconds:.0f} a second), "
        f"{sum(soaked.generations.values())} generations; memory grows by {steepness:.2f} ± {error:.2f} MB per 10 000"
    )
    return "\n".join(lines)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_nothing_grows_stays_open_or_stalls(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    count = int(pytestconfig.getoption("--soak-requests"))
    ends = time.monotonic() + 60 * float(pytestconfig.getoption("--soak-minutes"))
    warm = min(WARM_MOST, max(WARM_LEAST, int(count * WARM)))
    soaked = Soaked()
    async with RemoteSimulator.spawn(ACCOUNTS) as sim, running(sim, tmp_path) as gateway:
        await prepare(sim)
        await load(gateway, sim, range(warm), ends, soaked)
        await asyncio.sleep(REST)
        before = await gateway.read("objects")
        soaked.readings = [(soaked.requests, before)]
        began = time.monotonic()
        await load(gateway, sim, range(warm, warm + count), ends, soaked)
        seconds = time.monotonic() - began
        steepness, error = slope(soaked.readings[1:])
        after, more = await settled(gateway, before)
        soaked.readings.append((soaked.requests, after))
        objects = (await gateway.read("objects")).objects
    print("", told(soaked, steepness, error, seconds), f"more open than after {warm}: {more or 'nothing'}", sep="\n")
    more_kb = {kind: size // 1000 for kind, size in _gained(after.mapped, before.mapped).items()}
    print("kB more than after the warm-up, by mapping:", _most(more_kb))
    print("objects more than after the warm-up:", _most(_gained(objects, before.objects)))
    long = [f"at {at}: {text}" for at, one in soaked.readings for text in one.long]
    print(f"{len(long)} callbacks over {LONG * 1e3:.0f} ms", *long[:20], *soaked.wrong[:20], sep="\n")
    assert not more
    assert not long
    assert not soaked.violations
    assert {number: made for number, made in soaked.generations.items() if made > 1} == {}
    assert not soaked.wrong
    if soaked.requests >= JUDGED_FROM:
        assert steepness <= SLOPE
