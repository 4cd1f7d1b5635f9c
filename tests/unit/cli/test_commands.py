"""The table of commands says what the commands say, and listing them costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gemgate.cli import COMMANDS, app, command
from gemgate.cli.terminal import counted


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


@pytest.mark.parametrize("words", [("image", "a fox"), ("edit", "{file}", "blue"), ("batch", "run", "{file}")])
@pytest.mark.parametrize("shape", ["99:1", "wide", "0:1"])
def test_a_shape_that_no_picture_has_is_refused_before_anything_is_opened(
    words: tuple[str, ...], shape: str, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a fox\n")
    env = {"DATA_DIR": str(tmp_path / "data"), "GEMGATE_URL": "", "COLUMNS": "400"}
    typed = [*(word.format(file=file) for word in words), "--aspect", shape]
    result = CliRunner().invoke(app, typed, env=env)
    assert result.exit_code == 2
    assert "--aspect must be a shape such as 1:1" in result.output
    assert not (tmp_path / "data").exists()


def test_settings_say_what_is_in_force_where_nothing_is_set(tmp_path: Path) -> None:
    env = {"DATA_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "etc"), "STORAGE": "", "COOKIE_KEYS": ""}
    told = {name: row["value"] for name, row in json.loads(_settings(env)).items()}
    assert told["COOKIE_KEY_FILE"] == str(tmp_path / "etc" / "gemgate" / "cookie.key")
    assert told["ACCOUNTS_FILE"] == str(tmp_path / "accounts.toml")
    assert told["STORAGE"] == "folder"
    assert told["PROMPT_MAX_BYTES"] == "120000"
    assert told["COOLDOWN_ADDRESS_SECONDS"] == "7200"
    told = {name: row["value"] for name, row in json.loads(_settings({**env, "PROMPT_MAX_BYTES": "0"})).items()}
    assert told["PROMPT_MAX_BYTES"] == "0"
    (tmp_path / "facts.toml").write_text("[address]\ncalls_per_minute = 5\n")
    told = {
        name: row["value"]
        for name, row in json.loads(_settings({**env, "WIRE_FACTS": f"{tmp_path}/facts.toml"})).items()
    }
    assert told["ADDRESS_RPM_LIMIT"] == "5"


def _settings(env: dict[str, str]) -> str:
    result = CliRunner().invoke(app, ["settings", "--json"], env=env)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("number", "told"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_number_has_its_noun(number: int, told: str) -> None:
    assert counted(number, "file", "files") == told


@pytest.mark.parametrize("name", ["chat", "models", "image", "edit"])
@pytest.mark.parametrize(
    ("language", "said"),
    [("C.UTF-8", "also while a gateway runs on this machine"), ("zh_CN.UTF-8", "即使本机有网关在运行")],
)
def test_what_goes_beside_a_gateway_that_runs_says_so(name: str, language: str, said: str) -> None:
    line = [sys.executable, "-m", "gemgate", name, "--help"]
    env = {**os.environ, "LC_ALL": language, "COLUMNS": "300", "GEMGATE_URL": ""}
    assert said in subprocess.run(line, capture_output=True, text=True, check=True, env=env, encoding="utf-8").stdout


@pytest.mark.parametrize("wish", [("--key", "k"), ("--patience", "5")])
def test_a_picture_that_is_made_here_takes_no_wish_of_a_job(wish: tuple[str, str], tmp_path: Path) -> None:
    env = {"DATA_DIR": str(tmp_path / "data"), "GEMGATE_URL": "", "COLUMNS": "400"}
    result = CliRunner().invoke(app, ["image", "a fox", *wish], env=env)
    assert result.exit_code == 2
    assert f"{wish[0]} goes with --url" in result.output
    assert not (tmp_path / "data").exists()
