"""A gateway in a process of its own that watches itself, and how it is asked."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import aiohttp

from gemgate_simulator import RemoteSimulator
from tests.integration.soak.load import PATIENCE, Asked, Conversation
from tests.support.chaos import OURS, environment
from tests.support.servers import free_port
from tests.support.watched_serve import Figures

ACCOUNTS = ("alice", "bob", "carol")


FAILED = re.compile(rb'"error":\s*\{|"type":\s*"error"|response\.failed')


class Gateway:
    """The process under test, which tells its figures."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._reading = asyncio.Lock()
        self.url = url

    async def read(self, word: Literal["", "objects", "hold", "garbage"] = "") -> Figures:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._reading:
            self._process.stdin.write(f"{word}\n".encode())
            while True:
                line = await self._process.stdout.readline()
                assert line, "the gateway ended"
                if line.startswith(b"{"):
                    return Figures(**json.loads(line))


@asynccontextmanager
async def running(sim: RemoteSimulator, folder: Path, **settings: str) -> AsyncIterator[Gateway]:
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if name.upper() not in OURS}
    first = environment(sim, ACCOUNTS[0], folder, PORT=str(port), LOG_LEVEL="error", CONCURRENCY="16")
    more = {"COOLDOWN_ADDRESS_SECONDS": "0"}
    more |= dict.fromkeys(("FIRST_BYTE_TIMEOUT_SECONDS", "IDLE_TIMEOUT_SECONDS"), str(PATIENCE))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.watched_serve", "serve"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            limit=16 << 20,
            env={**clean, **first, **more, **settings},
        )
    try:
        gateway = Gateway(process, f"http://127.0.0.1:{port}")
        async with aiohttp.ClientSession() as http, asyncio.timeout(120):
            await _ready(http, gateway.url)
            for account in ACCOUNTS[1:]:
                await _add(http, gateway.url, sim, account)
        yield gateway
    except BaseException as error:
        error.add_note((folder / "log").read_text(errors="replace")[-3000:])
        raise
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(40):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ready(http: aiohttp.ClientSession, url: str) -> None:
    while True:
        with suppress(aiohttp.ClientError):
            async with http.get(f"{url}/ready") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.1)


async def _add(http: aiohttp.ClientSession, url: str, sim: RemoteSimulator, account: str) -> None:
    body = {"name": account, "cookies": sim.accounts[account], "lanes": 16}
    async with http.post(f"{url}/api/accounts", json=body) as answer:
        assert answer.status == 200, await answer.text()
    while True:
        async with http.get(f"{url}/api/accounts/{account}") as answer:
            if (await answer.json())["state"] == "ready":
                return
        await asyncio.sleep(0.1)


async def ask(http: aiohttp.ClientSession, url: str, one: Asked, conversation: Conversation) -> tuple[int, str]:
    """The status, 0 where the caller did not wait for it, and what went wrong."""
    if one.body is None:
        async with http.get(url + one.path) as answer:
            await answer.read()
            return answer.status, ""
    body = json.dumps(one.body).encode()
    if one.fault == "half a body":
        await _half(url, one.path, body)
        return 0, ""
    if one.fault == "no JSON":
        body = body[:-1]
    async with http.post(url + one.path, data=body, headers={"content-type": "application/json"}) as answer:
        if one.fault == "leaves":
            await answer.content.readany()
            answer.close()
            return 0, ""
        told = await answer.read()
        if answer.status == 200 and one.answer:
            conversation.heard(one.prompt, one.answer(json.loads(told)))
        return answer.status, told[-300:].decode(errors="replace") if FAILED.search(told[-3000:]) else ""


async def _half(url: str, path: str, body: bytes) -> None:
    """A caller whose connection breaks in the midst of what it sends."""
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body[: len(body) // 2])
    await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
