"""`gemgate init`, `service` and `completion` as a newcomer types them, with a home and a systemd of the test's own."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemgate import settings
from gemgate.cli import app, completion, service, settings_file
from gemgate.cli.service_files import Plan
from gemgate.cli.settings_file import Answers
from gemgate_simulator import BlockingSimulator
from tests.support import leaks

SCRIPT = Path(sys.executable).with_name("gemgate")
KEEPS = """#!/bin/sh
echo "$(basename "$0") $*" >> "$HOME/keeper.log"
[ ! -e "$HOME/keeper-fails" ] || { echo "no medium found" >&2; exit 1; }
"""


class Home:
    """A person's home, with a `systemctl`, a `journalctl` that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder / "tools"
        tools.mkdir()
        for name in ("systemctl", "journalctl"):
            (tools / name).write_text(KEEPS)
            (tools / name).chmod(0o755)
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": "",
            "COOKIE_KEY_FILE": str(folder / "cookie.key"),
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
        }
        self.unit = folder / ".config" / "systemd" / "user" / "gemgate.service"

    def types(self, *words: str, typed: str = "", status: int = 0, **env: str) -> Result:
        handlers, level = list(logging.root.handlers), logging.root.level
        try:
            with chdir(self.folder):
                done = CliRunner().invoke(app, list(words), input=typed, env={**self.environment, **env})
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        assert done.exit_code == status, (done.output, done.exception)
        assert not leaks.in_text(done.output)
        return done

    @property
    def asked(self) -> list[str]:
        """What the system's keeper was told."""
        log = self.folder / "keeper.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("SECURE_1PSID", "SECURE_1PSIDTS", "COOKIE_SOURCE", "DATA_DIR", "PROXY_URL", "API_KEY", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(completion, "running_shell", lambda: None)
    return Home(tmp_path)


@pytest.fixture
def sim() -> Iterator[BlockingSimulator]:
    with BlockingSimulator.spawn(("alice",)) as running:
        yield running


def test_nothing_is_asked_and_a_simulated_google_answers(home: Home) -> None:
    done = home.types("init", "--yes")
    file = home.folder / "gemgate.toml"
    assert tomllib.loads(file.read_text()) == {}
    assert file.stat().st_mode & 0o777 == 0o600
    assert "simulated Google" in done.stderr
    assert re.search(r"\b1\b.*\b3\b", done.stdout, re.DOTALL)
    assert "Missing: an account. gemgate accounts add" in done.stdout
    assert not (home.folder / "data" / "gemgate").exists()  # nobody's state was touched
    file.write_text("port = 9123\n")
    again = home.types("init", "--yes", "--no-answer")
    assert "stays as it is" in again.stderr
    assert file.read_text() == "port = 9123\n"


def test_five_answers_and_the_cookies_make_a_first_answer(home: Home, sim: BlockingSimulator) -> None:
    cookies = sim.google.cookies("alice")
    answers = ["paste", "y", "9001", sim.proxy_url, "temporary", "; ".join(f"{k}={v}" for k, v in cookies.items())]
    done = home.types("init", typed="\n".join(answers) + "\n", PROXY_CA_FILE=str(sim.ca_file))
    written = tomllib.loads((home.folder / "gemgate.toml").read_text())
    assert {name: written[name] for name in ("host", "port", "proxy_url", "history")} == {
        "host": "0.0.0.0",
        "port": 9001,
        "proxy_url": sim.proxy_url,
        "history": "temporary",
    }
    assert written["api_key"] != written["admin_key"]
    assert "has signed in" in done.stderr
    assert "3" in done.stdout
    assert written["api_key"] not in done.output
    assert not any(value in (home.folder / "gemgate.toml").read_text() for value in cookies.values())
    assert sim.record().generations == 1


def test_what_the_settings_refuse_is_asked_for_again(home: Home) -> None:
    done = home.types(
        "init", "--no-answer", typed="later\nn\n99999\n8101\nlocalhost:7890\nhttp://localhost:7890\nkeep\n"
    )
    assert "PORT" in done.stderr
    assert "PROXY_URL" in done.stderr
    written = tomllib.loads((home.folder / "gemgate.toml").read_text())
    assert written == {"port": 8101, "proxy_url": "http://localhost:7890"}


def test_an_answer_that_does_not_come_leaves_no_file(home: Home) -> None:
    assert "--yes" in home.types("init", typed="later\nn\n99999\n", status=2).stderr
    assert not (home.folder / "gemgate.toml").exists()


def test_what_the_environment_makes_wrong_leaves_no_file(home: Home) -> None:
    assert "HISTORY" in home.types("init", "--yes", status=2, HISTORY="never").stderr
    assert not (home.folder / "gemgate.toml").exists()


def test_a_user_without_a_home_is_told_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a number for a user that nobody has."""

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    lacking = {"XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "COOKIE_KEY_FILE": ""}
    assert "DATA_DIR" in home.types("settings", status=2, **lacking).stderr


ANSWERS = st.builds(
    Answers,
    account=st.sampled_from(["paste", "firefox", "chrome", "later"]),
    others=st.booleans(),
    port=st.integers(0, 65535),
    proxy_url=st.just("") | st.text(st.characters(exclude_categories=("Cs",)), max_size=20).map("http://".__add__),
    history=st.sampled_from(["keep", "temporary"]),
)


@given(answers=ANSWERS, language=st.sampled_from(["en", "zh"]))
def test_a_file_says_what_was_answered_and_no_more(answers: Answers, language: str) -> None:
    values = settings_file.chosen(answers, api_key="k" * 48, admin_key="a" * 48)
    text = settings_file.text(values, language)
    assert tomllib.loads(text) == values
    uncommented = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)
    defaults = tomllib.loads(uncommented)
    assert set(defaults) == {name for _, names in settings_file.OFFERED for name in names} >= set(values)
    made = settings.explicit(**{name: value for name, value in defaults.items() if name not in values and value != ""})
    fresh = settings.explicit()
    assert all(getattr(made, name) == getattr(fresh, name) for name in defaults if name not in values)


def test_a_service_is_installed_looked_at_and_taken_away(home: Home) -> None:
    (home.folder / "gemgate.toml").write_text("port = 9002\n")
    shown = home.types("service", "install", "--print").stdout
    assert not home.unit.exists()
    assert not home.asked
    home.types("service", "install")
    text = home.unit.read_text()
    assert text in shown
    assert f'--config "{home.folder / "gemgate.toml"}"' in text
    assert str(SCRIPT) in text
    home.types("service", "restart")
    home.types("service", "status")
    home.types("service", "logs", "-n", "5", "--follow")
    home.types("service", "uninstall")
    assert not home.unit.exists()
    assert home.asked == [
        "systemctl --user daemon-reload",
        "systemctl --user enable gemgate",
        "systemctl --user restart gemgate",
        "systemctl --user restart gemgate",
        "systemctl --user status --no-pager gemgate",
        "journalctl --user-unit gemgate --lines 5 --follow",
        "systemctl --user disable --now gemgate",
        "systemctl --user daemon-reload",
    ]


@pytest.mark.parametrize("words", [("restart",), ("status",), ("logs", "-f"), ("uninstall",)], ids=" ".join)
def test_what_is_not_installed_is_said_in_our_words(home: Home, words: tuple[str, ...]) -> None:
    """Asked all the same, a system without a session of the user answers with a bus and a medium."""
    assert "not installed" in home.types("service", *words, status=1).stderr
    assert not home.asked
    system = home.types("service", *words, "--system", status=1, LC_ALL="zh_CN.UTF-8").stderr
    assert "尚未安装" in system
    assert "gemgate service install --system" in system


def test_a_service_that_could_not_run_is_not_installed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gemgate init" in home.types("service", "install", status=2).stderr
    (home.folder / "gemgate.toml").write_text("history = 'never'\n")
    assert "HISTORY" in home.types("service", "install", status=2).stderr
    (home.folder / "gemgate.toml").write_text("")
    (home.folder / "keeper-fails").touch()
    assert "no medium found" in home.types("service", "install", status=1).stderr
    assert not home.unit.exists()
    cached = (str(home.folder / "uv" / "archive-v0" / "x" / "bin" / "gemgate"),)
    monkeypatch.setattr(service, "program", lambda: cached)
    assert "uv tool install ." in home.types("service", "install", status=2).stderr
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo" in home.types("service", "install", "--system", status=1).stderr


def test_a_shell_that_has_no_session_is_told_the_ways_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after su or sudo: systemd's own words name a medium."""
    (home.folder / "gemgate.toml").write_text("")
    (home.folder / "keeper-fails").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert "--system" not in home.types("service", "install", status=1).stderr
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert "gemgate service install --system" in home.types("service", "install", status=1).stderr


def test_a_service_of_the_system_says_that_its_accounts_are_its_own(tmp_path: Path) -> None:
    config = tmp_path / "gemgate.toml"
    config.write_text("port = 9004\n")
    plan = Plan("systemd-system", ("/usr/bin/gemgate",), config, tmp_path, tmp_path / "log")
    assert "GEMGATE_URL=http://127.0.0.1:9004 gemgate accounts add" in service._advice(plan)


def test_where_a_service_of_the_system_does_not_see(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert service.hidden(Path("/home/ann/bin/gemgate")) == Path("/home")
    assert service.hidden(closed / "gemgate") in (closed, *closed.parents)
    assert service.hidden(Path("/usr/bin/gemgate")) is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_for_a_shell(home: Home, shell: str) -> None:
    done = home.types("completion", "install", shell)
    (place,) = re.findall(rf"{re.escape(str(home.folder))}[^;\s]*", done.stdout)
    assert "gemgate" in Path(place).read_text()
    assert home.types("completion", "show", shell).stdout.strip() == Path(place).read_text().strip()
    assert "tcsh" in home.types("completion", "install", "tcsh", status=2).stderr


def test_bash_completes_what_is_installed(home: Home) -> None:
    home.types("completion", "install", "bash")
    typed = (
        'source "$HOME/.bashrc"; complete -p gemgate >/dev/null || exit 3; '
        'COMP_WORDS=(gemgate ser); COMP_CWORD=1; _gemgate_completion gemgate; echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=(gemgate service uni); COMP_CWORD=2; _gemgate_completion gemgate; echo "${COMPREPLY[@]}"'
    )
    environment = {**home.environment, "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert {"serve", "service"} <= set(first.split())
    assert second.split() == ["uninstall"]


@pytest.mark.parametrize(("shell", "start"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_what_a_person_wrote_stays_to_the_byte(home: Home, shell: str, start: str) -> None:
    """The file may be a link to where settings are kept, and of any encoding; the line is added once."""
    kept = home.folder / "kept"
    kept.write_bytes("alias 你=ls # no newline here".encode("gbk"))
    (home.folder / start).symlink_to(kept)
    home.types("completion", "install", shell)
    once = kept.read_bytes()
    assert once.startswith("alias 你=ls # no newline here\n".encode("gbk"))
    assert once.count(b"\n") == 2
    home.types("completion", "install", shell)
    assert kept.read_bytes() == once
    assert (home.folder / start).is_symlink()
    assert b"zstyle" not in once


@pytest.mark.parametrize("shell", ["powershell", "pwsh"])
def test_powershell_is_told_its_line_and_left_as_it_is(home: Home, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a program was run"))
    assert "$PROFILE" in home.types("completion", "install", shell, status=1).stderr
    assert "Register-ArgumentCompleter" in home.types("completion", "show", shell).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_home_that_cannot_be_written_is_one_line(home: Home, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = home.folder / "file"
    nowhere.touch()
    monkeypatch.setattr(Path, "home", lambda: nowhere)
    assert "no completion for" in home.types("completion", "install", shell, status=1).stderr
    monkeypatch.setattr(completion, "running_shell", lambda: shell)
    done = home.types("init", "--yes", "--no-answer", DATA_DIR=str(home.folder / "d"))
    assert "no completion for" in done.stderr
    assert "Serve:" in done.stdout


def test_there_is_one_way_to_install_completion(home: Home) -> None:
    assert "--install-completion" not in home.types("--help").stdout


def test_a_terminal_without_our_characters_gets_escapes(home: Home) -> None:
    """So does a file on a system whose files are not in UTF-8."""
    environment = {**os.environ, **home.environment, "PYTHONIOENCODING": "ascii", "DATA_DIR": str(home.folder / "你")}
    done = subprocess.run([SCRIPT, "doctor"], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert r"\u2192" in done.stdout
