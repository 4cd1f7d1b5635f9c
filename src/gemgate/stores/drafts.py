"""Files that are there whole or not at all, made under a name that nobody can foresee.

A name that can be foreseen can be a link that somebody else has put there, and what is written goes where it leads.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LONGEST = 1.0
"""Seconds that the end of the process waits for a disk that hangs."""
_making = threading.RLock()
_unfinished: set[Path] = set()


@contextmanager
def drafted(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A new file beside `path`, open for writing, which becomes `path` when the block ends well. OSError."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _unfinished.add(half)
    try:
        with _making:
            descriptor = os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    finally:
        _unfinished.discard(half)


def drop_unfinished() -> None:
    """Take away what is being written, by whatever thread, and let nothing new begin: the process ends in a moment."""
    _making.acquire(timeout=LONGEST)
    for half in tuple(_unfinished):
        with suppress(OSError):  # on Windows an open file stays
            half.unlink()
