"""What the command line lists can be read and copied: ids whole, times as a person tells them, each sentence once."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.table import Table
from typer.testing import CliRunner

from gemgate import cli
from gemgate.cli import accounts
from gemgate.cli.console import Terminal
from gemgate.cli.serve import callable_at
from gemgate.settings.sections import in_sections

ID = "batch_" + "6" * 26


def listed(width: int, *, terminal: bool) -> str:
    console = Terminal()
    console.file, console._width, console._force_terminal = io.StringIO(), width, terminal
    table = Table("job", "kind", "why", box=None)
    table.add_row(ID, "images", "a long sentence that has to go on somewhere " * 3)
    console.print(table)
    assert console._width == width
    return console.file.getvalue()


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_ids_are_never_cut(width: int) -> None:
    told = listed(width, terminal=True)
    assert ID in told
    assert "…" not in told


def test_in_a_pipe_a_row_is_a_line() -> None:
    told = listed(40, terminal=False)
    assert len(told.splitlines()) == 2
    assert "somewhere a long" in told


def account(**changed: Any) -> dict[str, Any]:
    reason = "Google's usage limit of this account is reached (code 1037)"
    rests = [
        {"capability": kind, "phase": "open", "seconds_left": 3444.0, "reason": reason} for kind in ("text", "pro")
    ]
    facts = {
        "why": "",
        "notice": "",
        "last_error": reason,
        "cooldowns": rests,
        "state": "cooling",
        "seconds_left": 3444,
    }
    return {**facts, **changed}


def test_a_sentence_of_an_account_stands_once() -> None:
    facts = account()
    assert accounts._sentences(facts) == ["Google's usage limit of this account is reached (code 1037)"]
    assert accounts._rests(facts) == "text 58 min, pro 58 min"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, ""), (None, ""), (59, ", 59 s left"), (3444, ", 58 min left"), (9000, ", 3 h left"), (300_000, ", 4 d left")],
)
def test_a_rest_is_told_in_a_unit_of_its_size(seconds: float | None, told: str) -> None:
    assert accounts._left(seconds) == told


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("0.0.0.0", "http://127.0.0.1:81"),
        ("::", "http://[::1]:81"),
        ("10.0.0.2", "http://10.0.0.2:81"),
        ("fd00::1", "http://[fd00::1]:81"),
    ],
)
def test_the_address_that_is_shown_can_be_called(host: str, base: str) -> None:
    assert callable_at(host, 81) == base


def test_settings_have_headings_the_words_of_the_documents_and_a_short_list(tmp_path: Any) -> None:
    (tmp_path / "gemgate.toml").write_text("account_history = true\n")
    config = ["--config", str(tmp_path / "gemgate.toml")]
    told = CliRunner().invoke(cli.app, ["settings", *config], env={"LC_ALL": "C"}).stdout
    assert [title.en for title, _ in in_sections() if title.en not in told] == []
    assert "600.0" not in told
    assert not {"True", "False"} & set(told.split())
    short = CliRunner().invoke(cli.app, ["settings", "--changed", "--json", *config]).stdout
    changed = {name: row for name, row in json.loads(short).items() if row["from"].endswith("gemgate.toml")}
    assert list(changed) == ["ACCOUNT_HISTORY"]
    assert changed["ACCOUNT_HISTORY"]["value"] == "on"
    assert "default" not in {row["from"] for row in json.loads(short).values()}


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_the_help_of_a_flag_shows_no_value(name: str) -> None:
    told = CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"}).stdout
    assert "--help" in told
    assert "<bool>" not in told
    assert "list[" not in told


def test_a_paragraph_of_help_is_broken_by_the_terminal_and_not_by_its_source() -> None:
    done = CliRunner().invoke(cli.app, ["batch", "run", "--help"], env={"COLUMNS": "200", "LC_ALL": "C.UTF-8"})
    assert "missing in the folder. Another folder is another batch." in done.output
