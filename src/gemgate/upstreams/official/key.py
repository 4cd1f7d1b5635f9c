"""Where an API key stands. It is read when the account opens, kept in memory only, and never shown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from gemgate.errors import system_words
from gemgate.frozen import frozen
from gemgate.upstreams.official import errors


@frozen
class KeyPlace:
    """`env:NAME` or `file:PATH`, as accounts.toml spells it. folder: what relative paths begin at."""

    spelled: str
    folder: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    async def read(self) -> str:
        """The key as it stands now; SignedOut says what to do when there is none."""
        kind, _, place = self.spelled.partition(":")
        if kind == "env":
            key = self.environ.get(place, "").strip()
            if not key:
                raise errors.no_key(
                    f'the environment variable {place} is not set; put the key there, or use api_key = "file:PATH"',
                    f'环境变量 {place} 未设置；请在其中设置密钥，或使用 api_key = "file:路径"',
                )
        else:
            key = await asyncio.to_thread(_first_line, place, self.folder)
        if not key.isascii() or any(char.isspace() for char in key):
            raise errors.no_key(
                f"{self.spelled} holds no API key: it must be one word", f"{self.spelled} 中不是有效的 API 密钥"
            )
        return key


def _first_line(place: str, folder: Path | None) -> str:
    path = Path(place).expanduser()
    path = folder / path if folder else path
    try:
        lines = path.read_text("utf-8").split("\n", 1)
    except (OSError, UnicodeDecodeError) as error:
        why = system_words(error)
        raise errors.no_key(
            f"the key file {path} cannot be read ({why.en})", f"无法读取密钥文件 {path}（{why.zh}）"
        ) from None
    if not lines[0].strip():
        raise errors.no_key(f"the key file {path} is empty", f"密钥文件 {path} 为空")
    return lines[0].strip()
