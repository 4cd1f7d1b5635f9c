"""A batch in the background and chats in front: what images of 1024 x 1024 pixels cost those who chat, when they come
every other moment ("busy"), and as fast as Google paints them, out of a queue of ten thousand ("full").

Rounds with the batch at work and with it paused take turns on one gateway: whatever else the machine does hits both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import aiohttp

from benchmarks import machine
from benchmarks.processes import Measured, account, gateway, worker
from benchmarks.report import Report, quantile
from benchmarks.worker import Task
from gemgate_simulator import Painting, RemoteSimulator

ROUNDS = 4
AT_ONCE = 8
"""Pictures at once: as of four accounts."""


@dataclass(frozen=True, slots=True)
class Queue:
    """So many pictures that take so long each. most: per cent that the median of a chat may lose."""

    prompts: int
    seconds: float
    most: float


QUEUES = {"busy": Queue(1000, 5.0, 10), "full": Queue(10_000, 30.0, 2)}
CHAT = Task("[chat]", 120, calls=200, at_once=4, seconds=9.0)
"""Chats of a service that thinks for 200 ms, in front of which four people sit."""


async def _measured(report: Report, queue: Queue) -> None:
    async with RemoteSimulator.spawn(seed=None) as sim:
        await sim.google.reply("[chat]", "c" * CHAT.expect, chars=100, delay=0.2)
        await sim.google.reply("paint", "", image=Painting(size=(1024, 1024)), delay=queue.seconds)
        async with (
            gateway(sim) as served,
            worker("gateway", {"url": served.url, **account(sim)}, pid=served.pid) as calling,
            aiohttp.ClientSession(served.url) as http,
        ):
            order = {"prompts": [f"paint {number}" for number in range(queue.prompts)], "concurrency": AT_ONCE}
            await calling.do(replace(CHAT, calls=20))
            async with http.post("/v1/batch/images", json=order) as answer:
                batch = f"/v1/batch/{(await answer.json())['batch_id']}"
            alone: list[Measured] = []
            beside: list[Measured] = []
            for _ in range(ROUNDS):
                await _steered(http, f"{batch}/pause")
                await asyncio.sleep(queue.seconds + 3)
                alone.append(await calling.do(CHAT))
                await _steered(http, f"{batch}/resume")
                await asyncio.sleep(queue.seconds + 1)
                beside.append(await calling.do(CHAT))
            async with http.get(f"{batch}/status?limit=0") as answer:
                made = (await answer.json())["completed"]
    rows: list[list[Any]] = []
    for name, found in (("paused", alone), ("at work", beside)):
        p50, p90, p99 = (median(quantile(m.times.calls, share) for m in found) * 1e3 for share in (0.5, 0.9, 0.99))
        rows.append([name, p50, p90, p99, median(m.cpu for m in found)])
    columns = ["batch", "p50 ms", "p90 ms", "p99 ms", "CPU s of the gateway"]
    title = f"Chats of 200 ms, 4 at once, beside {AT_ONCE} pictures of {queue.seconds:.0f} s at once"
    title += f" out of {queue.prompts} ({made} made)"
    report.table(title, columns, rows)
    what = f"added median of a chat beside a batch of {queue.prompts}"
    report.at_most(what, (rows[1][1] / rows[0][1] - 1) * 100, queue.most, " %")


async def _steered(http: aiohttp.ClientSession, path: str) -> None:
    async with http.post(path) as answer:
        if answer.status != 200:
            raise RuntimeError(await answer.text())


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Measure, print the table and the promise; the same as JSON can carry it."""
    report = Report()
    report.say(machine.description())
    for section in sections or QUEUES:
        try:
            asyncio.run(_measured(report, QUEUES[section]))
        except RuntimeError as error:
            report.fail(f"batches:{section}", error)
    report.conclude()
    return {
        "machine": machine.description(),
        "tables": report.tables,
        "promises": report.promises,
        "failures": report.failures,
    }
