"""A batch of as many lines as OpenAI allows: how long the order takes, how much memory, and whether anybody waits."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import aiohttp
import openai
import pytest

from gemgate.dialects.openai_batches import MAX_LINES
from gemgate_simulator import RemoteSimulator
from tests.integration.soak.gateway import ACCOUNTS, running

LONGEST = 0.1
"""Seconds of processor time that no callback of the event loop may take, on a machine that does a lot else."""
GROWTH = 64 << 20
"""Bytes that the order may take in memory; its file alone has 40 MB."""


def lines(count: int) -> bytes:
    said = "Tell the story of the ship's cat in the words of its captain. " * 9
    rows = (
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "gemini-3-flash-preview", "input": f"{number}: {said}"},
        }
        for number in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_fifty_thousand_lines_are_taken_within_bounds(tmp_path: Path) -> None:
    data = await asyncio.to_thread(lines, MAX_LINES)
    async with RemoteSimulator.spawn(ACCOUNTS) as sim, running(sim, tmp_path) as gate:
        await sim.google.reply("story", "Once", delay=300)
        client = openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0, timeout=300)
        async with client, aiohttp.ClientSession(gate.url) as http:
            file = await client.files.create(file=("lines.jsonl", data), purpose="batch")
            before = await gate.read()
            waits: list[float] = []

            async def look() -> None:
                while True:
                    began = time.perf_counter()
                    async with http.get("/v1/models") as answer:
                        assert answer.status == 200
                    waits.append(time.perf_counter() - began)
                    await asyncio.sleep(0.02)

            looking = asyncio.create_task(look())
            began = time.perf_counter()
            batch = await client.batches.create(
                input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
            )
            took = time.perf_counter() - began
            ordered = await gate.read()
            assert batch.request_counts is not None
            assert batch.request_counts.total == MAX_LINES
            began = time.perf_counter()
            await client.batches.cancel(batch.id)
            while (batch := await client.batches.retrieve(batch.id)).status == "cancelling":
                await asyncio.sleep(0.1)
            ended = time.perf_counter() - began
            after = await gate.read()
            looking.cancel()
            assert batch.status == "cancelled"
            text = (await client.files.content(str(batch.error_file_id))).content
            assert text.count(b"\n") == MAX_LINES
            grown = ordered.rss - before.rss
            print(
                f"\n{MAX_LINES} lines, {len(data) / 1e6:.0f} MB: ordered in {took:.1f} s, {grown / 1e6:.0f} MB more, "
                f"longest callback {ordered.longest * 1000:.0f} ms (wall {ordered.late * 1000:.0f}); "
                f"cancelled with its error file in {ended:.1f} s, {(after.rss - ordered.rss) / 1e6:.0f} MB more, "
                f"longest callback {after.longest * 1000:.0f} ms (wall {after.late * 1000:.0f}); "
                f"another call waited {max(waits) * 1000:.0f} ms at most"
            )
            print("\n".join(ordered.long + after.long))
            assert max(ordered.longest, after.longest) < LONGEST
            assert grown < GROWTH
