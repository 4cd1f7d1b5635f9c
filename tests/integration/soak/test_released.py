"""What a call held is let go with it, whatever became of it, without the help of the garbage collector.

An error that is kept, or named by a frame that it holds itself, keeps the whole call: its body of megabytes too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from gemgate_simulator import RemoteSimulator
from tests.integration.soak.gateway import ACCOUNTS, Gateway, ask, running
from tests.integration.soak.load import (
    AT_IMAGES,
    BODY,
    DIALECTS,
    GOOGLE,
    Asked,
    Conversation,
    prepare,
)

EACH = 4
"""Requests of each kind."""
WITHIN = 30.0
"""Seconds after which what is still held is held for good."""
HELD = ("ChatRequest", "ImageRequest", "Exchange", "OneTimeBody")
"""What no call leaves behind."""


def kinds() -> Iterator[list[Asked]]:
    """Calls that go well, are refused, are left and fail, in every way of the soak, whole and streamed."""
    numbers = iter(range(10**6))

    def chat(dialect: str, fault: str, *, stream: bool, words: str = "") -> Asked:
        number, spoken = next(numbers), DIALECTS[dialect]
        prompt = f"{words}Say hello, No {number}. «{fault}»"
        path = spoken.streamed if stream else spoken.path
        return Asked(number, dialect, path, spoken.body([("user", prompt)], stream=stream), fault, prompt)

    for dialect, spoken in DIALECTS.items():
        for stream in (False, True)[: 1 + bool(spoken.streamed)]:
            yield [chat(dialect, "", stream=stream) for _ in range(EACH)]
            yield [chat(dialect, "", stream=stream, words="the road is long; " * (BODY // 18)) for _ in range(EACH)]
    for fault in (*GOOGLE, "leaves", "half a body", "no JSON"):
        for stream in (False, True):
            yield [chat("openai chat", fault, stream=stream) for _ in range(EACH)]
    for fault in ("", *AT_IMAGES):
        for stream in (False, True):
            body = {"prompt": f"Draw a lamp «{fault}»", "stream": stream}
            yield [Asked(next(numbers), "images", "/v1/images/generations", body, fault) for _ in range(EACH)]


async def send(gateway: Gateway, calls: list[Asked]) -> None:
    async def one(http: aiohttp.ClientSession, call: Asked) -> None:
        with suppress(aiohttp.ClientError, OSError):
            await ask(http, gateway.url, call, Conversation())

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(http, call))


async def held(gateway: Gateway) -> dict[str, int]:
    """What is there once nothing more of it goes, or after WITHIN seconds."""
    over = time.monotonic() + WITHIN
    while True:
        objects = (await gateway.read("objects")).objects
        there = {name: objects[name] for name in HELD if objects.get(name)}
        if not there or time.monotonic() > over:
            return there
        await asyncio.sleep(0.5)


@pytest.mark.timeout(600)
async def test_no_call_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    # Some answers are there before white space goes ahead of them, some are not.
    async with RemoteSimulator.spawn(ACCOUNTS) as sim, running(sim, tmp_path, KEEPALIVE_SECONDS="0.1") as gateway:
        await prepare(sim)
        async with asyncio.TaskGroup() as group:
            for calls in kinds():  # what is loaded at a first use
                group.create_task(send(gateway, calls[:1]))
        await gateway.read("hold")
        assert await held(gateway) == {}
        await gateway.read("garbage")
        count = 0
        async with asyncio.TaskGroup() as group:
            for calls in kinds():
                count += len(calls)
                group.create_task(send(gateway, calls))
        assert await held(gateway) == {}
        garbage = await gateway.read("garbage")
        assert garbage.rings == {}
        # Statements that SQLAlchemy builds now and then are circles of their own; a call has none.
        assert sum(garbage.objects.values()) < 2 * count, garbage.objects
