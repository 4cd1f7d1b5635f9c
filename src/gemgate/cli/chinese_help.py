"""The help of a command in Chinese: its texts are exchanged when it is about to be printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from typer import rich_utils

from gemgate.chinese import chinese

HEADINGS = {
    "ARGUMENTS_PANEL_TITLE": "参数",
    "OPTIONS_PANEL_TITLE": "选项",
    "COMMANDS_PANEL_TITLE": "命令",
    "DEFAULT_STRING": "[默认：{}]",
    "ENVVAR_STRING": "[环境变量：{}]",
    "REQUIRED_LONG_STRING": "[必填]",
}
"""What the library says around our texts, by the names of its constants."""


def paragraphs(text: str) -> list[str]:
    """A help text as the table has it: one line for each paragraph."""
    return [" ".join(one.split()) for one in text.split("\n\n")]


@contextmanager
def in_chinese(command: Any, ctx: Any) -> Iterator[None]:
    """Exchange the texts of a command, of what it takes and of its commands; the headings, while it is printed."""
    command.format_usage = partial(_usage, command)
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help, one.short_help = _told(one.help), _told(one.short_help)
    for parameter in command.get_params(ctx):
        parameter.help = _told(parameter.help)
    before = {name: getattr(rich_utils, name) for name in HEADINGS}
    vars(rich_utils).update(HEADINGS)
    try:
        yield
    finally:
        vars(rich_utils).update(before)


def _usage(command: Any, ctx: Any, formatter: Any) -> None:
    formatter.write_usage(ctx.command_path, " ".join(command.collect_usage_pieces(ctx)), "用法：")


def _told(text: str | None) -> str | None:
    """A text in Chinese; a paragraph that has none stays as it is."""
    if not text:
        return text
    texts = chinese("gemgate.cli")
    return "\n\n".join(texts.get(one, one) for one in paragraphs(text))
