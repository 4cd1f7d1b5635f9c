"""Every command of ours that a page or a message tells people to type is there, with its options and what it takes.

Nothing is run here: test_typed_commands.py does that. That both languages show the same: test_languages.py.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from gemgate.cli import COMMANDS, app, command
from tests.support.shown_commands import REST, ROOT, Words, commands, shown


def fault(words: Words, *, whole: bool) -> str:
    """What is wrong with a command, or nothing. whole: it is there to be typed, so that nothing may be missing."""
    command: Any = typer.main.get_command(app)
    context: Any = command.context_class(command, info_name="gemgate")
    rest = list(words)
    while True:
        cut = REST in rest
        given, rest, _ = command.make_parser(context).parse_args(rest[: rest.index(REST)] if cut else rest)
        asks = bool({"help", "version"} & set(given))
        if not hasattr(command, "resolve_command"):
            break
        if not rest:
            alone = asks or cut or getattr(command, "invoke_without_command", False)
            return "" if alone or not whole else "names no command"
        name, command, rest = command.resolve_command(context, rest)
        context = command.context_class(command, info_name=name, parent=context)
    if rest:
        return f"takes no {rest}"
    missing = [one.name for one in command.params if one.required and not given.get(one.name)]
    if missing and whole and not asks:
        return f"lacks {missing}"
    for one in command.params:
        value = given.get(one.name)
        if whole and value not in (None, ()) and one.callback is None:
            try:
                one.process_value(context, value)
            except typer.BadParameter as wrong:
                if "does not exist" not in wrong.message:  # a file of the reader's
                    return wrong.message
    return ""


@pytest.mark.parametrize(
    ("words", "whole"), shown(), ids=lambda value: shlex.join(value) if isinstance(value, tuple) else ""
)
def test_a_command_is_there_with_its_options(words: Words, whole: bool) -> None:
    assert not fault(words, whole=whole), shown()[words, whole]


@pytest.mark.parametrize("page", ["quick-reference.md", "quick-reference.zh.md"])
def test_the_quick_reference_has_every_command(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    rows = re.findall(
        r"(?m)^\| (`gemgate .+?`) \| (.+) \|$", text.partition("## Commands" if ".zh" not in page else "\n## ")[2]
    )
    told = {word for row, _ in rows for word in re.findall(r"`(?:gemgate )?([a-z]+)", row)}
    assert set(COMMANDS) <= told, set(COMMANDS) - told
    for name in ("accounts", "batch", "jobs", "service", "completion"):
        (about,) = (said for row, said in rows if row == f"`gemgate {name} …`")
        listed = re.split(r"[:：]", about)[0]
        assert set(command(name).commands) == set(re.findall(r"[a-z]+", listed)), name


def test_pages_show_many() -> None:
    assert sum(whole for _, whole in shown()) > 40
    assert len(shown()) > 120


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("gemgate batch rum prompts.txt", "No such command"),
        ("X=1 gemgate batch run prompts.txt --sizes 4k", "No such option"),
        ("gemgate batch run --size 4k", "lacks"),
        ("gemgate batch run prompts.txt --priority high", "integer"),
        ("gemgate history export --format xml", "xml"),
        ("cat x | gemgate import - --from", "requires an argument"),
        ("uvx --from . gemgate demo here", "takes no"),
        ('du -sh "$(gemgate settings --jsn)"', "No such option"),
        ("gemgate accounts", "names no command"),
    ],
)
def test_what_is_not_there_is_told(line: str, wrong: str) -> None:
    (words,) = commands(line)
    try:
        told = fault(words, whole=True)
    except TyperException as error:
        told = str(error)
    assert wrong in told
