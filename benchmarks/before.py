"""CPU of a chat and of a streamed byte: the library, this gateway, and the gateway of an older checkout, in turns.

`BEFORE=PATH python -m benchmarks before`, where PATH is a checkout (`git worktree add PATH COMMIT`). The older one runs
on this one's packages. Medians of `ROUNDS` interleaved rounds of `CALLS` calls; a round hits all three alike.

Starts compare only with compiled modules (`python -m compileall` over the packages and both `src`): where
PYTHONDONTWRITEBYTECODE is set, every start compiles all of them, which is more than half of what it costs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import description
from benchmarks.processes import Measured, Worker, account, gateway, worker
from benchmarks.report import Report
from benchmarks.worker import Task
from gemgate.simulator import RemoteSimulator

ROUNDS, CALLS = 10, 150
SHORT, LONG = 120, 10_000
TASKS = {  # one chat at a time, 64 at once, streams of 10 000 characters
    "one": Task("[quick]", SHORT, calls=CALLS, seconds=20),
    "many": Task("[quick]", SHORT, calls=CALLS, at_once=64, seconds=20),
    "streams": Task("[long]", LONG, calls=12, stream=True, seconds=20),
}


async def _measured(report: Report, older: Path, titles: Iterable[str]) -> None:
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[quick]", "q" * SHORT, chars=100)
        await sim.google.reply("[long]", "t" * LONG, chars=100)
        async with (
            worker("stock", account(sim)) as stock,
            gateway(sim, PYTHONPATH=str(older / "src")) as old,
            gateway(sim, PYTHONPATH=str(Path.cwd() / "src")) as new,
            worker("gateway", {"url": old.url}, pid=old.pid) as before,
            worker("gateway", {"url": new.url}, pid=new.pid) as after,
        ):
            ways: dict[str, Worker] = {"library": stock, "before": before, "now": after}
            columns = ["CPU ms of one", *ways, "before / library", "now / library", "now / before"]
            for title in titles:
                task = TASKS[title]
                found = await _in_turns(list(ways.values()), task)
                each = [median(one.cpu_each for one in measured) * 1e3 for measured in found]
                row: list[Any] = [title, *each, each[1] / each[0], each[2] / each[0], each[2] / each[1]]
                report.table(f"Medians of {ROUNDS} interleaved rounds", columns, [row])


async def _in_turns(ways: Sequence[Worker], task: Task) -> list[list[Measured]]:
    found: list[list[Measured]] = [[] for _ in ways]
    for way in ways:
        await way.do(replace(task, calls=max(2 * task.at_once, 10)))
    for _ in range(ROUNDS):
        for measured, way in zip(found, ways, strict=True):
            measured.append(await way.do(task))
    return found


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Run the sections (all of them by default); the figures. Without BEFORE there is nothing to compare with."""
    report = Report()
    if older := os.environ.get("BEFORE"):
        report.say(description())
        asyncio.run(_measured(report, Path(older), sections or TASKS))
    else:
        report.say("before: set BEFORE to an older checkout")
    return {"tables": report.tables, "promises": report.promises, "failures": report.failures}
