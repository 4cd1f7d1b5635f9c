"""Machine instructions of a chat, of the library and of the gateway, as valgrind counts them.

Where other programs work beside them, times say little and this says the same: two runs differ by some 1 %. The
system's own work for them (sockets, files) is not counted, and not every instruction takes as long as another.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.hop import canned, postgres, registered, shared
from benchmarks.machine import description
from benchmarks.processes import Worker, account, gateway, worker
from benchmarks.report import Report
from benchmarks.worker import Task
from gemgate_simulator import RemoteSimulator

CALLS, WARM, SHORT = 300, 200, 120
PATIENCE = 300
"""Seconds a task may take: everything is some fifty times slower here."""
TITLES = {"one": 1, "many": 8}
"""Chats at once: so few that none waits for long."""
HOP = "hop"
_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)


async def _count(calling: Worker, at_once: int, told: Path) -> float:
    """Millions of instructions of one chat; `told` is where valgrind writes."""
    task = Task("[quick]", SHORT, calls=WARM, at_once=at_once, seconds=PATIENCE)
    await calling.do(task)
    await _control(calling.pid, "-i", "on")
    measured = await calling.do(replace(task, calls=CALLS))
    await _control(calling.pid, "-i", "off")
    await _control(calling.pid, "-d")
    dumped = max(told.parent.glob(f"{told.name}*"), key=lambda path: path.stat().st_mtime_ns)
    total = _TOTAL.search(dumped.read_text(encoding="utf-8", errors="replace"))
    assert total is not None
    return int(total[1]) / len(measured.times.calls) / 1e6


async def _control(pid: int, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "callgrind_control", *words, str(pid), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode or b"OK" not in said:
        raise RuntimeError(said.decode(errors="replace"))


@asynccontextmanager
async def _counted() -> AsyncIterator[tuple[list[str], Path]]:
    with tempfile.TemporaryDirectory(prefix="gemgate-bench-") as folder:
        told = Path(folder) / "counts"
        yield (
            ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={told}"],
            told,
        )


async def _library(sim: RemoteSimulator, at_once: int) -> float:
    async with _counted() as (under, told), worker("stock", account(sim), under=under) as calling:
        return await _count(calling, at_once, told)


async def _gateway(sim: RemoteSimulator, at_once: int) -> float:
    async with (
        _counted() as (under, told),
        gateway(sim, under=under) as served,
        worker("gateway", {"url": served.url}, pid=served.pid) as calling,
    ):
        return await _count(calling, at_once, told)


async def _measured(report: Report, titles: Sequence[str]) -> None:
    rows: list[list[Any]] = []
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[quick]", "q" * SHORT, chars=100)
        for title in titles:
            library, ours = await _library(sim, TITLES[title]), await _gateway(sim, TITLES[title])
            rows.append([TITLES[title], library, ours, ours / library])
    report.table(
        f"Million instructions of a chat, {CALLS} chats each", ["at once", "library", "gateway", "of the library"], rows
    )


async def _hop(report: Report) -> None:
    """A fleet's gateway before a node that answers from memory."""
    async with (
        postgres() as url,
        canned() as node,
        registered(url, node),
        _counted() as (under, told),
        gateway(None, "gateway", under=under, **shared(url)) as front,
        worker("gateway", {"url": front.url}, pid=front.pid) as calling,
    ):
        count = await _count(calling, 1, told)
    report.table(f"Million instructions of a hop, {CALLS} chats", ["at once", "gateway of a fleet"], [[1, count]])


async def _all(report: Report, sections: Sequence[str]) -> None:
    if titles := [one for one in sections if one in TITLES]:
        await _measured(report, titles)
    if HOP in sections:
        await _hop(report)


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Run the sections (`one`, `many`, `hop`; all by default); the figures."""
    report = Report()
    report.say(description())
    if shutil.which("callgrind_control"):
        asyncio.run(_all(report, sections or (*TITLES, HOP)))
    else:
        report.say("instructions: valgrind is not installed; there is nothing to count with")
    return {"tables": report.tables, "promises": report.promises, "failures": report.failures}
