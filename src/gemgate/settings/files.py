"""`gemgate.toml` and `.env`: read whole, or refused with the file's name and never with its words."""

from __future__ import annotations

import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from gemgate.errors import system_words
from gemgate.settings.folders import SettingsError


def toml_values(file: Path) -> dict[str, Any]:
    """What a file of TOML says. SettingsError."""
    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings cannot be read: {file}: {error}") from None


def check_env(file: Path) -> None:
    """Refuse a file of NAME=value with a line that would be passed over: without its key a gateway stands open."""
    for line in parse_stream(StringIO(_text(file))):
        if line.error:
            number = line.original.line
            raise SettingsError(
                f"settings cannot be read: {file}: line {number} is no NAME=value, or its quotes are not closed"
            )


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"settings cannot be read: {file}: it is not in UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"settings cannot be read: {file}: {system_words(error).en}") from None
