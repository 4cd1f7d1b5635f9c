"""Every command of ours that a page or a message tells people to type is there, with its options and what it takes.

Nothing is run here: test_typed_commands.py does that. That both languages show the same: test_languages.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from gemgate.cli import COMMANDS, app, command

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```")
SPAN = re.compile(r"`((?:uvx --from \. |pipx run --spec \. )?gemgate(?:\s[^`]*)?)`")
ONCE = (["uvx", "--from", "."], ["pipx", "run", "--spec", "."])
"""What may stand before the program's name, and runs it."""
REST = "…"
"""What a page writes for the rest of a command."""
Words = tuple[str, ...]


def commands(line: str) -> Iterator[Words]:
    """The commands of ours in a line of a shell, without the program's name."""
    if "gemgate" not in line:
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    found: list[str] = []
    for word in [*lexer, ";"]:
        for inner in re.findall(r"\$\((.*)\)", word, re.DOTALL):
            yield from commands(inner)
        if word.strip("();|&"):
            found.append(word)
            continue
        while found and re.match(r"[A-Z_]+=", found[0]):
            found.pop(0)
        for before in ONCE:
            if found[: len(before)] == before:
                del found[: len(before)]
        if found and found[0] == "gemgate":
            yield tuple(found[1:])
        found = []


def typed(page: str) -> list[Words]:
    """What the blocks of a page tell to type."""
    lines = "\n".join(code for _, code in FENCE.findall(page)).replace("\\\n", " ").splitlines()
    return [words for line in lines if re.match(r"(?!.*──)[^#]*gemgate", line) for words in commands(line)]


def named(page: str) -> list[Words]:
    """What a page names between backticks, in its text."""
    return [words for span in SPAN.findall(FENCE.sub("", page)) for words in commands(" ".join(span.split()))]


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
            return "" if asks or cut or not whole else "names no command"
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


def shown() -> dict[tuple[Words, bool], str]:
    """Every command, and whether it is there to be typed; where it stands first."""
    found: dict[tuple[Words, bool], str] = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        for whole, words in [*((True, one) for one in typed(text)), *((False, one) for one in named(text))]:
            found.setdefault((words, whole), page.relative_to(ROOT).as_posix())
    for source in sorted((ROOT / "src" / "gemgate").rglob("*.py")):
        for words in named(re.sub(r"\{\w*\}", "NAME", source.read_text("utf-8"))):
            found.setdefault((words, False), source.relative_to(ROOT).as_posix())
    return found


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
