"""The table of commands says what the commands say, and listing them costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gemgate.cli import COMMANDS, app, command


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_lines_of_its_own_help(name: str) -> None:
    assert " ".join(command(name).help.partition("\n\n")[0].split()) == COMMANDS[name][1]


def test_a_command_that_does_not_exist_is_answered_with_what_is_like_it() -> None:
    result = CliRunner().invoke(app, ["serv"])
    assert result.exit_code == 2
    assert "Did you mean" in result.output
    assert "'serve'" in result.output


def test_a_command_that_is_called_is_the_real_one() -> None:
    result = CliRunner().invoke(app, ["nodes", "drain", "--help"])
    assert result.exit_code == 0
    assert "GEMINI_WORKER_ID" in result.output


def test_the_list_needs_nothing_of_what_the_commands_need() -> None:
    code = (
        "import sys; from gemgate.cli import app; app(['--help'], standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'gemini_webapi', 'numpy', 'gemgate.settings'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)
