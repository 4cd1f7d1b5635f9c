"""Batches over the simple routes: ordered, watched, steered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from tests.support.patience import PATIENCE

from gemgate.jobs import JobRules
from gemgate.policy.backoff import Backoff

QUICK = JobRules(
    lease=3.0, poll=0.1, grace=0.2, hooks=(0.1, 0.1), backoff=Backoff(first=0.05, tries=5, look_again=0.3, move=0.02)
)


async def ordered(http: aiohttp.ClientSession, *, expect: int = 200, headers: Any = None, **body: Any) -> Any:
    async with http.post("/v1/batch/images", json=body, headers=headers) as answer:
        assert answer.status == expect, await answer.text()
        return await answer.json()


async def status(http: aiohttp.ClientSession, batch_id: str, query: str = "", **more: Any) -> Any:
    async with http.get(f"/v1/batch/{batch_id}/status{query}", **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def steered(http: aiohttp.ClientSession, batch_id: str, verb: str, *, expect: int = 200) -> Any:
    async with http.post(f"/v1/batch/{batch_id}/{verb}") as answer:
        assert answer.status == expect, await answer.text()
        return await answer.json()


async def until_status(
    http: aiohttp.ClientSession, batch_id: str, holds: Callable[[Any], bool] | None = None, seconds: float = PATIENCE
) -> Any:
    """The first status that fits; by default the one of the end."""
    async with asyncio.timeout(seconds):
        while True:
            body = await status(http, batch_id)
            if holds(body) if holds else body["status"] != "processing":
                return body
            await asyncio.sleep(0.03)
