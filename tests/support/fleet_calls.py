"""Calls to a fleet, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import aiohttp
from tests.support.fleets import ACCOUNTS, ADMIN, MODEL, RunningFleet

from gemgate_simulator.record import Record

OWNER = {account: node for node, accounts in ACCOUNTS.items() for account in accounts}


async def chat(http: aiohttp.ClientSession, *said: str, key: str = ADMIN, **more: Any) -> tuple[int, str, Any]:
    """One chat: status, the node that answered, body. `said` alternates between user and assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]
    body = {"model": MODEL, "messages": messages, **more}
    headers = {"authorization": f"Bearer {key}"}
    async with http.post("/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, answer.headers.get("x-gemgate-node", ""), await answer.json()


def text_of(body: Any) -> str:
    return str(body["choices"][0]["message"]["content"])


def record(fleet: RunningFleet) -> Record:
    told: Record = fleet.sim.record()
    assert not told.violations
    return told


async def share_out(fleet: RunningFleet, weights: dict[str, float], *, calls: int, at_once: int) -> Counter[str]:
    """Calls by node, which must be the weights' shares within 5 % of them."""
    try:
        for name, weight in weights.items():
            assert fleet.ask("POST", f"/api/nodes/{name}/weight", {"weight": weight})[0] == 200
        took: Counter[str] = Counter()
        left = iter(range(calls))
        async with aiohttp.ClientSession(fleet.url) as http:

            async def lane() -> None:
                for number in left:
                    status, node, _ = await chat(http, f"call {number}")
                    assert status == 200
                    took[node] += 1

            await asyncio.gather(*(lane() for _ in range(at_once)))
    finally:
        for name in weights:
            fleet.ask("POST", f"/api/nodes/{name}/weight", {"weight": 1.0})
    for name, weight in weights.items():
        meant = calls * weight / sum(weights.values())
        assert abs(took[name] - meant) <= 0.05 * meant, took
    counted = record(fleet)
    by_node = Counter(dict.fromkeys(weights, 0))
    for account, number in counted.generated_by_account.items():
        by_node[OWNER[account]] += number
    assert by_node == took
    assert counted.generations == calls
    return took


def stream(http: aiohttp.ClientSession, said: str) -> Any:
    body = {"model": MODEL, "messages": [{"role": "user", "content": said}], "stream": True}
    return http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {ADMIN}"})


async def kill_under_load(fleet: RunningFleet, *, calls: int, at_once: int) -> None:
    """Kill w3 while calls run: what was lost was with Google, or on its way there; and nothing may be there twice."""
    fleet.sim.google.reply("load", "an answer", delay=0.1)
    outcomes: dict[str, tuple[int, str, Any]] = {}
    ended: dict[str, float] = {}
    left = iter(range(calls))
    killed_at = 0.0
    async with aiohttp.ClientSession(fleet.url) as http:

        async def lane() -> None:
            nonlocal killed_at
            for number in left:
                if number == calls // 3:
                    await asyncio.to_thread(fleet.nodes["w3"].kill)
                    killed_at = time.monotonic()
                said = f"load {number:05d}."
                outcomes[said] = await chat(http, said)
                ended[said] = time.monotonic()

        await asyncio.gather(*(lane() for _ in range(at_once)))
    counted = record(fleet)
    failed = {said: body for said, (status, _, body) in outcomes.items() if status != 200}
    received = Counter(call.prompt for call in counted.calls)
    for body in failed.values():
        assert body["error"]["code"] == "node_lost", body
    on_its_way = [said for said in failed if not counted.received_of(prompt=said)]
    assert len(on_its_way) <= 2, "errors, though Google never had the prompts"
    assert all(number == 1 for number in received.values()), received.most_common(3)
    assert len(failed) <= at_once
    late = [said for said, (status, node, _) in outcomes.items() if node == "w3" and ended[said] > killed_at + 0.5]
    assert not late
    assert all(ended[said] < killed_at + 10 for said in failed), "lost calls are told so at once"
    await asyncio.to_thread(fleet.restart, "w3")
