"""Every command in a Chinese terminal, against a gateway that runs and without one: no sentence of ours is English."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gemgate.cli import app
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
ENGLISH_BY_NATURE = re.compile(
    r"You said: .*|All-round help|Advanced reasoning, mathematics and code|Fastest answers|`[^`]*`|'[^']*'"
    r"|gemgate [\w =.-]+|openssl rand|Deep Research"
)
"""What Google says, what was typed, and what there is to type."""


async def typed(words: str, folder: Path, url: str = "") -> Result:
    """What a command says where Chinese is spoken."""
    env = {"LC_ALL": "zh_CN.UTF-8", "COLUMNS": "200", "HOME": str(folder), "DATA_DIR": str(folder / "own")}
    env |= {"COOKIE_KEY_FILE": str(folder / "cookie.key"), "GEMGATE_URL": url or None, "XDG_CONFIG_HOME": str(folder)}  # type: ignore[dict-item]
    return await asyncio.to_thread(CliRunner().invoke, app, words.split(), env=env)


def chinese_only(done: Result, words: str) -> None:
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    assert not SENTENCE.search(ENGLISH_BY_NATURE.sub("", done.output)), (words, done.output)
    assert "Traceback" not in done.output


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Served]:
    async with Simulator(accounts=("alice",)) as simulator:
        settings = settings_for(simulator, tmp_path / "gate", rate_limit_per_hour=0)
        async with served(settings) as running:
            yield running


AT_A_GATEWAY = """
accounts list | accounts show default | accounts test | accounts pause default | accounts resume default
accounts reset default --capability text | accounts refresh default | accounts who banana | accounts pair bob
accounts lab | accounts lab run --arm rotated=nofile | accounts remove bob | accounts remove bob --yes
accounts show nobody | accounts measure nobody | accounts add x --cookies nofile
models | chat hello | image fox -o out | image fox --size 9k | edit no.png night | image fox --async | music waltz
batch run prompts.txt -o out | batch run nothing.txt | batch list | batch show nope | batch fetch nope
batch pause nope | batch cancel nope | jobs list | jobs list --kind banana | jobs show nope | jobs watch nope
jobs retry nope | usage | usage --by key,model,account | usage --by banana | usage --from yesterday
history list | history show c_1 | history delete c_1 | history rename c_1 x | history export --cursor x
transcribe no.mp3
"""
ALONE = """
accounts list | accounts test | accounts rekey | accounts lab | accounts lab run
accounts list --url http://127.0.0.1:1 | accounts list --url :::: | jobs list --url http://127.0.0.1:1
chat hello | models | image fox | music waltz | video fox | research foxes | batch run prompts.txt | history list
clean no.png | clean . | logo calibrate no.png | usage | jobs list | settings --changed | settings | doctor
canary | canary nobody | nodes list | nodes drain n | worker | gateway | backup /nowhere/x | backup out.zip
restore prompts.txt | import nofile | migrate --from nofile | completion show banana | serve --port 99999
serve --host 1.2.3.4 | serve --config nofile | history export --format banana | image x -n 99 | banana
"""


def listed(table: str) -> list[str]:
    return [words.strip() for line in table.strip().splitlines() for words in line.split("|")]


async def test_at_a_gateway(gate: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text("a cat\n")
    for words in listed(AT_A_GATEWAY):
        chinese_only(await typed(words, tmp_path, gate.url), words)


async def test_without_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text("a cat\n")
    for words in listed(ALONE):
        done = await typed(words, tmp_path)
        chinese_only(done, words)
        assert done.exit_code in (0, 1, 2, 3), words
