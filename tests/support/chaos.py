"""Gateways as processes that are killed and stopped while they work on a batch, and the books kept about it.

Before each `kill -9` the process is halted for a moment, so that the database and the store of images can be read as
the kill will leave them: what must never be made again is known exactly.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.servers import free_port

from gemgate.batches import Batch, Task
from gemgate.jobs.runner import image_key
from gemgate.settings import Settings
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.vault import Vault
from gemgate_simulator import Painting, RemoteSimulator
from gemgate_simulator.record import Call

LANES = 8
OURS = {name.upper() for name in Settings.model_fields}
KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@dataclass(slots=True)
class Node:
    """One gateway, as a process that can be started again. lease: seconds of short leases, 0 = the real ones.

    before: what its command line begins with.
    """

    name: str
    environment: dict[str, str]
    folder: Path
    lease: float = 0.0
    before: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def launch(self) -> None:
        program = [str(Path(sys.executable).with_name("gemgate"))]
        more = {}
        if self.lease:
            program, more = [sys.executable, "-m", "tests.support.short_leases"], {"SHORT_LEASE": str(self.lease)}
        clean = {name: value for name, value in os.environ.items() if name.upper() not in OURS}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.before, *program, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean, **self.environment, **more, "PORT": str(self.port)},
            )

    async def start(self) -> None:
        """Until it answers /health."""
        self.launch()
        async with aiohttp.ClientSession() as http, asyncio.timeout(300):
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/health") as answer:
                        if answer.status == 200:
                            return
                assert self.process is not None
                assert self.process.poll() is None, (self.folder / f"{self.name}.log").read_text()[-3000:]
                await asyncio.sleep(0.05)

    def halt(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class Cut:
    """What one kill or halt cut off: the tasks that ran on that node and what stood of them, and when it was (epoch).

    open: numbers of tasks that may be made once more, because nothing of them could be found.
    """

    at: float
    running: frozenset[int]
    done: frozenset[int]
    open: frozenset[int]


@dataclass(slots=True)
class Books:
    """The database and the images, read from outside. readable: chats that were cut off can be read back."""

    store: SqlJobStore
    images: Path
    sim: RemoteSimulator
    batch_id: str
    readable: bool
    keys: dict[str, int]
    cuts: list[Cut] = field(default_factory=list)

    async def batch(self) -> Batch:
        batch = await self.store.get(None, self.batch_id)
        assert batch is not None
        return batch

    async def tasks(self) -> Sequence[Task]:
        return await self.store.tasks(self.batch_id, limit=20_000)

    async def until_ended(self, count: int, seconds: float) -> None:
        """Until so many tasks have ended."""
        async with asyncio.timeout(seconds):
            while True:
                tally = (await self.batch()).tally
                if tally.done + tally.failed >= count:
                    return
                await asyncio.sleep(0.05)

    async def cut(self, account: str, at: float) -> Cut:
        """What stands at this moment, with the node of `account` halted."""
        tasks = await self.tasks()
        running = [task for task in tasks if task.status == "running" and task.checkpoint.account == account]
        stored = self.stored()
        lost = [task for task in running if task.seq not in stored]
        if self.readable:
            lost = [task for task in lost if not task.checkpoint.cid]
        cut = Cut(
            at,
            frozenset(task.seq for task in running),
            frozenset(task.seq for task in tasks if task.status == "done") | stored,
            frozenset(task.seq for task in lost),
        )
        self.cuts.append(cut)
        return cut

    def stored(self) -> frozenset[int]:
        """Tasks whose picture's file is there."""
        return frozenset(self.keys[path.stem.rpartition("_")[2]] for path in self.images.rglob("*.png"))

    async def check(self, total: int) -> dict[str, Any]:
        """None lost, none twice, nothing finished made again; what was made twice was cut off and not to be found."""
        tasks, record = await self.tasks(), await self.sim.record()
        assert Counter(task.status for task in tasks) == {"done": total}
        names = [json.loads(task.result)["name"] for task in tasks]
        assert len(set(names)) == total
        files = list(self.images.rglob("*.png"))
        assert len(files) == total, "one file for each task, however often it was made"
        assert self.stored() == set(range(total))
        made: dict[int, list[Call]] = {n: [] for n in range(total)}
        for call in record.calls:
            if call.generated:
                made[int(call.prompt.split("number ")[1].split()[0])].append(call)
        assert all(made.values())
        for number, calls in made.items():
            excused = sum(number in cut.open for cut in self.cuts)
            assert len(calls) <= 1 + excused, (number, calls, [cut for cut in self.cuts if number in cut.running])
        for cut in self.cuts:
            again = [n for n in cut.done for call in made[n] if call.time > cut.at]
            assert not again, f"finished, and made again: {again}"
        assert record.generations == sum(map(len, made.values()))
        assert not record.violations
        return {
            "tasks": total,
            "cuts": len(self.cuts),
            "in flight at a cut": sum(len(cut.running) for cut in self.cuts),
            "not to be found": sum(len(cut.open) for cut in self.cuts),
            "generations": record.generations,
            "made twice": sum(len(calls) > 1 for calls in made.values()),
            "chats read back": record.requests_of("hNvQHb"),
        }


def environment(sim: RemoteSimulator, account: str, folder: Path, **more: str) -> dict[str, str]:
    """Settings of a node that has one account, as a user's environment."""
    cookies = sim.accounts[account]
    return {
        "SECURE_1PSID": cookies["__Secure-1PSID"],
        "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"],
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
        "DATA_DIR": str(folder / "data"),
        "COOKIE_KEYS": KEY,
        "COOKIE_REFRESH_SECONDS": "0",
        "CONCURRENCY": str(LANES),
        "LOG_LEVEL": "info",
        **dict.fromkeys(("RATE_LIMIT_PER_HOUR", "MODEL_INTERVAL_SECONDS", "RPM_LIMIT", "ADDRESS_RPM_LIMIT"), "0"),
        **dict.fromkeys(("COOLDOWN_429_SECONDS", "COOLDOWN_AUTH_SECONDS"), "0"),
        **more,
    }


@asynccontextmanager
async def painter(*accounts: str, readable: bool, pace: float = 0.1) -> AsyncIterator[RemoteSimulator]:
    """A simulated Google in a process of its own that takes about five times `pace` seconds for a cheap image."""
    async with RemoteSimulator.spawn(accounts) as sim:
        await sim.google.images(cheap=True)
        await sim.google.reply("number", "", image=Painting(), pace=pace, busy=3)
        await sim.google.world(reads_temporary=readable, carries_on=readable)
        yield sim


async def ordered(url: str, count: int, concurrency: int) -> str:
    body = {"prompts": [f"draw number {n} of many" for n in range(count)], "concurrency": concurrency}
    async with aiohttp.ClientSession(url) as http, http.post("/v1/batch/images", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["batch_id"])


@asynccontextmanager
async def books(
    url: str, folder: Path, sim: RemoteSimulator, batch_id: str, count: int, *, readable: bool
) -> AsyncIterator[Books]:
    database = await open_database(url)
    keys = {image_key(batch_id, seq): seq for seq in range(count)}
    try:
        store = SqlJobStore(database, Vault([KEY]))
        yield Books(store, folder / "data" / "blobs" / "images", sim, batch_id, readable, keys)
    finally:
        await database.close()


def told(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.1f} s, most {max(seconds):.1f} s"


def pauses(seed: int) -> random.Random:
    return random.Random(seed)
