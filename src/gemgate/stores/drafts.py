"""Files that are there whole or not at all, made under a name that nobody can foresee.

A name that can be foreseen can be a link that somebody else has put there, and what is written goes where it leads.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def drafted(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A new file beside `path`, open for writing, which becomes `path` when the block ends well. OSError."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
