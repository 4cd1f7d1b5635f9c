"""Cookies in a file that a person or a tool replaces now and then, in any form (`dialects.cookie_text`).

A change is believed only when the file has been quiet for a moment, so a file that is being written is never read half.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gemgate.accounts import Cookies
from gemgate.dialects import cookie_text
from gemgate.errors import NO_TEXT, AccountError, BadRequest, LocalText, system_words
from gemgate.offload import offload

MOST_BYTES = 8 << 20
_TRIES = 10

_Stamp: TypeAlias = tuple[int, int, int, int]
"""Inode, size, modification and change time."""


class FileSource:
    """`settle`: seconds without a write before a new text counts. A missing or empty file holds no cookies (yet)."""

    live = False
    watched = True

    def __init__(self, path: Path, *, settle: float = 0.5) -> None:
        self.name = f"file:{path}"
        self.missing = NO_TEXT
        self._path = path
        self._settle = settle
        self._stamp: _Stamp | None = None
        self._cookies: Cookies | None = None
        self._trouble: AccountError | None = None
        self._reading = asyncio.Lock()

    async def read(self) -> Cookies | None:
        """The cookies in the file; AccountError when it cannot be read or understood."""
        async with self._reading:
            stamp = await asyncio.to_thread(self._look)
            if stamp is None:
                self._stamp = self._cookies = self._trouble = None
                self.missing = LocalText(f"{self._path} does not exist", f"{self._path} 不存在")
            elif stamp != self._stamp:
                await self._read_quiet(stamp)
            if self._trouble is not None:
                raise self._trouble
            return self._cookies

    async def _read_quiet(self, stamp: _Stamp) -> None:
        """Read the file once it rests; keep what was known while it is being written."""
        for _ in range(_TRIES):
            if abs(time.time() - stamp[2] / 1e9) < self._settle:
                await asyncio.sleep(self._settle)
            loaded = await asyncio.to_thread(self._load)
            if loaded is None:
                return
            text, after = loaded
            if after == stamp:
                await self._take(text, stamp)
                return
            stamp = after

    async def _take(self, text: str, stamp: _Stamp) -> None:
        self._trouble = None
        try:
            read = partial(cookie_text.read, text)
            self._cookies = await offload(len(text), read) if text.strip() else None
            self.missing = NO_TEXT if self._cookies else LocalText(f"{self._path} is empty", f"{self._path} 为空")
        except BadRequest as error:
            self._trouble = _unreadable(self._path, LocalText(error.en, error.zh))
        self._stamp = stamp

    def _look(self) -> _Stamp | None:
        try:
            return _stamp(self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self._path, system_words(error)) from None

    def _load(self) -> tuple[str, _Stamp] | None:
        """The text and the stamp it was read under; None when the file is gone again."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise _unreadable(self._path, LocalText("not a regular file", "不是普通文件"))
                data = file.read(MOST_BYTES + 1)
            after = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._path, system_words(error)) from None
        if len(data) > MOST_BYTES:
            raise _unreadable(self._path, LocalText("far too large for cookies", "对 Cookie 来说过大"))
        return data.decode("utf-8-sig", errors="replace"), _stamp(after)


def _stamp(found: os.stat_result) -> _Stamp:
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _unreadable(path: Path, why: LocalText) -> AccountError:
    return AccountError(
        f"The cookie file {path} cannot be used: {why.en}",
        f"无法使用 Cookie 文件 {path}：{why.zh}",
        code="cookies_unreadable",
    )
