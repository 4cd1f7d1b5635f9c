"""`gemgate history` and `gemgate transcribe` as a person types them, at a gateway that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from gemgate.cli import app
from gemgate_simulator import Simulator
from tests.support.audio_files import wav
from tests.support.kept_chats import DAY, kept
from tests.support.serving import Served, served, settings_for


async def command(gate: Served, folder: Path, *words: str, code: int = 0, lang: str = "C.UTF-8") -> str:
    """What the command prints."""
    env = {"GEMGATE_URL": gate.url, "LC_ALL": lang, "COLUMNS": "200", "HOME": str(folder), "DATA_DIR": str(folder)}
    done = await asyncio.to_thread(CliRunner().invoke, app, [*words], env=env)
    assert done.exit_code == code, (words, done.output, done.exception)
    return done.output


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(accounts=("alice",)) as simulator:
        yield simulator
        assert not simulator.record.violations


@pytest.fixture
async def gate(sim: Simulator, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(settings_for(sim, tmp_path / "data", account_history=True)) as running:
        yield running


async def test_chats_are_listed_found_shown_and_changed(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    ids = [kept(sim, f"Tides \x1b[31m{n}", [("why salt?", "rivers")], at=DAY + n) for n in range(3)]
    listed = await command(gate, tmp_path, "history", "list", "--limit", "2")
    assert (ids[2] in listed, ids[0] in listed, "--limit" in listed, "\x1b" in listed) == (True, False, True, False)
    found = json.loads(await command(gate, tmp_path, "history", "search", "SALT", "--json"))
    assert {row["id"] for row in found["data"]} == set(ids)
    await command(gate, tmp_path, "history", "rename", ids[0], "Ebb")
    await command(gate, tmp_path, "history", "pin", ids[0])
    shown = await command(gate, tmp_path, "history", "show", ids[0])
    assert "# Ebb" in shown
    assert shown.index("why salt?") < shown.index("rivers")
    assert sim.google.world.chats.of("alice")[2].pinned
    await command(gate, tmp_path, "history", "unpin", ids[0])
    refused = await command(gate, tmp_path, "history", "delete", ids[0], "--yes", code=1)
    assert "not made by this gateway" in refused
    assert "不是由本网关创建" in await command(
        gate, tmp_path, "history", "delete", ids[0], "--yes", code=1, lang="zh_CN.UTF-8"
    )
    assert len(sim.google.world.chats.of("alice")) == 3


async def test_chats_are_exported_into_files(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    ids = [kept(sim, f"chat {n}", at=DAY - n) for n in range(3)]
    done = json.loads(
        await command(gate, tmp_path, "history", "export", "-o", str(tmp_path / "out"), "--limit", "2", "--json")
    )
    assert (done["chats"], done["missing"], set(done["next"])) == (2, [], {"default"})
    more = ("--account", "default", "--cursor", done["next"]["default"], "-o", str(tmp_path / "out"))
    await command(gate, tmp_path, "history", "export", *more)
    files = sorted((tmp_path / "out" / "default").iterdir())
    assert sorted(path.stem[-18:] for path in files) == sorted(ids)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    sim.google.fault("hNvQHb", "code", code=9)
    told = await command(gate, tmp_path, "history", "export", "--format", "jsonl", "-o", str(tmp_path / "all"), code=1)
    assert ids[0] in told
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ids[1:]


async def test_what_is_made_here_is_deleted(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    own = kept(sim, "the owner's")
    sim.google.reply("", "hello")

    async with aiohttp.ClientSession(gate.url) as http:
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
        async with http.post("/v1/chat/completions", json=body) as response:
            assert response.status == 200
    (made,) = (chat.cid for chat in sim.google.world.chats.of("alice") if chat.cid != own)
    await command(gate, tmp_path, "history", "delete", made, "--yes")
    assert [chat.cid for chat in sim.google.world.chats.of("alice")] == [own]


async def test_a_recording_is_written_down(sim: Simulator, gate: Served, tmp_path: Path) -> None:
    sim.google.reply("", "Good morning.")
    talk, target = str(tmp_path / "talk.wav"), str(tmp_path / "a.txt")
    Path(talk).write_bytes(wav(2.0))
    assert await command(gate, tmp_path, "transcribe", talk) == "Good morning.\n"
    told = json.loads(await command(gate, tmp_path, "transcribe", talk, "-o", target, "--language", "en", "--json"))
    assert (told["text"], told["language"], told["file"]) == ("Good morning.", "en", target)
    assert (tmp_path / "a.txt").read_text() == "Good morning.\n"
    told = json.loads(await command(gate, tmp_path, "transcribe", talk, "--translate", "--json"))
    assert told["task"] == "translate"
    await command(gate, tmp_path, "transcribe", str(tmp_path / "missing.wav"), code=2)
    (tmp_path / "no.wav").write_text("not a recording")
    assert "file" in await command(gate, tmp_path, "transcribe", str(tmp_path / "no.wav"), code=2)
    assert sim.record.generations == 3
