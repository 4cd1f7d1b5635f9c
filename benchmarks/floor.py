"""What a chat through a gateway costs at least, and what ours adds: processor time against the library, in turns.

`bare` is the gateway's server alone, `hardened` its sending and reading of Google alone; their sum is the least that
any gateway on this server and this client can cost. Medians of `ROUNDS` interleaved rounds of `CALLS` calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.machine import description
from benchmarks.processes import Measured, Worker, account, bare, gateway, worker
from benchmarks.report import Report
from benchmarks.worker import Task
from gemgate_simulator import RemoteSimulator

ROUNDS, CALLS = 10, 150
SHORT = 120
TITLES = {"one": 1, "many": 64}
"""Chats at once."""


async def _measured(report: Report, titles: Sequence[str]) -> None:
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[quick]", "q" * SHORT, chars=100)
        async with (
            worker("stock", account(sim)) as stock,
            worker("hardened", account(sim)) as hardened,
            bare() as empty,
            gateway(sim) as served,
            worker("gateway", {"url": empty.url}, pid=empty.pid) as server,
            worker("gateway", {"url": served.url}, pid=served.pid) as through,
        ):
            ways = {"library": stock, "hardened": hardened, "bare": server, "gateway": through}
            for title in titles:
                at_once = TITLES[title]
                found = await _in_turns(ways, Task("[quick]", SHORT, calls=CALLS, at_once=at_once, seconds=20))
                each = {name: median(one.cpu_each for one in measured) * 1e3 for name, measured in found.items()}
                least = each["hardened"] + each["bare"]
                rows: list[list[Any]] = [[name, cpu, cpu / each["library"]] for name, cpu in each.items()]
                rows.append(["hardened + bare", least, least / each["library"]])
                rows.append(["all between", each["gateway"] - least, (each["gateway"] - least) / each["library"]])
                columns = ["through", "CPU ms/chat", "of the library"]
                report.table(f"{at_once} at once, medians of {ROUNDS} interleaved rounds", columns, rows)


async def _in_turns(ways: dict[str, Worker], task: Task) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    for way in ways.values():
        await way.do(replace(task, calls=max(2 * task.at_once, 10)))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(await way.do(task))
    return found


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Run the sections (`one`, `many`; both by default); the figures."""
    report = Report()
    report.say(description())
    asyncio.run(_measured(report, sections or tuple(TITLES)))
    return {"tables": report.tables, "promises": report.promises, "failures": report.failures}
