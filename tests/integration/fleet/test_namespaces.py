"""Each worker in a network namespace of its own, as on a machine of its own: also when its cable is pulled."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gemgate_simulator.remote import BlockingSimulator
from tests.integration.fleet.conftest import Postgres
from tests.support.fleet_calls import chat, kill_under_load, record, share_out, stream, text_of
from tests.support.fleets import ACCOUNTS, RunningFleet, running_fleet
from tests.support.patience import PATIENCE
from tests.support.servers import free_port, running_redis

pytestmark = [pytest.mark.soak, pytest.mark.system, pytest.mark.timeout(600)]

BRIDGE, NET = "gmbr0", "10.77.0"
WORKERS = {name: f"{NET}.{number}" for number, name in enumerate(ACCOUNTS, 2)}


def ip(*words: str) -> None:
    program = shutil.which("ip") or "/usr/sbin/ip"
    subprocess.run([program, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """A bridge with one namespace a worker behind it; the host is .1."""
    made: list[tuple[str, ...]] = []
    try:
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"iproute2, or the right to make network namespaces, is missing ({error})")
        made.append(("link", "del", BRIDGE))
        ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for name, address in WORKERS.items():
            ip("netns", "add", f"gm-{name}")
            made.append(("netns", "del", f"gm-{name}"))
            ip("link", "add", f"gmv-{name}", "type", "veth", "peer", "name", "eth0", "netns", f"gm-{name}")
            ip("link", "set", f"gmv-{name}", "master", BRIDGE, "up")
            ip("-n", f"gm-{name}", "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", f"gm-{name}", "link", "set", "eth0", "up")
            ip("-n", f"gm-{name}", "link", "set", "lo", "up")
        yield
    finally:
        for words in reversed(made):
            with suppress(subprocess.CalledProcessError):
                ip(*words)


@contextmanager
def reachable(url: str) -> Iterator[str]:
    """What listens on loopback only, under the bridge's address as well."""
    parts = urlsplit(url)
    assert parts.port
    port = free_port()
    with closing(socket.create_server((f"{NET}.1", port), backlog=256)) as server:
        threading.Thread(target=_relay, args=(server, parts.port), daemon=True).start()
        yield url.replace(f"{parts.hostname}:{parts.port}", f"{NET}.1:{port}")


def _relay(server: socket.socket, port: int) -> None:
    with suppress(OSError):
        while True:
            one, _ = server.accept()
            other = socket.create_connection(("127.0.0.1", port))
            for a, b in ((one, other), (other, one)):
                threading.Thread(target=_pump, args=(a, b), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def fleet(network: None, postgres: Postgres, sim: BlockingSimulator, tmp_path: Path) -> Iterator[RunningFleet]:
    with running_redis() as redis, reachable(sim.proxy_url) as proxy, reachable(redis.url) as limits:
        own = {
            name: {"HOST": address, "EXTERNAL_IP": address, "PROXY_URL": proxy, "REDIS_URL": limits}
            for name, address in WORKERS.items()
        }

        def launcher(name: str) -> list[str]:
            return [shutil.which("ip") or "/usr/sbin/ip", "netns", "exec", f"gm-{name}"]

        sim.google.clear()
        sim.google.forget()
        with running_fleet(tmp_path, sim, postgres.url, redis.url, ACCOUNTS, own=own, launcher=launcher) as fleet:
            yield fleet


async def test_a_fleet_of_machines(fleet: RunningFleet) -> None:
    assert {row["url"].rpartition(":")[0] for row in fleet.rows().values()} == {f"http://{a}" for a in WORKERS.values()}
    took = await share_out(fleet, {"w1": 1.0, "w2": 2.0, "w3": 3.0}, calls=300, at_once=8)
    print(f"\n300 calls in network namespaces at weights 1:2:3: {dict(sorted(took.items()))}")
    fleet.sim.google.forget()
    await kill_under_load(fleet, calls=300, at_once=12)


async def test_a_pulled_cable(fleet: RunningFleet) -> None:
    fleet.sim.google.reply("long", "word " * 2000, chars=10, pace=0.05)
    async with aiohttp.ClientSession(fleet.url) as http:
        for number in range(6):
            assert (await chat(http, f"before {number}"))[0] == 200
        running = await _stream_on(http, "w2")
        ip("link", "set", "gmv-w2", "down")
        try:
            began = time.monotonic()
            answers = [await chat(http, f"without w2, {number}") for number in range(12)]
            took = time.monotonic() - began
            # What went out over a connection that was kept from before may have arrived: that is an error, and told so.
            lost_calls = [body for status, _, body in answers if status != 200]
            assert all(body["error"]["code"] == "node_lost" for body in lost_calls)
            assert len(lost_calls) <= 2
            assert {node for status, node, _ in answers if status == 200} == {"w1", "w3"}
            async with asyncio.timeout(PATIENCE):
                rest = await running.content.read()
            lost = time.monotonic() - began
            assert b"node_lost" in rest
            print(
                f"\ncable pulled: 12 calls in {took:.1f} s, {len(lost_calls)} of them lost; a stream after {lost:.1f} s"
            )
        finally:
            ip("link", "set", "gmv-w2", "up")
        async with asyncio.timeout(90):
            while "w2" not in {(await chat(http, f"again {number}"))[1] for number in range(6)}:
                await asyncio.sleep(1)
        status, _, body = await chat(http, "before 0")
        assert (status, text_of(body)) == (200, "You said: before 0")
    received = [call.prompt for call in record(fleet).calls]
    assert max(received.count(prompt) for prompt in received if prompt.startswith("without")) == 1


async def _stream_on(http: aiohttp.ClientSession, name: str) -> Any:
    """A stream that runs on this node."""
    while True:
        answer = await stream(http, "long story")
        await answer.content.readany()
        if answer.headers["x-gemgate-node"] == name:
            return answer
        answer.close()
