"""The processes of a measurement, each ended with its block: workers that call, and gateways as a user starts them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.machine import cpu_seconds
from benchmarks.worker import Task, Times
from gemgate.settings import Settings
from gemgate_simulator import RemoteSimulator

ENDING = 10.0
"""Seconds a process may take to end before it is killed."""

NO_LIMITS = {
    "RATE_LIMIT_PER_HOUR": "0",
    "MODEL_INTERVAL_SECONDS": "0",
    "RPM_LIMIT": "0",
    "ADDRESS_RPM_LIMIT": "0",
    "COOLDOWN_429_SECONDS": "0",
    "COOLDOWN_AUTH_SECONDS": "0",
    "COOKIE_REFRESH_SECONDS": "0",
    "CONCURRENCY": "256",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A task's times and the processor seconds that the process under test used for it."""

    task: Task
    times: Times
    cpu: float

    @property
    def cpu_each(self) -> float:
        """Processor seconds of one turn."""
        return self.cpu / len(self.times.calls) / self.task.turns

    @property
    def rate(self) -> float:
        """Turns a second."""
        return len(self.times.calls) * self.task.turns / self.times.wall


class Worker:
    """A process of benchmarks.worker; `pid` is the process whose processor time counts, its own or the gateway's."""

    def __init__(self, process: asyncio.subprocess.Process, pid: int) -> None:
        self._process = process
        self.pid = pid

    async def do(self, task: Task) -> Measured:
        """Have a task carried out."""
        before = cpu_seconds(self.pid)
        answer = await self.tell(asdict(task))
        return Measured(task, Times(**answer), cpu_seconds(self.pid) - before)

    async def tell(self, line: dict[str, Any]) -> dict[str, Any]:
        """Send a line and read its answer; RuntimeError when the process ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the calling process ended; its reason is on stderr")
        told: dict[str, Any] = json.loads(answer)
        return told


@asynccontextmanager
async def worker(way: str, about: dict[str, Any], *, pid: int = 0, under: Sequence[str] = ()) -> AsyncIterator[Worker]:
    """A signed-in worker. `pid`: the process under test when it is not the worker itself; `under`: a command that
    runs it."""
    with tempfile.TemporaryDirectory(prefix="gemgate-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(*under, sys.executable, "-m", "benchmarks.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                limit=16 << 20,
                env={**clean_environment(), "GEMINI_COOKIE_PATH": folder},
            )
        try:
            calling = Worker(process, pid or process.pid)
            await calling.tell({"way": way, **about})
            yield calling
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from None
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await _ended(process)


def account(sim: RemoteSimulator) -> dict[str, Any]:
    """What a worker needs to sign in at this simulator."""
    return {"proxy": sim.proxy_url, "ca_file": str(sim.ca_file), "cookies": next(iter(sim.accounts.values()))}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running `gemgate serve`; born: perf_counter() when its process was started."""

    url: str
    pid: int
    born: float


@asynccontextmanager
async def gateway(
    sim: RemoteSimulator | None, command: str = "serve", under: Sequence[str] = (), **more: str
) -> AsyncIterator[Gateway]:
    """A process of ours that answers /health, with every limit off and the simulator's account; see `worker`."""
    with tempfile.TemporaryDirectory(prefix="gemgate-bench-") as name:
        folder = Path(name)
        port = free_port()
        log = folder / "log"
        born = perf_counter()
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(*under, sys.executable, str(Path(sys.executable).with_name("gemgate")), command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**clean_environment(), **NO_LIMITS, **_settings(sim, folder, port), **more},
            )
        try:
            await _healthy(process, port)
            yield Gateway(f"http://127.0.0.1:{port}", process.pid, born)
        except BaseException as error:
            error.add_note(log.read_text(errors="replace")[-2000:])
            raise
        finally:
            if process.returncode is None:
                process.terminate()
            await _ended(process)


@asynccontextmanager
async def bare() -> AsyncIterator[Gateway]:
    """The gateway's server with nothing behind it."""
    port, born = free_port(), perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare", str(port)), stdin=subprocess.DEVNULL, env=clean_environment()
    )
    try:
        await _healthy(process, port)
        yield Gateway(f"http://127.0.0.1:{port}", process.pid, born)
    finally:
        if process.returncode is None:
            process.terminate()
        await _ended(process)


def _settings(sim: RemoteSimulator | None, folder: Path, port: int) -> dict[str, str]:
    place = {"DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"), "PORT": str(port)}
    if sim is None:
        return place
    cookies = next(iter(sim.accounts.values()))
    return {
        **place,
        "SECURE_1PSID": cookies["__Secure-1PSID"],
        "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"],
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
    }


def clean_environment() -> dict[str, str]:
    """This process's environment without settings that are meant for another gateway."""
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def _healthy(process: asyncio.subprocess.Process, port: int) -> None:
    """Return at the first 200 of /health."""
    while not await _asked(port):
        if process.returncode is not None:
            raise RuntimeError(f"the gateway ended with {process.returncode}")
        await asyncio.sleep(0.005)


async def _asked(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    finally:
        writer.close()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(ENDING):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
