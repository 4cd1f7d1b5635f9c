"""Gateways as processes that are killed and stopped while they work on a batch, and the books kept about it.

Before each `kill -9` the process is halted for a moment, so that the database and the store of images can be read as
the kill will leave them: what must never be made again is known exactly.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Row, func, select
from tests.support.servers import free_port

from gemgate.settings import Settings
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.schema import task
from gemgate.stores.vault import Vault
from gemgate_simulator import Painting, RemoteSimulator
from gemgate_simulator.record import Call

LANES = 8
OURS = {name.upper() for name in Settings.model_fields}
NUMBER = re.compile(r"number[ -](\d+)")
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
    """What one kill or halt cut off, by the numbers of jobs, and when it was (epoch).

    running: the jobs that ran on that node. done: those that had ended, or whose image was stored.
    open: jobs that may be made once more, because nothing of them could be found, and why that is.
    """

    at: float
    running: frozenset[int]
    done: frozenset[int]
    open: Mapping[int, str]


NO_CHAT = "cut between the prompt and the id of its chat"
UNREADABLE = "its chat could not be read from there"


@dataclass(slots=True)
class Books:
    """The database and the images, read from outside; a job is known by the number in its prompt.

    readable: chats that were cut off can be read back.
    """

    database: Database
    store: SqlJobStore
    images: Path
    sim: RemoteSimulator
    readable: bool
    numbers: dict[str, int] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)

    async def tasks(self) -> dict[int, Row[Any]]:
        """The rows of all tasks, sealed as they are."""
        async with self.database.reading() as connection:
            rows = (await connection.execute(select(task))).all()
        for batch_id in {row.batch for row in rows if row.id not in self.numbers}:
            for one in await self.store.tasks(batch_id, limit=20_000):
                self.numbers[one.id] = int(NUMBER.findall(one.prompt + one.payload)[0])
        return {self.numbers[row.id]: row for row in rows if row.id in self.numbers}

    async def until_ended(self, count: int, seconds: float) -> None:
        """Until so many tasks have ended."""
        over = select(func.count()).select_from(task).where(task.c.status.in_(("done", "failed")))
        async with asyncio.timeout(seconds):
            while True:
                async with self.database.reading() as connection:
                    if int((await connection.execute(over)).scalar_one()) >= count:
                        return
                await asyncio.sleep(0.05)

    async def cut(self, account: str, at: float) -> Cut:
        """What stands at this moment, with the node of `account` halted."""
        tasks, stored = await self.tasks(), self.stored()
        running = {n: row for n, row in tasks.items() if row.status == "running" and row.account == account}
        lost = {n: row for n, row in running.items() if n not in stored and not (self.readable and row.cid)}
        cut = Cut(
            at,
            frozenset(running),
            frozenset(n for n, row in tasks.items() if row.status == "done") | stored,
            {n: UNREADABLE if row.cid else NO_CHAT for n, row in lost.items()},
        )
        self.cuts.append(cut)
        return cut

    def stored(self) -> frozenset[int]:
        """Jobs whose picture's file is there."""
        return frozenset(int(NUMBER.findall(path.stem)[0]) for path in self.images.rglob("*.png"))

    async def check(self, kinds: Mapping[int, str], pictures: Collection[int]) -> dict[str, dict[str, int]]:
        """None lost, none twice, nothing finished made again; what was made twice was cut off and not to be found.

        kinds: of each job. pictures: the jobs that make one. What it cost, by kind.
        """
        tasks, record = await self.tasks(), await self.sim.record()
        assert set(tasks) == set(kinds)
        cut_off = frozenset().union(*(cut.running for cut in self.cuts))
        for number, row in tasks.items():
            assert row.status == "done" or (row.code == "response_interrupted" and number in cut_off), (number, row)
        assert self.stored() == set(pictures)
        assert len(list(self.images.rglob("*.png"))) == len(pictures), "one file each, however often it was made"
        made: dict[int, list[Call]] = {n: [] for n in kinds}
        for call in record.calls:
            if call.generated:
                made[int(NUMBER.findall(call.prompt)[-1])].append(call)
        assert all(made.values())
        for number, calls in made.items():
            excused = [cut.open[number] for cut in self.cuts if number in cut.open]
            assert len(calls) <= 1 + len(excused), (number, kinds[number], calls, excused)
        for cut in self.cuts:
            again = [n for n in cut.done for call in made[n] if call.time > cut.at]
            assert not again, f"finished, and made again: {again}"
        assert record.generations == sum(map(len, made.values()))
        assert not record.violations
        return {kind: self._figures(kind, kinds, tasks, made) for kind in dict.fromkeys(kinds.values())}

    def _figures(
        self, kind: str, kinds: Mapping[int, str], tasks: Mapping[int, Row[Any]], made: Mapping[int, Sequence[Call]]
    ) -> dict[str, int]:
        own = [number for number in kinds if kinds[number] == kind]
        twice = [number for number in own if len(made[number]) > 1]
        why = Counter(next(cut.open[n] for cut in reversed(self.cuts) if n in cut.open) for n in twice)
        return {
            "jobs": len(own),
            "generations": sum(len(made[number]) for number in own),
            "in flight at a cut": sum(number in cut.running for cut in self.cuts for number in own),
            "interrupted": sum(tasks[number].status == "failed" for number in own),
            "made again": len(twice),
            **why,
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


@asynccontextmanager
async def books(url: str, folder: Path, sim: RemoteSimulator, *, readable: bool) -> AsyncIterator[Books]:
    database = await open_database(url)
    try:
        store = SqlJobStore(database, Vault([KEY]))
        yield Books(database, store, folder / "data" / "blobs" / "images", sim, readable)
    finally:
        await database.close()


def told(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.1f} s, most {max(seconds):.1f} s"


def pauses(seed: int) -> random.Random:
    return random.Random(seed)
