"""A gateway that nobody asks leaves the processor alone: callbacks of its event loop are counted, not time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gemgate_simulator import RemoteSimulator
from tests.integration.soak.gateway import ACCOUNTS, running

MOST = 25
"""Callbacks a second at rest, with three accounts: each session looks at libcurl once, the server at its clock once."""
SECONDS = 3.0


async def test_a_gateway_at_rest_does_next_to_nothing(tmp_path: Path) -> None:
    async with RemoteSimulator.spawn(accounts=ACCOUNTS) as sim, running(sim, tmp_path) as gateway:
        await asyncio.sleep(1)
        await gateway.read()
        await asyncio.sleep(SECONDS)
        figures = await gateway.read()
        assert 0 < figures.callbacks < MOST * SECONDS, figures.callbacks
