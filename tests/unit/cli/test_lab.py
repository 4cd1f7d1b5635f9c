"""`gemgate accounts lab`: figures, lines of a terminal and a drawing from the same facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from gemgate.cli import app
from gemgate.cli.lab_run import entries_of
from gemgate.cli.survival_chart import alive_at, in_terminal, svg
from gemgate.cli.words import span

STEPS = [
    {"age": 10.0, "at_risk": 4, "deaths": 1, "alive": 0.75, "error": 0.2, "low": 0.3, "high": 0.95},
    {"age": 30.0, "at_risk": 2, "deaths": 1, "alive": 0.375, "error": 0.2, "low": 0.1, "high": 0.7},
]
ARM: dict[str, Any] = {"name": "live <Firefox>", "n": 4, "deaths": 2, "median": 30.0, "seen": 60.0, "steps": STEPS}


def test_the_drawing_is_one_and_names_no_markup() -> None:
    drawn = ElementTree.fromstring(svg([ARM, {**ARM, "name": "frozen", "median": None}]))
    texts = [node.text for node in drawn.iter() if node.tag.endswith("text")]
    assert "live <Firefox>: n 4, 2 died, median 30 s" in texts
    assert "frozen: n 4, 2 died, median -" in texts
    assert len([node for node in drawn.iter() if node.get("fill") == "none"]) == 2
    assert ElementTree.fromstring(svg([])) is not None


def test_a_line_of_a_terminal_falls_and_ends_where_nobody_was_seen() -> None:
    assert [alive_at(ARM, age) for age in (0.0, 9.9, 10.0, 30.0, 99.0)] == [1.0, 1.0, 0.75, 0.375, 0.375]
    assert in_terminal(ARM, 120.0, 12) == "█▆▆▃▃▃······"


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "-"), (5, "5 s"), (150, "2.5 min"), (9000, "2.5 h"), (2e5, "2.3 d")]
)
def test_spans_are_said_as_people_do(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


def test_with_no_session_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"DATA_DIR": str(tmp_path / "data"), "COOKIE_KEY_FILE": str(tmp_path / "key"), "LANG": "C.UTF-8"}
    empty = CliRunner().invoke(app, ["accounts", "lab", "--json"], env=env)
    assert empty.exit_code == 0, empty.output
    assert json.loads(empty.stdout) == {"arms": [], "score": None}
    told = CliRunner().invoke(app, ["accounts", "lab", "--svg", "lives.svg"], env=env)
    assert "gemgate accounts add" in told.output
    assert ElementTree.parse(tmp_path / "lives.svg") is not None


@pytest.mark.parametrize("arm", ["opera", "rotated", "frozen=", "paired=x", "firefox=a#nowhere", ""])
def test_what_is_no_arm_is_told(arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if arm.startswith("firefox"):
        assert entries_of([arm], 0.0)[0].setup.source == "browser:firefox:a#nowhere"
        return
    told = CliRunner().invoke(app, ["accounts", "lab", "run", "--arm", arm], env={"LANG": "C.UTF-8"})
    assert told.exit_code == 2
    assert "is no arm" in told.output


def test_arms_are_accounts_that_differ_in_what_renews_them(tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("__Secure-1PSID=g.a000x; __Secure-1PSIDTS=sidts-x")
    texts = ["firefox", "chrome=Profile 1", "paired", f"rotated={held}", f"frozen={held}", f"frozen = {held}"]
    entries = entries_of(texts, 0.5)
    assert [one.name for one in entries] == [
        "lab-firefox-1", "lab-chrome-1", "lab-paired-1", "lab-rotated-1", "lab-frozen-1", "lab-frozen-2",
    ]  # fmt: skip
    assert [one.setup.source for one in entries[:3]] == ["browser:firefox", "browser:chrome:Profile 1", ""]
    assert [one.setup.rotate for one in entries] == [True, True, True, True, False, False]
    assert {one.setup.weight for one in entries} == {0.5}
    assert [bool(one.cookies) for one in entries] == [False, False, False, True, True, True]


def test_a_run_needs_arms_and_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"DATA_DIR": str(tmp_path / "data"), "COOKIE_KEY_FILE": str(tmp_path / "key"), "LANG": "C.UTF-8"}
    for words, status, said in ((["run"], 2, "--arm"), (["run", "--arm", "firefox"], 1, "gemgate serve")):
        told = CliRunner().invoke(app, ["accounts", "lab", *words], env=env)
        assert (told.exit_code, said in told.output) == (status, True), told.output
