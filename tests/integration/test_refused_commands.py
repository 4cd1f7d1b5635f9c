"""A command that is refused at once: one exit code and one object for scripts, whatever it was to make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gemgate.cli import app
from gemgate.cli.terminal import NEEDS_PERSON
from gemgate_simulator import Simulator
from tests.support.serving import Served, served, settings_for

MAKING = ["video fox", "music fox", "research fox", "image fox --wait", "batch run prompts.txt", "transcribe fox.mp3"]
LOOKING = ["models", "image fox"]
"""Of those that use the accounts of the settings beside a gateway."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a fox\n")
    (tmp_path / "fox.mp3").write_bytes(b"ID3" + bytes(2000))
    return tmp_path


@pytest.fixture
async def paused(tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway whose only account was paused by hand."""
    async with (
        Simulator(accounts=("alice",)) as simulator,
        served(settings_for(simulator, tmp_path / "gate")) as gate,
    ):
        gate.service.pool.accounts[0].pause(True)
        yield gate
        assert simulator.record.generations == 0


def typed(line: str, folder: Path, **more: str) -> Result:
    env = {"DATA_DIR": str(folder / "data"), "COOKIE_KEY_FILE": str(folder / "cookie.key"), "LANG": "C.UTF-8"}
    return CliRunner().invoke(app, line.split(), env={**env, "LC_ALL": "C.UTF-8", **more})


def check(done: Result, scripts: bool) -> None:
    assert done.exit_code == NEEDS_PERSON, done.output
    assert done.stderr.count("error:") == 1, done.stderr
    if not scripts:
        assert not done.stdout
        return
    told = json.loads(done.stdout)
    assert told["needs_person"] is True
    assert told["waiting_for"] == told["error"]["message"]
    assert told["error"]["code"]


@pytest.mark.parametrize("scripts", [False, True], ids=["people", "scripts"])
@pytest.mark.parametrize("line", [*MAKING, *LOOKING])
def test_without_an_account(line: str, scripts: bool, folder: Path) -> None:
    check(typed(line + " --json" * scripts, folder), scripts)


@pytest.mark.parametrize("line", [one for one in MAKING if not one.startswith(("batch", "image"))])
async def test_by_a_gateway_whose_accounts_are_paused(line: str, paused: Served, folder: Path) -> None:
    done = await asyncio.to_thread(typed, f"{line} --json --url {paused.url}", folder)
    check(done, True)


def test_what_is_wrong_beside_that_is_told_to_scripts_too(folder: Path) -> None:
    done = typed("jobs list --json --url http://127.0.0.1:9", folder)
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"error": {"code": None, "message": done.stderr.strip().removeprefix("error: ")}}
    done = typed("transcribe gone.mp3 --json", folder)
    assert done.exit_code == 2
    assert "gone.mp3" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(
    "line", ["jobs show --json", "image x --size 9k --json", "jobs list one --json", "image --json"]
)
@pytest.mark.parametrize("tongue", ["C.UTF-8", "zh_CN.UTF-8"])
def test_words_that_no_option_understands_are_told_to_scripts_too(line: str, tongue: str, folder: Path) -> None:
    done = typed(line, folder, LC_ALL=tongue)
    assert done.exit_code == 2
    message = json.loads(done.stdout)["error"]["message"]
    assert message
    assert message.isascii() == (tongue == "C.UTF-8")


async def test_a_name_that_is_not_there_is_typed_wrongly(paused: Served, folder: Path) -> None:
    """Exit code 2, as for a file that is not there."""
    for line in ("jobs show nope", "batch show nope", "chat -m nope hi"):
        done = await asyncio.to_thread(typed, f"{line} --url {paused.url}", folder)
        assert (done.exit_code, "nope" in done.stderr) == (2, True), line


@pytest.mark.parametrize("line", ["models", "image fox", "chat fox"])
async def test_with_cookies_that_are_dead(line: str, folder: Path) -> None:
    async with Simulator(accounts=("alice",)) as simulator:
        dead = simulator.google.sign_in("alice")
        simulator.google.expire("alice")
        env = {
            "SECURE_1PSID": dead["__Secure-1PSID"],
            "SECURE_1PSIDTS": dead["__Secure-1PSIDTS"],
            "PROXY_URL": simulator.proxy_url,
            "PROXY_CA_FILE": str(simulator.ca_file),
        }
        scripts = not line.startswith("chat")
        done = await asyncio.to_thread(typed, line + " --json" * scripts, folder, **env)
    check(done, scripts)
