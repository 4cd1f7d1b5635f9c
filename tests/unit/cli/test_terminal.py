"""Text from outside on the terminal: brackets are no markup, escape sequences do not get there (docs/threats.md)."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.columns import Columns
from rich.panel import Panel
from rich.progress import TextColumn
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from gemgate import cli
from gemgate.cli import (
    accounts,
    backup,
    batch_watch,
    canary,
    chat,
    clean,
    console,
    doctor,
    fleet,
    images,
    jobs,
    terminal,
)
from gemgate.errors import LocalText, Unreachable
from gemgate.upstreams.web import canary as probes

HOSTILE = "a[/b]\x1b]52;c;ZXZpbA==\x07[red]\x1b[2J\x9b31m[link=x]\u202ez\udcff"
SAFE = "a[/b]]52;c;ZXZpbA==[red][2J31m[link=x]z\ufffd"
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


NOT_SAID = (
    ("accounts", "add"),
    ("accounts", "list"),
    ("nodes", "list"),
    ("nodes", "remove"),
    ("image", "a fox"),
)
"""Commands that fail here before they say it."""


def run(*words: str, folder: Path) -> str:
    """Everything that a command prints."""
    env = {"DATA_DIR": str(folder / "data"), "COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb", "PORT": "1"}
    result = CliRunner().invoke(cli.app, list(words), env={**env, "GEMGATE_URL": ""})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    return result.output


@pytest.mark.parametrize(
    "words",
    [
        ("batch", "run", "{}"),
        ("batch", "run", "{}.jsonl"),
        ("batch", "show", "x", "--url", "http://a[/b]{}"),
        ("batch", "list", "--config", "{}"),
        ("chat", "hello", "--config", "{}"),
        ("models", "--config", "{}"),
        ("edit", "{}", "make it blue"),
        ("image", "a fox", "--size", "{}"),
        ("accounts", "add", "{}"),
        ("accounts", "add", "x", "--cookies", "{}"),
        ("accounts", "list", "--url", "http://127.0.0.1:1/{}"),
        ("nodes", "list", "--config", "{}"),
        ("nodes", "remove", "{}"),
        ("settings", "--config", "{}"),
        ("doctor", "--config", "{}"),
        ("backup", "{}/x.zip"),
        ("clean", "--profiles", "{}", "."),
        ("clean", "{}"),
    ],
)  # fmt: skip
def test_what_was_typed_is_said_as_it_was(words: tuple[str, ...], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(*(word.format("a[/b][red]x") for word in words), folder=tmp_path)
    assert "Traceback" not in said
    assert "a[/b][red]x" in said.replace("\n", "") or words[:2] in NOT_SAID, said


def test_a_refusal_of_accounts_toml_keeps_its_brackets(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "accounts.toml").write_text('[[acount]]\nname = "x"\n')
    assert "[[account]]" in run("doctor", folder=tmp_path)


def _facts(**more: Any) -> dict[str, Any]:
    return {
        "name": HOSTILE, "state": HOSTILE, "why": HOSTILE, "seconds_left": 0, "cooldowns": [], "last_error": HOSTILE,
        "notice": HOSTILE,
        **more,
    }  # fmt: skip


def _job() -> None:
    failed = {"task_id": "task_0", "error": HOSTILE, "retryable": True}
    counts = dict.fromkeys(("total", "completed", "failed", "running", "pending", "cancelled"), 1)
    words = dict.fromkeys(("id", "kind", "status", "waiting_for", "model", "created_at"), HOSTILE)
    cost = {"seconds": 1.0, "prompts_sent": 1}
    wrong = {"line": 1, "message": HOSTILE}
    job = {**words, **counts, **cost, "errors": [failed], "input_errors": [wrong]}
    jobs.shown(job, as_json=False)
    jobs.listed({"data": [job], "total": 2}, "", as_json=False)


def _more() -> None:
    console.out.print(batch_watch._more({"failed": 1, "waiting_for": HOSTILE}))


def _images() -> None:
    images._show([(None, Unreachable(HOSTILE, HOSTILE))])


def _cleaned() -> None:
    row = SimpleNamespace(logo="kept", file=HOSTILE, profile="", evidence=0.0, left=0.0, output=HOSTILE, note=HOSTILE)
    clean._tell_rows([row], [])  # type: ignore[list-item]


def _canary() -> None:
    finding = SimpleNamespace(
        verdict="changed", fact=HOSTILE, section="1", seen=HOSTILE, believed=HOSTILE, disputed=False
    )
    canary._show([finding], probes.Watch())  # type: ignore[list-item]


def _account() -> None:
    accounts._report(_facts(), as_json=False)


def _notes() -> None:
    for line in accounts._details(_facts(why="")):
        console.out.print(line)


def _doctor() -> None:
    line = console.marked(doctor._MARK["fail"][0] + " {}: {}", HOSTILE, HOSTILE)
    console.out.print(line)


def _fleet() -> None:
    fleet._warn([LocalText.of(HOSTILE)])


def _failure() -> None:
    with pytest.raises(terminal.typer.Exit):
        terminal.fail(HOSTILE)


def _thoughts() -> None:
    console.err.print(HOSTILE, style="dim", end="", highlight=False)


def _piece() -> None:
    chat._show(HOSTILE, False, thoughts=False)


def _parts() -> None:
    """What is no string when it is printed."""
    console.out.print(Text(HOSTILE), Panel(HOSTILE), Columns([HOSTILE]), [HOSTILE], ValueError(HOSTILE))


def _table() -> None:
    table = Table(title=HOSTILE)
    table.add_column(Text(HOSTILE))
    table.add_row(Text(HOSTILE))
    console.out.print(table)


@pytest.mark.parametrize(
    "show",
    [_job, _more, _images, _cleaned, _canary, _account, _notes, _doctor, _fleet, _failure, _thoughts, _piece, _parts,
     _table],
)  # fmt: skip
def test_nothing_from_outside_reaches_the_terminal_as_an_order(
    show: Callable[[], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "_width", 900)
    monkeypatch.setattr(console.err, "_width", 900)
    show()
    told = "".join(capsys.readouterr())
    assert SAFE in told, told
    assert not OBEYED.search(told)


def test_a_bar_obeys_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of a gateway's stand beside bars; what is told while one is shown goes over it."""
    told = io.StringIO()
    shown_on = console.Terminal(stderr=True)
    monkeypatch.setattr(shown_on, "_force_terminal", True)
    monkeypatch.setattr(shown_on, "_width", 900)
    monkeypatch.setattr(shown_on, "_file", told)
    monkeypatch.setattr(console, "err", shown_on)
    with console.progress(TextColumn("{task.description}"), console.MoreColumn(), stays=True) as shown:
        shown.add_task(HOSTILE, more=batch_watch._more({"failed": 1, "waiting_for": HOSTILE}))
        shown.console.print(HOSTILE, highlight=False, markup=False, soft_wrap=True)
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.getvalue())
    assert words.count(SAFE) >= 3
    assert not OBEYED.search(words.replace("\r", ""))


@pytest.mark.parametrize("value", [HOSTILE, {HOSTILE: [HOSTILE]}])
def test_json_is_the_same_for_programs_and_steers_no_terminal(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write_json(value)
    told = capsys.readouterr().out
    assert json.loads(told) == value
    assert not OBEYED.search(told)
    told.encode()


def test_a_file_s_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b]52;c;ZXZpbA==\x07.png")
    (tmp_path / name).write_bytes(b"no picture")
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", "HOME": str(tmp_path), "NO_COLOR": "1"}
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "gemgate", "clean", *more, str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, env=env, check=False)
        told = (done.stdout + done.stderr).decode()
        assert "Traceback" not in told
        assert "]52;c;ZXZpbA==" in told
        assert not OBEYED.search(told)


@pytest.mark.parametrize("wish", [{}, {"FORCE_COLOR": "1"}])
def test_a_line_in_colours_says_the_same_where_nothing_paints(
    wish: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in wish.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "out", console.Terminal())
    terminal.tell("gemgate [bold]{}[/bold] [yellow]and {}[/yellow]", HOSTILE, "{} [b]")
    told = capsys.readouterr().out
    assert ("\x1b[" in told) is bool(wish)
    assert re.sub(r"\x1b\[[0-9;]*m", "", told) == f"gemgate {SAFE} and {{}} [b]\n"


def test_all_that_is_printed_goes_one_way() -> None:
    """`console` (`out`, `err`) and `terminal` (`tell`, `write`, `write_json`) alone write; `__init__` says words of its
    own before that.
    """
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name in ("console.py", "terminal.py", "__init__.py"):
            continue
        text = re.sub(r'"[^"\n]*"', "", path.read_text())
        assert not re.search(r"(?<![.\w])print\(|typer\.(echo|secho)\(|click\.|std(out|err)\.write", text), path


def test_markup_is_ours_alone() -> None:
    """No console takes markup, and no line of ours with markup has anything but `{}` for what others say."""
    assert not console.out._markup
    assert not console.err._markup
    for path in Path(cli.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert "markup=True" not in text, path
        assert "Console(" not in text or path.name == "console.py", path
        assert not re.search(r'print\(\s*f?"[^"]*\[/?(red|yellow|green|bold|dim|cyan)\]', text), path
        assert not re.search(r'\.status\(\s*f"', text), path


@pytest.mark.parametrize("place", ["backup", "keys"])
def test_what_is_written_follows_no_link(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that drafts had once, as links to something of the user's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    precious = tmp_path / "precious"
    precious.write_text("mine")
    key = tmp_path / "cookie.key"
    for name in (".cookie.key.part", ".out.zip.part", ".copy.part"):
        (tmp_path / name).symlink_to(precious)
    settings: Any = SimpleNamespace(cookie_keys=None, cookie_key_file=key)
    if place == "keys":
        (tmp_path / "old").write_text("k1\n")
        backup._put_keys(settings, tmp_path / "old")
        assert key.read_text() == "k1\n"
    else:
        key.write_text("k1\n")
        (tmp_path / "copy").symlink_to(precious)
        backup._copy_keys(settings, tmp_path / "copy")
        key = tmp_path / "copy"
        assert key.read_text() == "k1\n"
        assert not key.is_symlink()
    assert key.stat().st_mode & 0o777 == 0o600
    assert precious.read_text() == "mine"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: z.writestr("manifest.json", "{"),
        lambda z: z.writestr("manifest.json", '{"format": 1}'),
        lambda z: z.writestr("manifest.json", '[1]'),
        lambda z: z.writestr("else.json", "{}"),
    ],
)  # fmt: skip
def test_a_damaged_backup_is_one_line(spoil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b[").mkdir()
    with zipfile.ZipFile(tmp_path / "b[/b].zip", "w") as archive:
        spoil(archive)
    said = run("restore", "b[/b].zip", folder=tmp_path)
    assert "b[/b].zip" in said
    assert len([line for line in said.splitlines() if "error:" in line]) == 1
    assert "Traceback" not in said


def test_a_cut_backup_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    env = {"DATA_DIR": str(tmp_path / "data")}
    from gemgate.stores.backup import write
    from gemgate.stores.sql.database import open_database

    async def make() -> None:
        database = await open_database(tmp_path / "old.db")
        try:
            await write(tmp_path / "b.zip", database, None, 0.0)
        finally:
            await database.close()

    import asyncio

    asyncio.run(make())
    whole = (tmp_path / "b.zip").read_bytes()
    assert os.fsencode("manifest") in whole
    for at in range(0, len(whole), max(1, len(whole) // 24)):
        spoiled = bytearray(whole)
        spoiled[at] ^= 0xFF
        (tmp_path / "b.zip").write_bytes(spoiled)
        result = CliRunner().invoke(cli.app, ["restore", "b.zip", "--replace"], env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), (at, result.exception)
