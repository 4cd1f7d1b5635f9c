"""A gateway served on a real socket for tests, beside a simulated Google."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from tests.support.conforming import Judged
from tests.support.patience import until

from gemgate.assembly.node import open_service
from gemgate.assembly.service import Service
from gemgate.jobs import JobRules
from gemgate.ports.runtime import Clock, Random
from gemgate.settings import Settings, explicit
from gemgate.telemetry import system_random
from gemgate.web.app import create_app
from gemgate.web.bounded_heads import BoundedHeads
from gemgate_simulator import Simulator

NO_LIMITS: dict[str, Any] = {
    "rate_limit_per_hour": 0,
    "model_interval_seconds": 0,
    "rpm_limit": 0,
    "address_rpm_limit": 0,
    "concurrency": 64,
    "reserve_percent": 0,
    "cookie_keys": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    "cookie_refresh_seconds": 0,
    "first_byte_timeout_seconds": 15,
    "idle_timeout_seconds": 15,
    "request_timeout_seconds": 60,
}
"""Deadlines are far off: the simulated Google paints on this processor, and falls silent where a test wants it to."""
KEPT_ALIVE = 600
"""Seconds for which an idle connection stays: longer than any test, or it would end just as a client uses it again."""
IMPATIENT: dict[str, Any] = {
    "first_byte_timeout_seconds": 4,
    "idle_timeout_seconds": 4,
    "request_timeout_seconds": 20,
}
"""For tests of Google's silence."""


@dataclass(slots=True)
class Served:
    """A running gateway: its address and what is behind it."""

    url: str
    service: Service
    settings: Settings


def settings_for(sim: Simulator | None, folder: Path, account: str = "alice", **more: Any) -> Settings:
    """Settings of a single account of the simulator, with every limit off unless asked for."""
    values: dict[str, Any] = {"data_dir": folder, **NO_LIMITS}
    if sim is not None:
        cookies = sim.google.cookies(account)
        values |= {
            "secure_1psid": cookies["__Secure-1PSID"],
            "secure_1psidts": cookies["__Secure-1PSIDTS"],
            "proxy_url": sim.proxy_url,
            "proxy_ca_file": sim.ca_file,
        }
    return explicit(**{**values, **more})


@asynccontextmanager
async def served(
    settings: Settings,
    *,
    wait_ready: bool = True,
    job_rules: JobRules | None = None,
    clock: Clock | None = None,
    dice: Random = system_random,
    judged: Judged | None = None,
) -> AsyncIterator[Served]:
    """The gateway on a free port of this loop; ready accounts are waited for unless told otherwise.

    Whatever it answers is judged by our OpenAPI document. judged: keeps what was found.
    """
    judged = judged or Judged()
    async with open_service(settings, job_rules=job_rules, clock=clock, random=dice) as service:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.bind(("127.0.0.1", 0))
        sock.listen(512)
        config = uvicorn.Config(
            judged.watch(create_app(settings, service)),
            http=BoundedHeads,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEPT_ALIVE,
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        running = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            if wait_ready:
                await until(lambda: any(m.is_open for m in service.pool.accounts))
            yield Served(f"http://127.0.0.1:{sock.getsockname()[1]}", service, settings)
        finally:
            server.should_exit = True
            server.force_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await _ended(server)
            sock.close()
    assert not judged.wrong, "\n\n".join(judged.wrong[:10])


async def _ended(server: uvicorn.Server) -> None:
    """End what a server that is forced to exit leaves to its loop: calls under way, and the lifespan."""
    for call in (left := tuple(server.server_state.tasks)):
        call.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await server.lifespan.shutdown()
