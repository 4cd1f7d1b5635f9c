"""Command-line agents at work on a real task with their own tools, without a terminal, in a clean home.

Each creates a file, edits it, runs a command that fails, goes on, and has a second turn in the same session. What it
sends is looked at and thrown away.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from gemgate.simulator import Simulator
from tests.agents.model import Worker
from tests.agents.programs import DAILY, DONE, FAILS, FIRST, GROWN, GROWS, OTHERS, SECOND, Program, environ
from tests.serving import served, settings_for

SECONDS = 150
"""Seconds one turn of an agent may take; they need 1 to 20."""

pytestmark = [pytest.mark.agents, pytest.mark.timeout(600)]


async def turn(command: tuple[str, ...], work: Path, variables: dict[str, str], words: str = "") -> str:
    """What one run of a program prints; it fails the test when it does not end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=work,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(words.encode())
    except TimeoutError:
        pytest.fail(f"{command[0]} did not end within {SECONDS} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


async def at_work(program: Program, folder: Path) -> None:
    """The whole task in two turns, and what must be true of it afterwards."""
    command = program.command()
    home, work, data = folder / "home", folder / "work", folder / "data"
    for made in (home, work, data):
        made.mkdir()
    worker = Worker(program.plan(work), tools=program.tools)
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("", worker)
        async with served(settings_for(simulator, data)) as gate:
            for path, text in program.files(gate.url).items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(text)
            variables = environ(program, home, gate.url)
            if setup := program.before(gate.url):
                await turn((*command, *setup), work, variables)
            if program.again:
                for arguments, prompt, last in ((program.first, FIRST, DONE), (program.again, SECOND, GROWS)):
                    filled = (prompt if argument == "{prompt}" else argument for argument in arguments)
                    said = await turn((*command, *filled), work, variables)
                    assert not worker.missing, worker.missing
                    assert last in said, said
            else:
                said = await turn((*command, *program.first), work, variables, f"{FIRST}\n{SECOND}\n")
                assert DONE in said, said
                assert GROWS in said, said
        record = simulator.record
    assert (work / "ledger.txt").read_text() == GROWN
    assert worker.at == len(worker.steps)
    if program.tools:
        assert any(FAILS.split()[-1] in result or "no such words" in result for result in worker.results)
    assert record.generations == record.received == worker.at + len(worker.aside)
    assert not record.violations
    # One chat for the whole session: only the first prompt tells everything.
    chats = worker.went_on.count(False)
    assert chats == 1 if program.rejoins else chats <= 2, worker.went_on
    if program.tools and program.rejoins:
        assert max(worker.sizes[1:]) < worker.sizes[0] / 4


@pytest.mark.parametrize("program", DAILY, ids=lambda program: program.name)
async def test_daily(program: Program, tmp_path: Path) -> None:
    await at_work(program, tmp_path)


@pytest.mark.parametrize("program", OTHERS, ids=lambda program: program.name)
async def test_others(program: Program, tmp_path: Path) -> None:
    await at_work(program, tmp_path)
