"""What is typed wrongly ends with 2 and says what there is, in the language of the terminal."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from gemgate import cli
from gemgate.cli import connection, terminal
from gemgate.errors import BadRequest

OPEN = {
    *("--url", "--key", "--admin-key", "--host", "--proxy", "--desktop"),  # addresses and keys
    *("name", "--account", "account", "--node", "--as", "--of-key", "chat", "job_id", "batch_id", "--of", "--cursor"),
    *("prompt", "prompts", "words", "title", "--system", "--prompt"),
    *("place", "--source", "--arm"),  # a browser or a file, checked where it is read
    *("--model", "--language"),  # the gateway knows them, and what else they are called
    *("--aspect", "--by", "--to"),  # forms
}
"""Texts of which there are too many to be told. Whatever else is a text is a choice: a Literal or an enum."""
FORMS_OF_FROM = {("accounts", "add"), ("usage",), ("migrate",)}


def parameters(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Of a command and those below it: where each parameter stands, the parameter, and the type of its value."""
    for parameter in command.get_params(command.context_class(command)):
        if hasattr(parameter, "type_descriptor"):
            yield path, parameter, parameter.type_descriptor.annotation
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from parameters(below, (*path, name))


ALL = [one for name in cli.COMMANDS for one in parameters(cli.command(name), (name,))]


def values(kind: Any) -> tuple[str, ...]:
    """What a choice takes, () for what is none."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(one.value for one in kind) if isinstance(kind, type) and issubclass(kind, enum.Enum) else ()


CHOICES = [(path, parameter, values(kind)) for path, parameter, kind in ALL if values(kind)]


def test_a_text_is_a_choice_or_known_to_be_open() -> None:
    texts = [(path, one.opts[0]) for path, one, kind in ALL if kind is str or kind == list[str]]
    assert [
        (path, name)
        for path, name in texts
        if name not in OPEN and (name, path) not in {("--from", path) for path in FORMS_OF_FROM}
    ] == []
    assert len(CHOICES) > 10


@pytest.mark.parametrize(
    ("path", "parameter", "known"), CHOICES, ids=lambda one: " ".join(one) if isinstance(one, tuple) else one.opts[0]
)
def test_a_choice_that_there_is_not_says_which_there_are(
    path: tuple[str, ...], parameter: Any, known: tuple[str, ...]
) -> None:
    name = [parameter.opts[0]] if parameter.opts[0].startswith("-") else []
    for locale, words in (("C", "is not one of"), ("zh_CN.UTF-8", "不可用，可选")):
        done = CliRunner().invoke(cli.app, [*path, *name, "banana"], env={"LC_ALL": locale, "COLUMNS": "400"})
        assert done.exit_code == 2, done.output
        said = " ".join(done.output.replace("│", " ").split())
        assert words in said
        assert all(f"'{value}'" in said for value in known), said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("usage --by banana", "'banana' 不可用，可选 day, hour, key"),
        ("image x --aspect banana", "--aspect 必须是比例"),
    ],
)
def test_a_form_that_is_wrong_is_told_before_anything_is_asked(words: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli.app, words.split(), env={"LC_ALL": "zh_CN.UTF-8", "COLUMNS": "300", "DATA_DIR": str(tmp_path)}
    )
    assert (done.exit_code, said in " ".join(done.output.split())) == (2, True), done.output


def test_what_a_gateway_finds_wrong_in_what_was_typed_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    refused = connection._said(
        400, b'{"error": {"message": "from is a day such as 2026-11-29"}}', "http://x/api/usage", {}
    )
    assert isinstance(refused, BadRequest)

    async def work() -> None:
        raise refused

    with pytest.raises(terminal.typer.Exit) as left:
        terminal.run(work())
    assert left.value.exit_code == 2
    assert "from is a day" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("edit", "FILE", "make it night"),
        ("video", "a fox runs", "--image", "FILE"),
        ("transcribe", "FILE"),
        ("batch", "run", "FILE"),
        ("logo", "calibrate", "FILE"),
        ("import", "FILE"),
        ("restore", "FILE"),
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_is_not_there_ends_with_2_and_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    missing = str(tmp_path / "fox.png")
    given = [missing if word == "FILE" else word for word in words]
    done = CliRunner().invoke(cli.app, [*given, "--help"], env={"COLUMNS": "400"})
    assert done.exit_code == 0, "there is such a command"
    done = CliRunner().invoke(cli.app, given, env={"COLUMNS": "400", "LC_ALL": "C"})
    assert done.exit_code == 2, done.output
    assert missing in done.output
