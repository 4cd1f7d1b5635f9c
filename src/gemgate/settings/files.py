"""`gemgate.toml` and `.env`: read whole, or refused with the file's name and never with its words."""

from __future__ import annotations

import re
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from gemgate.errors import LocalText, SettingsError, system_words
from gemgate.validation import toml_problem


def toml_values(file: Path) -> dict[str, Any]:
    """What a file of TOML says. SettingsError."""
    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise unreadable(file, toml_problem(error)) from None


def check_env(file: Path) -> None:
    """Refuse a file of NAME=value with a line that would be passed over: without its key a gateway stands open."""
    for line in parse_stream(StringIO(_text(file))):
        if line.error:
            number = line.original.line
            raise unreadable(
                file,
                LocalText(
                    f"line {number} is no NAME=value, or its quotes are not closed",
                    f"第 {number} 行不是“名称=值”，或引号未闭合",
                ),
            )


def env_lines(file: Path) -> dict[str, int]:
    """The names of such a file, in lower case, and on which line each counts; none where there is no file."""
    lines = parse_stream(StringIO(_text(file))) if file.is_file() else ()
    return {line.key.lower(): line.original.line for line in lines if line.key}


_NAMED = re.compile(r"""\s*\[{0,2}\s*["']?([\w-]+)["']?\s*[=.\]]""", re.ASCII)
"""A name that a line of TOML begins with: of a value, or of a table."""


def toml_lines(file: Path) -> dict[str, int]:
    """The same of a file of TOML that could be read."""
    lines = enumerate(_text(file).splitlines(), 1) if file.is_file() else ()
    return {found[1].lower(): number for number, line in lines if (found := _NAMED.match(line))}


def unreadable(place: object, why: LocalText) -> SettingsError:
    """What is said of a source of settings that cannot be read."""
    return SettingsError(f"{place} cannot be read: {why.en}", f"无法读取 {place}：{why.zh}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(
            file, LocalText("it is not in UTF-8; save it as UTF-8", "文件不是 UTF-8 编码，请另存为 UTF-8")
        ) from None
    except OSError as error:
        raise unreadable(file, system_words(error)) from None
