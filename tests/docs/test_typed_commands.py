"""Every command of ours that a page tells to type is typed: at a gateway that runs here, or by another test."""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from gemgate.assembly.fleet import Registry
from gemgate.cli import app, completion
from gemgate.imaging import Profile
from gemgate.imaging.logo import draw
from gemgate.nodes import NodeCard, NodeReport
from gemgate_simulator import BlockingSimulator, Simulator
from tests.support.image_files import png
from tests.support.image_kinds import KINDS, paint
from tests.support.kept_chats import kept
from tests.support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.support.serving import NO_LIMITS, Served, served, settings_for
from tests.support.shown_commands import Words, shown

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "worker --fleet": "tests/support/fleets.py",
    "gateway --fleet": "tests/support/fleets.py",
    "migrate --from sqlite": "tests/integration/test_migrate.py",
    "migrate --from sqlite --pictures": "tests/integration/test_migrate.py",
    "serve": "tests/integration/test_account_commands.py",
    "demo": "tests/docs/test_readme.py",
    "init": "tests/integration/test_first_steps.py",
    "service restart": "tests/integration/test_first_steps.py",
    "mcp": "tests/integration/sdk/test_mcp.py",
    "accounts lab run --demo": "tests/integration/test_laboratory.py",
    "accounts lab run --arm firefox=work --arm rotated=alice.txt --arm frozen=bob.txt --hours 72": (
        "tests/integration/test_laboratory.py"
    ),
}
"""What takes processes, a database or hours of its own, word by word, and the test that types the like of it."""
ALONE = (
    "--help",
    "models",
    "settings",
    "completion",
    "init",
    "service",
    "import",
    "music",
    "logo",
    "clean",
    "backup",
    "restore",
)
"""What is typed in a folder, with no gateway running."""
AT_A_GATEWAY = ("history", "usage", "doctor", "batch", "accounts")
"""What is typed at a gateway here, in this order: an account is removed at the end."""
OWN, OWNERS = "c_19f27c205b1e8d1e", "c_60bfcf0a7d31e2b4"
"""Chats as the page on them shows them: one that this gateway has made, and one of the owner's."""


def left(first: str) -> list[Words]:
    """The commands of that name that are typed here, in the order of the pages."""
    typed = [words for words, whole in shown() if whole and words[:1] == (first,)]
    return [words for words in typed if shlex.join(words) not in ELSEWHERE]


def test_every_command_is_typed_somewhere() -> None:
    told = {shlex.join(words): words for words, whole in shown() if whole}
    for line, test in ELSEWHERE.items():
        assert line in told, f"no page shows gemgate {line}"
        first = next(word for word in told[line] if not word.startswith("-"))
        text = (ROOT / test).read_text("utf-8")
        assert re.search(rf"""["']{first}["'][],]""", text), f"{test} types no {first}"
    here = {words for first in (*ALONE, *AT_A_GATEWAY, "nodes") for words in left(first)}
    assert not {line: words for line, words in told.items() if words not in here and line not in ELSEWHERE}


async def typed(words: Words, **env: str) -> str:
    """What a command prints that must succeed."""
    handlers, level = list(logging.root.handlers), logging.root.level
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*words], env=env)
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    assert done.exit_code == 0, (words, done.output, done.exception)
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


async def test_at_a_gateway_that_runs(
    sim: Simulator, gate: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a red boat\n")
    env = {"GEMGATE_URL": gate.url, "DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path), "COLUMNS": "200"}
    env |= {"PROXY_URL": sim.proxy_url, "PROXY_CA_FILE": str(sim.ca_file), "LC_ALL": "C.UTF-8"}
    cookies = sim.google.cookies("alice")
    env |= {"SECURE_1PSID": cookies["__Secure-1PSID"], "SECURE_1PSIDTS": cookies["__Secure-1PSIDTS"]}
    env |= {"COOKIE_KEYS": str(NO_LIMITS["cookie_keys"])}
    theirs = kept(sim, "Tides of the sea")
    async with aiohttp.ClientSession(gate.url) as http:
        body = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "hello"}]}
        async with http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
    (ours,) = (chat.cid for chat in sim.google.world.chats.of("alice") if chat.cid != theirs)
    real = {OWN: ours, OWNERS: theirs, "alice": "default", "NAME": "default"}
    said = {}
    for first in AT_A_GATEWAY:
        for words in left(first):
            sure = ("--yes",) if words[1:2] in (("delete",), ("remove",)) else ()  # a terminal would be asked
            said[words] = await typed((*(real.get(word, word) for word in words), *sure), **env)
    assert theirs in said["history", "search", "tides"]
    assert [chat.cid for chat in sim.google.world.chats.of("alice")] == [theirs]
    assert (tmp_path / "chats.jsonl").read_text().count("\n") == 2
    assert len([*(tmp_path / "chats").rglob("*.md")]) == 2
    assert sim.record.generations == 2, "a chat and a picture: a plan orders nothing"
    assert len([*(tmp_path / "out").glob("*.png")]) == 1
    assert not gate.service.pool.accounts, "the last one is removed"


async def test_without_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds what the page speaks of: files of the reader's, and an account whose cookies are in the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(completion, "running_shell", lambda: None)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    logo = Profile("moved", 64, 70, 41, 0.5)
    for number, kind in enumerate([one for one in KINDS if one not in {"sparkle", "near_white"}][:10]):
        (pictures / f"{number}.png").write_bytes(png(draw(paint(kind, 90 + number), logo), filters=(1,)))
    said: dict[Words, str] = {}
    with BlockingSimulator.spawn(("alice", "bob")) as sim:
        sim.google.music(looks=0, seconds=2.0)
        mine, theirs = sim.google.cookies("alice"), sim.google.cookies("bob")
        (tmp_path / "config.yaml").write_text(
            f"gemini:\n  clients:\n    - id: bob\n      secure_1psid: {theirs['__Secure-1PSID']}\n"
            f"      secure_1psidts: {theirs['__Secure-1PSIDTS']}\n"
        )
        env = {"HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200", "LC_ALL": "C.UTF-8"}
        env |= {"PROXY_URL": sim.proxy_url, "PROXY_CA_FILE": str(sim.ca_file), "XDG_CONFIG_HOME": ""}
        env |= {"SECURE_1PSID": mine["__Secure-1PSID"], "SECURE_1PSIDTS": mine["__Secure-1PSIDTS"]}
        for first in ALONE:
            for words in left(first):
                again = ("--replace",) if first == "restore" else ()  # what was backed up is still there
                said[words] = await typed((*words, *again), **env)
        assert not sim.record().violations
    assert {words[0] for words in said} == set(ALONE)
    assert (tmp_path / "logo.json").exists()
    assert len([*(tmp_path / "cleaned").iterdir()]) == len([*pictures.iterdir()]) == 10
    assert "signed in" in said["import", "config.yaml", "--apply"]
    assert all((tmp_path / name).stat().st_size for name in ("waltz.mp3", "ann.mp4", "gemgate.zip", "apart.key"))


async def test_at_the_registry_of_a_fleet(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    """docs/fleet.md: worker9 is gone, and forgotten."""
    registry = Registry(postgres_url)
    try:
        nodes = await registry.connect()
        for number, status in ((2, "HEALTHY"), (9, "OFFLINE")):
            card = NodeCard(f"http://127.0.0.1:{number}", f"worker{number}", proof="x")
            await nodes.announce(card, NodeReport(status))  # type: ignore[arg-type]
        seen = {}
        for words in left("nodes"):
            said = await typed(words, DATABASE_URL=postgres_url, DATA_DIR=str(tmp_path), HOME=str(tmp_path))
            seen[words[1]] = [(one.card.worker_id, one.draining, one.weight) for one in await nodes.nodes()], said
        assert "worker9" in seen["list"][1]
        assert seen["drain"][0][0] == ("worker2", True, 1.0)
        assert seen["resume"][0][0] == ("worker2", False, 1.0)
        assert seen["remove"][0] == [("worker2", False, 0.5)]
    finally:
        await registry.close()
