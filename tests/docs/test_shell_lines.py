"""Every line of a shell that a page shows, in both languages: curl's are typed at a gateway, those of the system in a
shell, those of gemgate by test_typed_commands.py, and the rest by the test that is named here.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from gemgate.settings import Settings
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for
from tests.support.shown_commands import FENCE, PAGES, ROOT, shell_lines

ADDRESS = "http://127.0.0.1:8100"
ADMIN = "an-admin-key-for-tests"
SHELL = {"", "openssl", "printf", "export", "du"}
"""Typed here as they stand; the empty one sets variables."""
ELSEWHERE = {
    "gemgate": "tests/docs/test_typed_commands.py",
    "uv": "tests/integration/test_release.py",
    "uvx": "tests/integration/test_release.py",
    "pipx": "tests/integration/test_release.py",
    ".venv/bin/python": "tests/simulation/__main__.py",
    **dict.fromkeys(("codex", "claude", "gemini", "qwen", "cline", "aider"), "tests/agents/programs.py"),
}
"""Programs that take more than a gateway, and the file that types or is what they run."""
READ_ONLY = {"make", "kubectl", "helm"}
"""Of these it is only looked at whether what they name is there."""
TOOLS = "docker docker-compose pip git npm npx cp cat systemctl journalctl loginctl pg_dump sudo wget crontab fly"
NAMES = {"curl", *SHELL, *ELSEWHERE, *READ_ONLY, *TOOLS.split()} - {""}


def program(line: str) -> str:
    """What a line runs: its first word that sets no variable."""
    words = re.sub(r"""(?:^|\s)[A-Z_]+=(?:"[^"]*"|'[^']*'|\$\([^)]*\)|\S*)+(?=\s|$)""", " ", line).split()
    return words[0] if words else ""


SHOWN = [page for page in PAGES if page.name not in ("api.md", "api.zh.md")]
"""All but those that test_examples.py types."""
LINES = {line: page.relative_to(ROOT).as_posix() for page in SHOWN for line in shell_lines(page.read_text("utf-8"))}
"""Each with the last page that shows it."""


def test_every_line_is_of_a_program_that_a_test_knows() -> None:
    known = {"curl", *SHELL, *ELSEWHERE, *READ_ONLY}
    assert not {line: page for line, page in LINES.items() if program(line) not in known}
    for name, test in ELSEWHERE.items():
        assert Path(name).name in (ROOT / test).read_text("utf-8"), f"{test} does not know {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_command_hides_in_a_block_of_another_kind(page: Path) -> None:
    for kind, code in FENCE.findall(page.read_text("utf-8")):
        if kind not in ("sh", "python", "javascript"):
            assert not [line for line in code.splitlines() if program(line) in NAMES and " " in line], kind


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_variable_is_set_in_vain(page: Path) -> None:
    """One that is not exported reaches no program of the lines below it."""
    for kind, code in FENCE.findall(page.read_text("utf-8")):
        lines = shell_lines(f"```sh\n{code}```") if kind == "sh" else []
        for number, line in enumerate(lines):
            below = lines[number + 1 :]
            if not program(line) and any(map(program, below)):
                name = line.partition("=")[0]
                assert any(f"${name}" in one for one in below), line


def test_pages_show_many() -> None:
    assert len(LINES) > 60
    assert sum(program(line) == "curl" for line in LINES) > 10
    assert {page.endswith(".zh.md") for page in LINES.values()} == {True, False}


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Served]:
    async with Simulator(accounts=("alice",)) as sim:
        async with served(settings_for(sim, tmp_path / "data", admin_key=ADMIN)) as running:
            yield running
        assert not sim.record.violations


async def typed(line: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", line),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "ADMIN_KEY": ADMIN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate()
    assert process.returncode == 0, (line, wrong.decode())
    return said.decode()


async def test_every_call_is_answered(gate: Served, tmp_path: Path) -> None:
    """In the order of the pages; BATCH is the one that was ordered last."""
    batch = ""
    for line in (line for line in LINES if program(line) == "curl"):
        asked = line.replace(ADDRESS, gate.url).replace("BATCH", batch)
        said = await typed(f"{asked} --fail-with-body --max-time 60", tmp_path)
        if "-o " not in line and "/events" not in line and "format=csv" not in line:
            told = json.loads(said)
            assert not told.get("error"), line
            batch = told.get("batch_id", batch)
    assert (tmp_path / "pictures.zip").read_bytes()[:2] == b"PK"


@pytest.mark.parametrize("line", [line for line in LINES if program(line) in SHELL and "gemgate" not in line], ids=str)
async def test_a_line_of_the_system_runs(line: str, tmp_path: Path) -> None:
    await typed(line, tmp_path)


def test_what_is_only_read_names_what_is_there() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    settings = {name.upper() for name in Settings.model_fields}
    for line, page in LINES.items():
        words = line.split()
        if program(line) == "make":
            assert words[1] in targets, line
        if program(line) == "kubectl":
            assert set(re.findall(r"--from-literal=(\w+)=", line)) <= settings, line
            for file in re.findall(r"-f (\S+)", line):
                assert [*yaml.safe_load_all(((ROOT / page).parent / file).read_text())], line
        if program(line) == "helm":
            chart = ROOT / words[3]
            values = yaml.safe_load((chart / "values.yaml").read_text())
            for path in re.findall(r"--set ([\w.]+)=", line):
                first, _, second = path.partition(".")
                assert second in values[first], line
