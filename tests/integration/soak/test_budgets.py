"""A budget of 100 images under eight gateways that share one PostgreSQL: exactly 100."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.support.chaos import Node, environment, painter
from tests.support.servers import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

PROCESSES, LIMIT, AT_ONCE = 8, 100, 3
KEY = "secret-of-the-key"


class Buyers:
    """Callers who want images, of whom one in five asks for what Google refuses: what that took comes back."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._numbers = itertools.count(1)
        self.ended: Counter[str] = Counter()

    async def ask(self, node: Node, *, harmless: bool = False) -> str:
        """made, refused (by Google), or used up."""
        number = next(self._numbers)
        prompt = f"forbidden {number}" if number % 5 == 0 and not harmless else f"number {number}"
        headers, body = {"authorization": f"Bearer {KEY}"}, {"prompt": prompt}
        async with self._http.post(f"{node.url}/v1/images/generations", json=body, headers=headers) as answer:
            told = await answer.json()
        if answer.status == 200:
            word = "made" if len(told["data"]) == 1 else "strange"
        else:
            word = "used up" if told["error"]["code"] == "insufficient_quota" else "refused"
        self.ended[word] += 1
        return word

    async def until_used_up(self, node: Node) -> None:
        while await self.ask(node) != "used up":
            pass


async def test_a_hundred_images_are_a_hundred(tmp_path: Path, postgres_url: str) -> None:
    names = [f"account{number}" for number in range(PROCESSES)]
    nodes: list[Node] = []
    async with painter(*names, readable=True, pace=0.01) as sim, aiohttp.ClientSession() as http:
        await sim.google.refuse("forbidden")
        try:
            for name in names:
                (tmp_path / name).mkdir()
                shared = {"DATABASE_URL": postgres_url, "API_KEY": f"shop:{KEY}", "GEMINI_WORKER_ID": name}
                settings = environment(sim, name, tmp_path / name, KEY_BUDGET=f"images_per_month={LIMIT}", **shared)
                nodes.append(Node(name, settings, tmp_path / name))
                await nodes[-1].start()
            buyers = Buyers(http)
            await asyncio.gather(*(buyers.until_used_up(node) for node in nodes for _ in range(AT_ONCE)))
            # What was given back after others had been refused is there for who comes next.
            while await buyers.ask(nodes[0], harmless=True) == "made":
                pass
            record = await sim.record()
        finally:
            for node in nodes:
                node.end()
    print(f"\n{dict(buyers.ended)}, {record.generations} generations at Google")
    assert buyers.ended["made"] == LIMIT
    assert not buyers.ended["strange"]
    assert buyers.ended["refused"] > 5
