"""Every command of the command line with what it takes, as its `--help` has it, in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperArgument

from gemgate.chinese import chinese
from gemgate.cli import COMMANDS, app, command
from gemgate.cli.help_tables import paragraphs
from gemgate.errors import LocalText
from tools.docs.tables import table

REQUIRED = LocalText("required", "必填")
HEAD = LocalText(
    "| argument, option | value | default | variable | meaning |", "| 参数、选项 | 值 | 默认值 | 环境变量 | 含义 |"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of the tree. context: the library's, which has its whole name and its parents."""

    command: Any
    context: Any
    depth: int


def tree() -> Iterator[Shown]:
    """The program itself and every command below it, in the order in which `--help` lists them."""
    root: Any = typer.main.get_command(app)
    top = Shown(root, root.context_class(root, info_name=app.info.name), 0)
    yield top
    for name in COMMANDS:
        yield from _below(name, command(name), top)


def _below(name: str, found: Any, above: Shown) -> Iterator[Shown]:
    context = found.context_class(found, info_name=name, parent=above.context)
    one = Shown(found, context, above.depth + 1)
    yield one
    for each, inner in getattr(found, "commands", {}).items():
        yield from _below(each, inner, one)


def lines(one: Shown, language: str) -> list[str]:
    """Its part of the page: heading, usage, help, and a row for each argument and option but `--help`."""
    path = one.context.command_path
    usage = " ".join(one.command.collect_usage_pieces(one.context))
    told = [f"{'#' * max(2, one.depth + 1)} {path}\n", f"`{path}` `{usage}`\n"]
    told += [f"{escaped(text)}\n" for text in _texts(one.command.help, language)]
    helping = set(one.context.help_option_names)
    taken = [each for each in one.command.get_params(one.context) if not helping & {*each.opts}]
    rows = [_row(each, one.context, language) for each in taken]
    return [*told, *table(HEAD.for_(language), rows), ""] if rows else told


def _texts(text: str | None, language: str) -> list[str]:
    texts = paragraphs(text) if text else []
    return texts if language == "en" else [chinese("gemgate.cli").get(one, one) for one in texts]


def _row(parameter: Any, context: Any, language: str) -> tuple[str, ...]:
    value = f"{parameter.display_type_rich(context)} {parameter._get_number_range_help_str() or ''}".strip()
    default = REQUIRED.for_(language) if parameter.required else _code(_default(parameter, context))
    meaning = " ".join(escaped(text) for text in _texts(parameter.help, language))
    return _names(parameter), _code(value), default, _code(parameter.envvar or ""), meaning


def _names(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument):
        return _code(parameter._rich_display_name())
    return ", ".join(_code(name) for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any, context: Any) -> str:
    """As the library finds it for a help; nothing where that shows none."""
    value = parameter._extract_default_help_str(ctx=context)
    if value is None or not parameter.show_default:
        return ""
    said: str = parameter._get_default_string(ctx=context, show_default_is_str=False, default_value=value)
    return said


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def escaped(text: str) -> str:
    """A text as it stands, whatever Markdown would make of its marks; what is between backticks stays."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [part.replace("|", "\\|") for part in parts[1::2]]
    return "`".join(parts)
