"""How long it takes from the start of a process until it answers, and until its first chat is over."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.load import Client
from benchmarks.machine import cpu_seconds, resident
from benchmarks.processes import account, gateway, worker
from benchmarks.report import Report
from benchmarks.worker import GATEWAY_MODEL, Task
from gemgate_simulator import RemoteSimulator

ROUNDS = 3
_TASK = Task("[hello]", 12)


async def start(report: Report) -> None:
    """The library: import, sign in, first chat. The gateway: /health, first chat (it signs in meanwhile)."""
    columns = ["process", "answers after ms", "first chat after ms", "CPU s until then", "MB then"]
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[hello]", "Hello there!")
        rounds = [(await _library(sim), await _gateway(sim)) for _ in range(ROUNDS)]
    rows: list[list[Any]] = []
    for at, name in enumerate(("library, signed in", "gateway, /health")):
        rows.append([name, *(median(each[at][figure] for each in rounds) for figure in range(4))])
    rows.append(["ratio", *(rows[1][at] / rows[0][at] for at in range(1, 5))])
    report.table("From the start of the process", columns, rows)


async def _library(sim: RemoteSimulator) -> tuple[float, float, float, float]:
    born = perf_counter()
    async with worker("stock", account(sim)) as calling:
        ready = perf_counter() - born
        await calling.do(_TASK)
        return ready * 1e3, (perf_counter() - born) * 1e3, cpu_seconds(calling.pid), resident(calling.pid) / 2**20


async def _gateway(sim: RemoteSimulator) -> tuple[float, float, float, float]:
    async with gateway(sim) as served:
        ready = perf_counter() - served.born
        await Client(served.url, GATEWAY_MODEL).converse(["[hello]"], stream=False)
        chatted = perf_counter() - served.born
        return ready * 1e3, chatted * 1e3, cpu_seconds(served.pid), resident(served.pid) / 2**20
