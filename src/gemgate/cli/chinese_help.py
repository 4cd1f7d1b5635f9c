"""The help of a command in Chinese: its texts are exchanged when it is about to be printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from typer import rich_utils

from gemgate.chinese import chinese
from gemgate.cli.help_tables import paragraphs

HEADINGS = {
    "ARGUMENTS_PANEL_TITLE": "参数",
    "OPTIONS_PANEL_TITLE": "选项",
    "COMMANDS_PANEL_TITLE": "命令",
    "DEFAULT_STRING": "[默认：{}]",
    "ENVVAR_STRING": "[环境变量：{}]",
    "REQUIRED_LONG_STRING": "[必填]",
}
"""What the library says around our texts, by the names of its constants."""


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


MISUSE = (
    (r"No such command (.+)\.", r"没有命令 {0}。"),
    (r"No such option: (\S+)\.?", r"没有选项 {0}。"),
    (r"\(Possible options: (.+)\)", r"（可能是：{0}）"),
    (r"Did you mean (.+)\?", r"您是否想输入 {0}？"),
    (r"Missing (?:option|argument|parameter) (.+)\.", r"缺少 {0}。"),
    (r"Invalid value for (.+?):", r"{0} 的值无效："),
    (r"Option (.+) requires an argument\.", r"选项 {0} 需要一个值。"),
    (r"Option (.+) does not take a value\.", r"选项 {0} 不接受值。"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", r"多余的参数：{0}"),
    (r"(\S+) is not one of (.+)\.", r"{0} 不可用，可选 {1}。"),
    (r"(?:file|path|dir|directory) (.+) does not exist\.", r"{0} 不存在。"),
    (r"(?:file|path|dir|directory) (.+) is a directory\.", r"{0} 是目录。"),
    (r"(?:file|path|dir|directory) (.+) is a file\.", r"{0} 是文件，不是目录。"),
    (r"(?:file|path|dir|directory) (.+) is not readable\.", r"{0} 不可读。"),
)
"""What the library says when a command is typed wrongly; a sentence that is not here stays in English."""


def misuse_in_chinese(error: Any) -> None:
    """Exchange the sentences of an error of the library's, its headings and the usage above it."""
    told = error.format_message()
    for english, wanted in MISUSE:
        told = re.sub(english, partial(_filled, wanted), told)
    error.format_message = lambda: told
    if error.ctx is not None:
        error.ctx.command.format_usage = partial(_usage, error.ctx.command)
    vars(rich_utils).update(ERRORS_PANEL_TITLE="错误", RICH_HELP="[blue]{command_path} {help_option}[/] 显示帮助。")


def _filled(wanted: str, found: re.Match[str]) -> str:
    return wanted.format(*found.groups())
