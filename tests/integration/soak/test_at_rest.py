"""A gateway that nobody asks leaves the processor alone: callbacks of its event loop are counted, not time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import RemoteSimulator
from tests.integration.soak.gateway import ACCOUNTS, running

MOST = 25
"""Callbacks a second at rest, with three accounts: each session looks at libcurl once, the server at its clock once."""
SECONDS = 3.0
LARGEST = 90 << 20
"""Bytes that are resident after the first chats of two dialects."""


async def test_a_gateway_at_rest_does_next_to_nothing(tmp_path: Path) -> None:
    async with RemoteSimulator.spawn(accounts=ACCOUNTS) as sim, running(sim, tmp_path) as gateway:
        await asyncio.sleep(1)
        await gateway.read()
        await asyncio.sleep(SECONDS)
        figures = await gateway.read()
        assert 0 < figures.callbacks < MOST * SECONDS, figures.callbacks


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell")
async def test_a_gateway_that_has_just_begun_is_small(tmp_path: Path) -> None:
    hello = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}
    async with RemoteSimulator.spawn(accounts=ACCOUNTS) as sim, running(sim, tmp_path) as gateway:
        async with aiohttp.ClientSession(gateway.url) as http:
            for path in ("/v1/chat/completions", "/v1/messages"):
                async with http.post(path, json={"model": "gemini-3-flash-preview", **hello}) as answer:
                    assert answer.status == 200, await answer.text()
        figures = await gateway.read()
        assert figures.rss < LARGEST, figures.mapped
