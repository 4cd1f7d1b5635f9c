"""Settings that older versions had: what took their place, and where one still stands."""

from __future__ import annotations

import os
from pathlib import Path

from gemgate.errors import LocalText
from gemgate.settings.files import env_lines

GONE = {
    "prompt_max_chars": LocalText(
        "PROMPT_MAX_BYTES (UTF-8 bytes; a Chinese character has three)",
        "PROMPT_MAX_BYTES（UTF-8 字节数；一个汉字占三个字节）",
    )
}
"""By their names; the setting that took their place."""


def outdated() -> list[LocalText]:
    """A sentence for each setting of the environment and of .env that no longer does anything."""
    named = {name.lower() for name in os.environ} | set(env_lines(Path(".env")))
    return [gone(name.upper(), instead) for name, instead in GONE.items() if name in named]


def gone(name: str, instead: LocalText) -> LocalText:
    """The sentence for one of them."""
    return LocalText(f"{name} does nothing any more; use {instead.en}", f"{name} 已不起作用，请改用 {instead.zh}")
