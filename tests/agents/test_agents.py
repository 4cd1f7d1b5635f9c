"""Command-line agents at work on a real task with their own tools, without a terminal, in a clean home.

Each creates a file, edits it, runs a command that fails, goes on, and has a second turn in the same session. What it
sends is looked at and thrown away.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gemgate_simulator import Painting, Simulator
from tests.agents import documented
from tests.agents.model import TASK, Call, Step, Worker
from tests.agents.programs import (
    CLAUDE,
    CODEX,
    DAILY,
    DONE,
    FAILS,
    FIRST,
    GEMINI,
    GROWN,
    GROWS,
    KEY,
    OTHERS,
    PLANTED,
    SECOND,
    Program,
    environ,
)
from tests.support.serving import served, settings_for

SECONDS = 150
"""Seconds one turn of an agent may take; they need 1 to 20."""

pytestmark = [pytest.mark.agents, pytest.mark.timeout(600)]


async def turn(
    command: tuple[str, ...], work: Path, variables: dict[str, str], words: str = "", *, fails: bool = False
) -> str:
    """What one run of a program prints; fails: whether it may end with another status than 0."""
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
    assert fails or process.returncode == 0, text
    return text


@dataclass(frozen=True, slots=True)
class Employed:
    """An agent that is ready to be told what to do."""

    program: Program
    command: tuple[str, ...]
    work: Path
    variables: dict[str, str]
    url: str
    simulator: Simulator

    async def told(self, arguments: Sequence[str], prompt: str, *, fails: bool = False) -> str:
        """What it prints when it is given `prompt`; fails: it may end with a failure."""
        filled = (prompt if argument == "{prompt}" else argument for argument in arguments)
        return await turn((*self.command, *filled), self.work, self.variables, fails=fails)


@asynccontextmanager
async def employed(program: Program, folder: Path, worker: Worker, **more: Any) -> AsyncIterator[Employed]:
    """A program in a clean home before a gateway over a simulated Google whose model is `worker`."""
    command = program.command()
    home, work = folder / "home", folder / "work"
    (folder / "data").mkdir()
    async with Simulator(accounts=("alice",)) as simulator:
        simulator.google.reply("", worker)
        async with served(settings_for(simulator, folder / "data", **more)) as gate:
            for path, text in program.files(gate.url).items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(text)
            variables = environ(program, home, gate.url)
            if setup := program.before(gate.url):
                await turn((*command, *setup), work, variables)
            yield Employed(program, command, work, variables, gate.url, simulator)


def folders(folder: Path) -> Path:
    """The folder that a program works in, and its home beside it."""
    (folder / "home").mkdir()
    work = folder / "work"
    work.mkdir()
    return work


async def at_work(program: Program, folder: Path) -> None:
    """The whole task in two turns, and what must be true of it afterwards."""
    work = folders(folder)
    worker = Worker(program.plan(work), tools=program.tools)
    async with employed(program, folder, worker) as agent:
        if program.again:
            for arguments, prompt, last in ((program.first, FIRST, DONE), (program.again, SECOND, GROWS)):
                said = await agent.told(arguments, prompt)
                assert not worker.missing, worker.missing
                assert last in said, said
        else:
            said = await turn((*agent.command, *program.first), work, agent.variables, f"{FIRST}\n{SECOND}\n")
            assert DONE in said, said
            assert GROWS in said, said
        record = agent.simulator.record
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


def slipping(steps: Sequence[Step], slip: str) -> tuple[Step, ...]:
    """The first turn of a plan, its first call spoilt: a field that the tool has not, or a tool that is not there."""
    first = steps[0]
    assert isinstance(first, tuple)
    call = first[0]
    turn_one = tuple(steps[: next(at for at, step in enumerate(steps) if isinstance(step, str)) + 1])
    if slip == "field":
        return ((Call(call.names, {**call.arguments, "because": "it was asked for"}),), *turn_one[1:])
    return ((Call(("dig_up_bed",), {"depth": 3}),), *turn_one)


@pytest.mark.parametrize("program", DAILY, ids=lambda program: program.name)
async def test_daily(program: Program, tmp_path: Path) -> None:
    await at_work(program, tmp_path)


@pytest.mark.parametrize("program", OTHERS, ids=lambda program: program.name)
async def test_others(program: Program, tmp_path: Path) -> None:
    await at_work(program, tmp_path)


@pytest.mark.parametrize("slip", ["field", "tool"])
@pytest.mark.parametrize("program", DAILY, ids=lambda program: program.name)
async def test_daily_outlives_a_wrong_call(program: Program, slip: str, tmp_path: Path) -> None:
    """A slip of the model costs at most the one generation that mends it, and the run goes on."""
    work = folders(tmp_path)
    worker = Worker(slipping(program.plan(work), slip), tools=program.tools)
    async with employed(program, tmp_path, worker) as agent:
        said = await agent.told(program.first, FIRST)
        record = agent.simulator.record
    assert DONE in said, said
    assert (work / "ledger.txt").read_text() == PLANTED.replace("beans 5", "beans 7")
    assert worker.at == len(worker.steps)
    assert record.generations == worker.at + len(worker.aside)


@pytest.mark.parametrize("program", DAILY, ids=lambda program: program.name)
async def test_daily_and_a_lost_answer(program: Program, tmp_path: Path) -> None:
    """An answer that Google lost is asked for once more at most, by the agent; it goes on, or says what happened."""
    work = folders(tmp_path)
    steps = program.plan(work)
    worker = Worker((steps[0], *steps[: steps.index(DONE) + 1]), tools=program.tools)
    async with employed(program, tmp_path, worker) as agent:
        agent.simulator.google.fault("generate", "close", after_frames=1, match=TASK, finished=False)
        said = await agent.told(program.first, FIRST, fails=True)
        record = agent.simulator.record
    assert record.generations <= worker.at + len(worker.aside)
    if worker.at == 1:
        assert "broke off" in said, said
    else:
        assert DONE in said, said
        assert (work / "ledger.txt").read_text() == PLANTED.replace("beans 5", "beans 7")


@pytest.mark.parametrize("program", [CODEX, CLAUDE, GEMINI], ids=lambda program: program.name)
async def test_daily_and_a_used_up_limit(program: Program, tmp_path: Path) -> None:
    """A limit that lasts an hour ends the run with words; OpenCode waits for that hour (docs/front-ends.md)."""
    worker = Worker(program.plan(folders(tmp_path)), tools=program.tools)
    async with employed(program, tmp_path, worker, rate_limit_per_hour=2) as agent:
        said = await agent.told(program.first, FIRST, fails=True)
        record = agent.simulator.record
    assert "limit" in said.lower() or "429" in said, said
    assert record.generations <= 2


ASKED = "Ask somebody else about the garden ledger, and have it painted."


def asking(prefix: str) -> tuple[Step, ...]:
    """Two tools of ours, which the agent shows its model only when they are looked for, and the last words."""
    return (
        (Call(("ToolSearch",), {"query": f"select:{prefix}ask,{prefix}make_image"}),),
        (Call((f"{prefix}ask",), {"prompt": "What is a bed of beans?"}),),
        (Call((f"{prefix}make_image",), {"prompt": "A bed of beans"}),),
        DONE,
    )


def heard(worker: Worker, simulator: Simulator) -> None:
    """Both tools answered the agent, each with one generation, and the agent told the model what they said."""
    assert not worker.missing, worker.missing
    assert worker.at == len(worker.steps)
    assert any(result.startswith("Garden") for result in worker.results), worker.results
    assert any("/images/" in result for result in worker.results), worker.results
    record = simulator.record  # the answer to `ask` is one of `aside`, the picture is one more
    assert record.generations == record.received == worker.at + len(worker.aside) + 1
    assert not record.violations


@pytest.mark.parametrize("way", ["http", "stdio"])
async def test_daily_uses_our_tools(way: str, tmp_path: Path) -> None:
    """An agent that is told of our tools as docs/mcp.md says uses them, beside its model from the same gateway."""
    folders(tmp_path)
    worker = Worker(asking("mcp__gemgate__"))
    async with employed(CLAUDE, tmp_path, worker) as agent:
        agent.simulator.google.reply(
            "A bed of beans", "Here it is.", image=Painting("gradient", size=(64, 48)), times=1
        )
        servers = json.loads(documented.fenced("mcp.md", "json", 0 if way == "stdio" else 1, agent.url, KEY))
        if way == "stdio":
            servers["mcpServers"]["gemgate"]["command"] = str(Path(sys.executable).with_name("gemgate"))
        said = await agent.told(("{prompt}", "--strict-mcp-config", "--mcp-config", json.dumps(servers)), ASKED)
        assert DONE in said, said
        heard(worker, agent.simulator)
