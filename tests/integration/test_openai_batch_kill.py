"""`kill -9` under OpenAI batches of responses and edits: every line answered once, nothing that ended is made again."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch
from PIL import Image

from gemgate_simulator import Painting, RemoteSimulator
from tests.support.chaos import Node, environment

LINES = 12


def png() -> str:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


async def ordered(client: openai.AsyncOpenAI, url: Any, bodies: list[dict[str, Any]]) -> Batch:
    rows = [{"custom_id": str(n), "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies)]
    data = "\n".join(map(json.dumps, rows)).encode()
    file = await client.files.create(file=("lines.jsonl", data), purpose="batch")
    return await client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")


async def ended(client: openai.AsyncOpenAI, batches: list[Batch], count: int) -> None:
    """Until so many lines of all batches are answered."""
    async with asyncio.timeout(240):
        while True:
            now = [await client.batches.retrieve(batch.id) for batch in batches]
            counts = [batch.request_counts for batch in now if batch.request_counts]
            closed = count < 2 * LINES or all(batch.status == "completed" for batch in now)
            if closed and sum(one.completed + one.failed for one in counts) >= count:
                return
            await asyncio.sleep(0.05)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_killed_gateway_goes_on_with_responses_and_edits(tmp_path: Path) -> None:
    async with RemoteSimulator.spawn(("alice",)) as sim:
        await sim.google.images(cheap=True)
        await sim.google.reply("story", "Once upon a time", pace=0.1, chars=2)
        await sim.google.reply("paint", "", image=Painting(), pace=0.1, busy=3)
        await sim.google.world(reads_temporary=True, carries_on=True)
        node = Node("solo", environment(sim, "alice", tmp_path), tmp_path)
        try:
            await node.start()
            async with openai.AsyncOpenAI(base_url=node.url + "/v1", api_key="any", timeout=60) as client:
                texts = [{"input": f"tell story <{n}>"} for n in range(LINES)]
                edits = [{"prompt": f"paint it <{n}>", "images": [{"image_url": png()}]} for n in range(LINES)]
                batches = [
                    await ordered(client, "/v1/responses", texts),
                    await ordered(client, "/v1/images/edits", edits),
                ]
                await ended(client, batches, 6)
                node.kill()
                before = Counter(call.prompt for call in (await sim.google.record()).calls)
                await node.start()
                await ended(client, batches, 2 * LINES)
                for batch, field in zip(batches, ("output", "data"), strict=True):
                    told = await client.batches.retrieve(batch.id)
                    assert told.error_file_id is None
                    text = (await client.files.content(str(told.output_file_id))).text
                    rows = [json.loads(row) for row in text.splitlines()]
                    assert sorted(int(row["custom_id"]) for row in rows) == list(range(LINES))
                    assert all(len(row["response"]["body"][field]) == 1 for row in rows)
            record = await sim.google.record()
            twice = {prompt: n for prompt, n in Counter(call.prompt for call in record.calls).items() if n > 1}
            cut = sum(before.values()) - 6
            print(f"\n{2 * LINES} lines, {record.generations} generations, {cut} in flight at the kill: again {twice}")
            assert record.generations <= 2 * LINES + cut
            assert all(n == 2 for n in twice.values())
            assert set(twice) <= set(before), "only what was in flight at the kill may be made again"
        finally:
            node.end()
