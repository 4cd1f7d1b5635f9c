"""Chat and streams: the gateway against the client library as it is, each in a process of its own, in the same run.

The service is the simulator, in a process of its own too. Processor times are the system's; they are the reliable
figures, because a busy machine makes wall times longer and leaves processor times nearly alone. The baseline of every
ratio is the library called directly, measured in turns with the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.burst import burst
from benchmarks.processes import Measured, Worker, account, gateway, worker
from benchmarks.report import Report, quantile
from benchmarks.start import start
from benchmarks.worker import Task
from gemgate_simulator import RemoteSimulator

SECTION_SECONDS = 75.0
ROUNDS = 3
WAYS = ("stock", "hardened", "gateway")
SHORT = 120
"""Characters of a small answer."""
SLOW = 0.2
"""Seconds the slow service thinks."""
SIZES = (2_000, 10_000, 40_000)
FRAME = 100
"""Characters that a stream grows by with every frame."""
LONG, PACED = f"[{SIZES[-1]}]", "[40k, paced]"


@dataclass(frozen=True, slots=True)
class Ways:
    """The same account through the library, through our upstream, and through a gateway."""

    stock: Worker
    hardened: Worker
    gateway: Worker

    def __iter__(self) -> Any:
        return iter((self.stock, self.hardened, self.gateway))


@asynccontextmanager
async def three_ways() -> AsyncIterator[Ways]:
    """A scripted service, and a signed-in process for each way to it."""
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[quick]", "q" * SHORT, chars=FRAME)
        await sim.google.reply("[slow]", "s" * SHORT, chars=FRAME, delay=SLOW)
        for size in SIZES:
            await sim.google.reply(f"[{size}]", "t" * size, chars=FRAME)
        await sim.google.reply(PACED, "t" * SIZES[-1], chars=FRAME, pace=0.005)
        async with (
            worker("stock", account(sim)) as stock,
            worker("hardened", account(sim)) as hardened,
            gateway(sim) as served,
            worker("gateway", {"url": served.url}, pid=served.pid) as through,
        ):
            yield Ways(stock, hardened, through)


CHATS = ["through", "CPU ms/chat", "ratio", "chats/s", "ratio", "p50 ms", "p99 ms"]


async def small(report: Report) -> None:
    """Chats of one short answer from a service that answers at once: what they cost at 1, 16 and 64 at once."""
    async with three_ways() as ways:
        for at_once in (1, 16, 64):
            task = Task("[quick]", SHORT, calls=320 if at_once == 1 else 480, at_once=at_once)
            found = await _in_turns(ways, [task] * 3)
            report.table(f"Small chats, {at_once} at once, service of 0 ms", CHATS, _chat_rows(found))
            ratio = _cpu(found[2]) / _cpu(found[0])
            report.at_most(f"CPU of a chat through the gateway / library, {at_once} at once", ratio, 0.9)
        two_turns = Task("[quick]", SHORT, calls=240, at_once=16, turns=2)
        found = await _in_turns(ways, [two_turns] * 3)
        title = "Conversations of two turns, 16 at once, service of 0 ms; CPU of a turn, time of both"
        report.table(title, CHATS, _chat_rows(found))
        ratio = _cpu(found[2]) / _cpu(found[0])
        report.at_most("CPU of a turn of a continued chat through the gateway / library, 16 at once", ratio, 0.9)


async def slow(report: Report) -> None:
    """The same from a service that thinks for 200 ms: the rate that one account reaches."""
    async with three_ways() as ways:
        for at_once in (64, 16, 1):
            # The library has ten connections and no more: it gets fewer calls, or it would take for ever
            counts = [10] * 3 if at_once == 1 else [80, 10 * at_once, 10 * at_once]
            tasks = [Task("[slow]", SHORT, calls=calls, at_once=at_once) for calls in counts]
            found = await _in_turns(ways, tasks, rounds=ROUNDS if at_once == 64 else 1)
            report.table(f"Small chats, {at_once} at once, service of 200 ms", CHATS, _chat_rows(found))
            if at_once == 64:
                rate = median(measured.rate for measured in found[2])
                report.at_least("chats/s through the gateway, 64 at once, one account, service of 200 ms", rate, 250)


async def streams(report: Report) -> None:
    """Long answers, cumulative as the service sends them: the wire is quadratic in the answer."""
    columns = ["through", "CPU ms/stream", "ratio", "wall ms", "ratio", "first text ms"]
    async with three_ways() as ways:
        for size, counts in zip(SIZES, ((30, 60, 60), (8, 40, 40), (2, 20, 20)), strict=True):
            tasks = [Task(f"[{size}]", size, calls=calls, stream=True) for calls in counts]
            found = await _in_turns(ways, tasks)
            rows: list[list[Any]] = []
            for way, measured in zip(WAYS, found, strict=True):
                cpu, wall = _cpu(measured), median(quantile(m.times.calls, 0.5) for m in measured)
                first = median(quantile(m.times.firsts, 0.5) for m in measured)
                base = [_cpu(found[0]), median(quantile(m.times.calls, 0.5) for m in found[0])]
                rows.append([way, cpu * 1e3, cpu / base[0], wall * 1e3, wall / base[1], first * 1e3])
            report.table(f"One stream of {size} characters, {FRAME} more with every frame", columns, rows)
        ratio = _cpu(found[2]) / _cpu(found[0])
        report.at_most("CPU of a 40k stream through the gateway / library", ratio, 0.12)
        report.at_most("CPU of a 40k stream through our upstream / library", _cpu(found[1]) / _cpu(found[0]), 0.12)


async def neighbours(report: Report) -> None:
    """How long a small stream waits for its first text while a 40k stream runs beside it."""
    rows: list[list[Any]] = []
    async with three_ways() as ways:
        for way, calling, calls in zip(WAYS, ways, (20, 100, 100), strict=True):
            task = Task("[quick]", SHORT, calls=calls, stream=True, pause=0.007)
            other = ways.gateway if calling is ways.hardened else ways.hardened
            found = {
                "none": await calling.do(task),
                "40k, a frame every 5 ms": await calling.do(replace(task, beside=PACED)),
                "40k, without a pause": await calling.do(replace(task, beside=LONG)),
                "the same through another process": await _while_streaming(other, calling, task),
            }
            for name, measured in found.items():
                rows.append([way, name, *(quantile(measured.times.firsts, share) * 1e3 for share in (0.5, 0.9, 0.99))])
    note = "The last of each four is what the service and the machine add by themselves."
    report.table("First text of a small stream", ["through", "neighbour", "p50 ms", "p90 ms", "p99 ms"], rows, note)
    paced, unpaced = rows[-3], rows[-2]
    report.at_most("first text beside a 40k stream, 5 ms a frame, through the gateway, p99", paced[4], 15, " ms")
    report.at_most("first text beside a 40k stream without a pause, through the gateway, p50", unpaced[2], 15, " ms")


async def _while_streaming(streaming: Worker, calling: Worker, task: Task) -> Measured:
    """A task of one process while another one streams 40k after 40k."""
    measuring = asyncio.create_task(calling.do(task))
    while not measuring.done():
        await streaming.do(Task(LONG, SIZES[-1], calls=2, stream=True))
    return await measuring


async def _in_turns(ways: Ways, tasks: Sequence[Task], rounds: int = ROUNDS) -> list[list[Measured]]:
    """Each way's task after a warm-up, `rounds` times in turns, so that whatever else runs here hits all alike."""
    found: list[list[Measured]] = [[] for _ in tasks]
    for calling, task in zip(ways, tasks, strict=True):
        await calling.do(replace(task, calls=max(2 * task.at_once, task.calls // 10, 2)))
    for _ in range(rounds):
        for calling, task, measured in zip(ways, tasks, found, strict=True):
            measured.append(await calling.do(task))
    return found


def _cpu(measured: Sequence[Measured]) -> float:
    """Processor seconds of a call, median over the rounds."""
    return median(m.cpu_each for m in measured)


def _chat_rows(found: Sequence[Sequence[Measured]]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for way, measured in zip(WAYS, found, strict=True):
        # Less than fifteen of the system's 10 ms steps say nothing
        sure = all(m.cpu >= 0.15 for m in (*measured, *found[0]))
        rate, base = (median(m.rate for m in each) for each in (measured, found[0]))
        p50, p99 = (median(quantile(m.times.calls, share) for m in measured) * 1e3 for share in (0.5, 0.99))
        cpu = [_cpu(measured) * 1e3, _cpu(measured) / _cpu(found[0])] if sure else [None, None]
        rows.append([way, *cpu, rate, rate / base, p50, p99])
    return rows


SECTIONS: dict[str, Callable[[Report], Awaitable[None]]] = {
    "small": small,
    "slow": slow,
    "streams": streams,
    "neighbours": neighbours,
    "burst": burst,
    "start": start,
}


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Run the sections (all of them by default), print tables and promises; the same as JSON can carry it.

    A wrong answer ends its section and stands under `failures`; a slow one only makes a figure worse.
    """
    if unknown := [name for name in sections if name not in SECTIONS]:
        raise SystemExit(f"there is no section {unknown[0]}; there are: {', '.join(SECTIONS)}")
    report = Report()
    report.say(machine.description())
    asyncio.run(_all(report, sections or tuple(SECTIONS)))
    report.conclude()
    return {
        "machine": machine.description(),
        "tables": report.tables,
        "promises": report.promises,
        "failures": report.failures,
    }


async def _all(report: Report, sections: Sequence[str]) -> None:
    for name in sections:
        try:
            async with asyncio.timeout(SECTION_SECONDS):
                await SECTIONS[name](report)
        except TimeoutError:
            report.say(f"{name}: cut off after {SECTION_SECONDS:g} s")
        except RuntimeError as error:
            report.fail(name, error)
