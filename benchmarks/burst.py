"""Many slow streams at once through one gateway: do they keep their pace, and what does one cost in memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from benchmarks.machine import resident
from benchmarks.processes import Measured, Worker, account, gateway, worker
from benchmarks.report import Report
from benchmarks.worker import Task
from gemgate_simulator import RemoteSimulator

STREAMS = 200
PACE = 0.1
CHARACTERS = 700
"""Seven frames of text; with the opening one and two closing ones ten, so that a stream takes one second."""
FRAME = 100
SECONDS = 1.5
"""What 200 streams of a second each may take."""


async def burst(report: Report) -> None:
    """200 streams of 10 frames, 0.1 s apart: on new connections, then on kept ones; over HTTP/2 and HTTP/1.1."""
    columns = ["service", "through", "streams", "wall s", "CPU s", "MB before", "at most", "after", "KB/stream"]
    rows: list[list[Any]] = []
    for http2 in (True, False):
        name = "HTTP/2" if http2 else "HTTP/1.1"
        async with RemoteSimulator.spawn(seed=None, http2=http2) as sim:
            await sim.google.reply("[paced]", "p" * CHARACTERS, chars=FRAME, pace=PACE)
            async with worker("hardened", account(sim)) as direct:
                rows += [[name, "hardened", *row] for row in await _waves(direct)]
            async with gateway(sim) as served, worker("gateway", {"url": served.url}, pid=served.pid) as through:
                waves = await _waves(through)
            rows += [[name, "gateway", *row] for row in waves]
            for row in waves[1:]:
                report.at_most(f"{row[0]} streams of 1 s at once, {name}, through the gateway", row[1], SECONDS, " s")
    report.table(f"Streams of 10 frames, {PACE} s apart, at once", columns, rows)


async def _waves(calling: Worker) -> list[list[Any]]:
    """One stream, then all at once twice: a row each."""
    rows: list[list[Any]] = []
    for title, streams in (("1", 1), (f"{STREAMS} cold", STREAMS), (f"{STREAMS} warm", STREAMS)):
        before = resident(calling.pid)
        measured, most = await _watched(calling, Task("[paced]", CHARACTERS, streams, streams, stream=True))
        sizes = [size / 2**20 for size in (before, most, resident(calling.pid))]
        each = (most - before) / 1024 / streams if streams > 1 else None
        rows.append([title, measured.times.wall, measured.cpu, *sizes, each])
    return rows


async def _watched(calling: Worker, task: Task) -> tuple[Measured, int]:
    """A task, and the most memory that the process under test held meanwhile."""
    most = resident(calling.pid)

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident(calling.pid))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        measured = await calling.do(task)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return measured, most
