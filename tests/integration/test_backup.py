"""A backup brings everything back, into the other engine as well; keys go apart, and what is refused says why."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.fernet import Fernet

from gemgate.assembly.storage import open_blobs
from gemgate.errors import BadRequest, GatewayError
from gemgate.stores import backup
from gemgate.stores.sql import dump
from gemgate.stores.sql.database import open_database
from gemgate.testing import MemoryBlobs
from gemgate_simulator import Simulator
from tests.support.lived_in import everything, lived_in
from tests.support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.support.serving import served, settings_for


async def test_everything_comes_back_and_into_the_other_engine(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    async with Simulator(("alice",)) as sim:
        await lived_in(sim, tmp_path / "here")
        settings = settings_for(sim, tmp_path / "here")
        secrets = list(sim.google.cookies("alice").values())
    place = tmp_path / "here" / "gemgate.sqlite3"
    before = await everything(place)
    told = {"account", "conversation", "stored_response", "picture", "stored_file", "batch", "task", "response_event"}
    assert told <= before.keys()

    database = await open_database(place)
    file = tmp_path / "backup.zip"
    manifest = await backup.write(file, database, open_blobs(settings), 1_700_000_000.0)
    await database.close()
    assert file.stat().st_mode & 0o777 == 0o600
    assert manifest.rows == {name: len(page) for name, page in before.items()}
    assert manifest.blobs == 2 * len(before["picture"]) + len(before["stored_file"])  # each picture and its logo's box
    with zipfile.ZipFile(file) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist() if not name.startswith("blobs/"))
    assert all(secret.encode() not in whole for secret in secrets)

    there = settings_for(None, tmp_path / "there")
    await backup.restore(file, postgres_url, open_blobs(there), replace=False)
    assert await everything(postgres_url) == before
    with pytest.raises(BadRequest, match="--replace"):
        await backup.restore(file, postgres_url, open_blobs(there), replace=False)
    await backup.restore(file, postgres_url, open_blobs(there), replace=True)
    assert await everything(postgres_url) == before

    back = await open_database(postgres_url)
    again = tmp_path / "again.zip"
    await backup.write(again, back, None, 1_700_000_000.0)
    await back.close()
    anew = tmp_path / "anew" / "gemgate.sqlite3"
    anew.parent.mkdir()
    await backup.restore(again, anew, open_blobs(there), replace=False)
    assert await everything(anew) == before
    original = {facts.key: facts.size async for facts in open_blobs(settings).list("")}
    assert {facts.key: facts.size async for facts in open_blobs(there).list("")} == original


async def test_durable_answers_are_read_after_a_restore_and_under_a_new_key(tmp_path: Path) -> None:
    """Data keys, logs and payloads come back; a rekey seals the data keys anew, and the old key may go."""
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    ask = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "say hello"}]}
    keyed = {"Idempotency-Key": "once"}

    async def told(http: aiohttp.ClientSession, *ids: str) -> list[str]:
        """Both answers, whole and as events, and the one under the key."""
        read = []
        for path in (f"/v1/responses/{ids[0]}", f"/v1beta/interactions/{ids[1]}"):
            for query in ("", "?stream=true"):
                async with http.get(path + query) as answer:
                    assert answer.status == 200, await answer.text()
                    read.append(await answer.text())
        async with http.post("/v1/chat/completions", json=ask, headers=keyed) as answer:
            assert answer.status == 200, await answer.text()
            return [*read, await answer.text()]

    async with Simulator(("alice",)) as sim:
        here, there = settings_for(sim, tmp_path / "here", cookie_keys=old), tmp_path / "there"
        async with served(here) as gate, aiohttp.ClientSession(gate.url) as http:
            made = []
            for path in ("/v1/responses", "/v1beta/interactions"):
                body = {"model": "gemini-3-flash-preview", "input": "say hello", "background": True}
                async with http.post(path, json=body) as answer:
                    made.append((await answer.json())["id"])
                async with http.get(f"{path}/{made[-1]}?stream=true") as answer:
                    assert ".completed" in await answer.text()
            before = await told(http, *made)
        database = await open_database(tmp_path / "here" / "gemgate.sqlite3")
        manifest = await backup.write(tmp_path / "backup.zip", database, open_blobs(here), 1_700_000_000.0)
        await database.close()
        assert manifest.rows["response_event"] >= 3
        there.mkdir()
        both = settings_for(sim, there, cookie_keys=f"{new},{old}")
        await backup.restore(tmp_path / "backup.zip", there / "gemgate.sqlite3", open_blobs(both), replace=False)
        async with served(both):
            pass  # its start seals everything under the new key
        async with (
            served(settings_for(sim, there, cookie_keys=new)) as gate,
            aiohttp.ClientSession(gate.url) as http,
        ):
            assert await told(http, *made) == before
        assert sim.record.generations == 3


async def test_copying_adds_what_is_missing_and_ids_count_on(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    async with Simulator(("alice",)) as sim:
        await lived_in(sim, tmp_path / "here")
    source = await open_database(tmp_path / "here" / "gemgate.sqlite3")
    target = await open_database(postgres_url)
    try:
        seen: list[int] = []
        new = await dump.copy(source, target, seen.append)
        assert new == sum(seen) == await dump.count(source) == await dump.count(target)
        assert await dump.copy(source, target) == 0
        async with target.writing() as connection:
            line = dump.metadata.tables["audit_line"]
            values = {column.name: "x" for column in line.columns if not column.primary_key and not column.nullable}
            await connection.execute(line.insert(), {**values, "at": 0.0} if "at" in line.columns else values)
    finally:
        await source.close()
        await target.close()


async def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_text("nothing")
    with pytest.raises(BadRequest, match="no backup"):
        backup.read_manifest(path)
    for told, word in (({"format": 99, "version": "9.0"}, "format 99"), ({"format": 1}, "no backup")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", json.dumps(told))
        with pytest.raises(BadRequest, match=word):
            backup.read_manifest(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": 1, "created_at": 0, "revision": "9999", "rows": {}}))
    store = open_blobs(settings_for(None, tmp_path))
    with pytest.raises(GatewayError, match="newer gemgate"):
        await backup.restore(path, tmp_path / "new.sqlite3", store, replace=False)


@pytest.mark.parametrize(
    "rows",
    ["[1, 2]", '"x"', "null", "1", "[[[", '{"no_such_column": 1}', '{"at": {"a": 1}}', "[" * 100_000, "{}", "\x00"],
)
async def test_rows_that_are_none_are_damage_in_one_line(tmp_path: Path, rows: str) -> None:
    whole, broken = tmp_path / "whole.zip", tmp_path / "broken.zip"
    store = open_blobs(settings_for(None, tmp_path))
    database = await open_database(tmp_path / "here.sqlite3")
    await backup.write(whole, database, None, 1_700_000_000.0)
    await database.close()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(broken, "w") as new:
        new.writestr("manifest.json", old.read("manifest.json"))
        new.writestr("rows/000000_audit_line.jsonl", rows + "\n")
    with pytest.raises(BadRequest, match="damaged"):
        await backup.restore(broken, tmp_path / "new.sqlite3", store, replace=False)


async def test_an_image_that_goes_while_a_backup_is_written_is_not_in_it(tmp_path: Path) -> None:
    class Goes(MemoryBlobs):
        async def chunks(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
            if key == "images/gone.png":
                del self.blobs[key]
            async for piece in super().chunks(key, start, end):
                yield piece

    store, path = Goes(), tmp_path / "b.zip"
    store.blobs = {"images/empty.png": b"", "images/gone.png": b"1", "images/here.png": b"2"}
    database = await open_database(tmp_path / "here.sqlite3")
    assert (await backup.write(path, database, store, 1_700_000_000.0)).blobs == 2
    await database.close()
    with zipfile.ZipFile(path) as archive:
        assert archive.read("blobs/images/here.png") == b"2"
        assert archive.read("blobs/images/empty.png") == b""


async def command(folder: Path, *words: str | Path, **more: str) -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder / "home"), "DATA_DIR": str(folder / "data"), **more
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gemgate", *words),
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_the_commands_keep_the_key_apart_and_say_what_is_wrong(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    code, said = await command(first, "backup")
    assert (code, "nothing to back up" in said) == (1, True), said
    async with Simulator(("alice",)) as sim:
        key = first / "home" / ".config" / "gemgate" / "cookie.key"
        settings = settings_for(sim, first / "data", cookie_keys=None, cookie_key_file=key)
        async with served(settings):
            code, said = await command(first, "backup", "b.zip", "--keys", tmp_path / "apart.key")
            assert code == 0, said
            code, said = await command(first, "backup", "b.zip")
            assert (code, "--force" in said) == (2, True)
            code, said = await command(first, "restore", "b.zip", "--replace")
            assert (code, "Another gemgate" in said) == (1, True), said
        assert (tmp_path / "apart.key").stat().st_mode & 0o777 == 0o600

        code, said = await command(second, "restore", first / "b.zip")
        assert code == 0, said
        assert "cannot be opened with the key in force: default" in said
        code, said = await command(second, "restore", first / "b.zip", "--replace", "--keys", tmp_path / "apart.key")
        assert (code, "cannot be opened" in said) == (0, False), said
        key = second / "home" / ".config" / "gemgate" / "cookie.key"
        moved = settings_for(None, second / "data", cookie_keys=None, cookie_key_file=key, proxy_url=sim.proxy_url,
                             proxy_ca_file=sim.ca_file, secure_1psid=None)  # fmt: skip
        assert len(key.read_text().splitlines()) > len((tmp_path / "apart.key").read_text().splitlines())
        async with served(moved, wait_ready=False):
            pass
