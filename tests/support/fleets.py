"""A fleet as a user starts it: `gemgate gateway` and several `gemgate worker`, each a process of its own.

They share a real PostgreSQL and Redis, and a simulated Google in one more process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.servers import free_port

from gemgate.settings import Settings
from gemgate_simulator.remote import BlockingSimulator

TOKEN = "a-token-that-the-fleet-shares"
KEY, OTHER, LIMITED, ADMIN = "sk-main-0001", "sk-other-0002", "sk-limited-0003", "admin-key-0004"
MODEL = "gemini-3-flash-preview"

NO_LIMITS = {
    "RATE_LIMIT_PER_HOUR": "0",
    "MODEL_INTERVAL_SECONDS": "0",
    "RPM_LIMIT": "0",
    "ADDRESS_RPM_LIMIT": "0",
    "COOKIE_REFRESH_SECONDS": "0",
    "CONCURRENCY": "16",
}


@dataclass(slots=True)
class Process:
    """A running command of ours and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def told(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_listening(self) -> None:
        """Wait until it says where it listens."""
        deadline = time.monotonic() + 150
        while "gemgate listens on " not in (told := self.told()):
            assert self.popen.poll() is None, f"{self.name} ended:\n{told}"
            assert time.monotonic() < deadline, f"{self.name} does not listen:\n{told}"
            time.sleep(0.05)
        self.url = told.partition("gemgate listens on ")[2].split()[0].replace("0.0.0.0", "127.0.0.1")

    def end(self, seconds: float = 40) -> int:
        """SIGTERM, and its exit code."""
        self.popen.terminate()
        return self.popen.wait(seconds)


@dataclass(slots=True)
class RunningFleet:
    """nodes: the workers that run, by name. accounts: which account of the simulator each of them has."""

    folder: Path
    sim: BlockingSimulator
    shared: Mapping[str, str]
    accounts: Mapping[str, Sequence[str]]
    gateway: Process
    nodes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    launcher: Callable[[str], list[str]] = lambda name: []
    edge: Mapping[str, str] = field(default_factory=dict)
    """What gateways are started with."""

    def front(self, name: str, port: int = 0) -> Process:
        """Start one more gateway, beside the first; who starts it ends it."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return start(["gateway"], name, {**self.edge, "DATA_DIR": str(place), "PORT": str(port)}, place)

    @property
    def url(self) -> str:
        return self.gateway.url

    def begin(self, name: str, **more: str) -> Process:
        """Start a worker."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        blobs = place / "blobs"
        if not blobs.exists():
            (self.folder / "blobs").mkdir(exist_ok=True)
            blobs.symlink_to(self.folder / "blobs")
        _write_accounts(place, self.sim, self.accounts[name])
        # A worker keeps its port, as it does on a machine of its own: so it is the same one after a restart.
        self.ports.setdefault(name, free_port())
        more.setdefault("PORT", str(self.ports[name]))
        env = {**self.shared, "DATA_DIR": str(place), "GEMINI_WORKER_ID": name, **self.own.get(name, {}), **more}
        self.nodes[name] = start(["worker"], name, env, place, self.launcher(name))
        return self.nodes[name]

    def restart(self, name: str) -> None:
        """A worker again, after it was killed or ended."""
        self.begin(name).wait_listening()
        self.wait_healthy()

    def ask(self, method: str, path: str, body: Any = None, *, key: str = ADMIN, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one request to the gateway."""
        status, _, told = request(self.url, method, path, body, key=key, **headers)
        return status, told

    def rows(self) -> dict[str, dict[str, Any]]:
        """The nodes as the gateway sees them."""
        _, told = self.ask("GET", "/api/nodes")
        return {row["name"]: row for row in told["nodes"]}

    def wait(self, condition: Callable[[dict[str, dict[str, Any]]], bool], seconds: float = 90) -> None:
        """Wait until the gateway sees the nodes so."""
        deadline = time.monotonic() + seconds
        while not condition(rows := self.rows()):
            assert time.monotonic() < deadline, json.dumps(rows, indent=1)
            time.sleep(0.1)

    def wait_healthy(self) -> None:
        self.wait(lambda rows: {name for name, row in rows.items() if serving(row)} >= set(self.nodes))


def serving(row: Mapping[str, Any]) -> bool:
    return bool(row["alive"]) and row["status"] in ("HEALTHY", "BUSY")


def _write_accounts(place: Path, sim: BlockingSimulator, names: Sequence[str]) -> None:
    lines = []
    for name in names:
        header = "; ".join(f"{key}={value}" for key, value in sim.google.cookies(name).items())
        (place / f"{name}.txt").write_text(header)
        lines.append(f'[[account]]\nname = "{name}"\nsource = "file:{name}.txt"\n')
    (place / "accounts.toml").write_text("\n".join(lines))


def request(
    url: str, method: str, path: str, body: Any = None, *, key: str = "", **headers: str
) -> tuple[int, Mapping[str, str], Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        sent["authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        sent["content-type"] = "application/json"
    asked = urllib.request.Request(url + path, data, sent, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.headers, _read(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, _read(error.read())


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def clean_environment() -> dict[str, str]:
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours}


def start(
    command: Sequence[str], name: str, env: Mapping[str, str], folder: Path, launcher: Sequence[str] = ()
) -> Process:
    """A gemgate command that is starting."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [*launcher, str(Path(sys.executable).with_name("gemgate")), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**clean_environment(), "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **env},
        )
    return Process(name, popen, log)


@contextmanager
def running_fleet(
    folder: Path,
    sim: BlockingSimulator,
    database: str,
    redis: str,
    accounts: Mapping[str, Sequence[str]],
    *,
    own: Mapping[str, Mapping[str, str]] | None = None,
    launcher: Callable[[str], list[str]] = lambda name: [],
    **more: str,
) -> Iterator[RunningFleet]:
    """The fleet with all its workers ready. Everything ends with the block.

    own: settings of single workers. launcher: what a worker's command line begins with.
    """
    shared = {
        **NO_LIMITS,
        "FLEET": "on",
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "INTERNAL_TOKEN": TOKEN,
        "COOKIE_KEYS": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        "STORAGE": "folder",
        "PROXY_URL": sim.proxy_url,
        "PROXY_CA_FILE": str(sim.ca_file),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HOST": "127.0.0.1",
        "PORT": "0",
        **more,
    }
    (folder / "gateway").mkdir()
    keys = f"main:{KEY},other:{OTHER},limited:{LIMITED};rph=3"
    edge = {**shared, "API_KEY": keys, "ADMIN_KEY": ADMIN, "DATA_DIR": str(folder / "gateway")}
    gateway = start(["gateway"], "gateway", edge, folder / "gateway")
    fleet = RunningFleet(folder, sim, shared, accounts, gateway, own=own or {}, launcher=launcher, edge=edge)
    try:
        for name in accounts:
            fleet.begin(name)
        for process in (gateway, *fleet.nodes.values()):
            process.wait_listening()
        fleet.wait_healthy()
        yield fleet
    finally:
        for process in (*fleet.nodes.values(), gateway):
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in (*fleet.nodes.values(), gateway):
            try:
                process.popen.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


ACCOUNTS = {"w1": ["ann"], "w2": ["ben"], "w3": ["cem", "dan"]}
