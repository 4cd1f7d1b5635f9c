"""A single node becomes a fleet: its SQLite and its images are copied, as often as one likes, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gemgate.assembly.storage import open_blobs
from gemgate.settings import explicit
from gemgate.stores.sql.database import open_database
from gemgate_simulator import Simulator
from tests.support.lived_in import everything, lived_in
from tests.support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.support.serving import NO_LIMITS, served, settings_for


async def migrate(*arguments: str, **settings: str) -> tuple[int, str]:
    """Exit code and everything that the command said."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("gemgate")), "migrate", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COOKIE_KEYS": NO_LIMITS["cookie_keys"], "COLUMNS": "200", **settings},
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


async def ask(url: str, *said: str) -> Any:
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    async with (
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json={"messages": messages}) as one,
    ):
        assert one.status == 200
        return one.headers["x-gemgate-conversation"], (await one.json())["choices"][0]["message"]["content"]


async def test_a_single_node_moves_into_postgresql_and_goes_on(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    here, there = tmp_path / "here", tmp_path / "there"
    async with Simulator(("alice",)) as sim:
        await lived_in(sim, here)
        single = settings_for(sim, here)
        fleet = {"DATA_DIR": str(here), "DATABASE_URL": postgres_url}
        async with served(single) as running:
            _, answer = await ask(running.url, "remember me")
            code, told = await migrate("--from", "sqlite", **fleet)
            assert code != 0
            assert "process" in told, "a node that runs is named"

        before = await everything(here / "gemgate.sqlite3")
        code, told = await migrate("--from", "sqlite", **fleet)
        assert code == 0, told
        assert "SECURE_1PSID" in told, "what to do about the account that the settings named"
        after = await everything(postgres_url)
        assert {name: len(page) for name, page in after.items()} == {name: len(page) for name, page in before.items()}
        code, told = await migrate("--from", str(here / "gemgate.sqlite3"), **fleet)
        assert (code, told.split()[0]) == (0, "0"), "run again, it copies nothing"

        # A worker without cookies of its own runs the account from what is stored; its chats go on where they stand.
        values = {**NO_LIMITS, "data_dir": there, "proxy_url": sim.proxy_url, "proxy_ca_file": sim.ca_file}
        async with served(explicit(**values, database_url=postgres_url, gemini_worker_id="w1")) as running:
            assert [account.name for account in running.service.pool.accounts] == ["default"]
            reuse, _ = await ask(running.url, "remember me", answer, "do you?")
            assert reuse == "hit"
            async with aiohttp.ClientSession(running.url) as http, http.get("/v1/batch") as batches:
                assert [one["status"] for one in (await batches.json())["batches"]] == ["completed"]


async def test_images_move_into_the_fleets_store_once(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    here, there = tmp_path / "here", tmp_path / "there"
    async with Simulator(("alice",)) as sim:
        await lived_in(sim, here)
    stored = sorted([facts.key async for facts in open_blobs(explicit(data_dir=here)).list("")])
    assert stored
    fleet = {"DATA_DIR": str(there), "DATABASE_URL": postgres_url, "STORAGE": "folder"}
    for copied in (len(stored), 0):
        code, told = await migrate("--from", str(here / "gemgate.sqlite3"), "--pictures", **fleet)
        assert code == 0, told
        assert f"{copied} new pictures" in told
    assert sorted([facts.key async for facts in open_blobs(explicit(data_dir=there)).list("")]) == stored


async def test_what_cannot_be_migrated_is_said_in_a_line(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    empty = str(tmp_path / "empty")
    code, told = await migrate("--from", "sqlite", DATA_DIR=empty, DATABASE_URL=postgres_url)
    assert (code, "there is no SQLite database" in told) == (2, True)
    database = await open_database(tmp_path / "one.sqlite3")
    await database.close()
    code, told = await migrate("--from", str(tmp_path / "one.sqlite3"), DATA_DIR=empty)
    assert (code, "DATABASE_URL" in told) == (2, True)


@pytest.mark.parametrize("wrong", ["nonsense", "postgresql://nobody@127.0.0.1:1/x"])
async def test_a_target_that_is_not_there(wrong: str, tmp_path: Path) -> None:
    database = await open_database(tmp_path / "one.sqlite3")
    await database.close()
    code, told = await migrate("--from", str(tmp_path / "one.sqlite3"), DATA_DIR=str(tmp_path), DATABASE_URL=wrong)
    assert code in (1, 2)
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1
