"""`chat`, `models`, `image` and `edit` at a gateway that GEMGATE_URL names: this machine needs no account for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gemgate.cli import app
from gemgate_simulator import Simulator
from tests.support.serving import Served

Typed = Callable[..., Awaitable[Result]]


@pytest.fixture
def typed(gate: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gemgate.telemetry.set_up_logging", lambda *_: None)
    here = {"DATA_DIR": str(tmp_path / "elsewhere"), "GEMGATE_URL": gate.url, "COLUMNS": "200", "LC_ALL": "C.UTF-8"}

    async def run(*arguments: str, said: str = "", **environment: str) -> Result:
        env = {**here, **environment}
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=said, env=env))

    return run


async def test_a_chat_goes_on_at_the_gateway(typed: Typed, sim: Simulator) -> None:
    assert (await typed("chat", "Say hello")).stdout == "hello\n"
    done = await typed("chat", "-m", "gemini-3.0-pro", said="first\n\nsecond\n")
    assert (done.exit_code, done.stdout) == (0, "You said: first\nYou said: second\n")
    assert sim.google.record.generations == 3


async def test_its_errors_are_one_line(typed: Typed) -> None:
    done = await typed("chat", "-m", "nope", "hi")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "The model 'nope' does not exist here" in done.stderr
    away = await typed("chat", "hi", GEMGATE_URL="http://127.0.0.1:1")
    assert (away.exit_code, away.stderr) == (
        1,
        "error: http://127.0.0.1:1 does not answer: Connection refused\n",
    )


async def test_an_error_of_google_ends_the_chat(typed: Typed, sim: Simulator) -> None:
    sim.google.fault("generate", "code", code=1037, times=-1)
    done = await typed("chat", "hi")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")


async def test_models_are_those_of_the_gateway(typed: Typed) -> None:
    rows = json.loads((await typed("models", "--json")).stdout)
    assert {"gemini-3-flash-preview", "gemini-3.0-pro"} <= {row["id"] for row in rows}
    assert "gemini-3-flash-preview" in (await typed("models")).stdout


async def test_pictures_are_made_there_and_written_here(typed: Typed, tmp_path: Path) -> None:
    made = await typed("image", "a red fox", "-o", "foxes")
    assert made.exit_code == 0, made.output
    (fox,) = (tmp_path / "foxes").iterdir()
    edited = await typed("edit", str(fox), "make it night", "-o", "night")
    assert edited.exit_code == 0, edited.output
    assert len(list((tmp_path / "night").iterdir())) == 1
    alone = await typed("image", "a fox", "--key", "x", GEMGATE_URL="")
    assert (alone.exit_code, "--url" in alone.stderr) == (2, True)
