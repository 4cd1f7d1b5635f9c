"""How much of a prompt the model reads (docs/google-wire.md 1): what stands beyond a wall is dropped from its end.

Nothing tells the client: the answer is a 200 to a prompt that ends in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gemgate_simulator.accounts import Account
from gemgate_simulator.script import Upload


@dataclass(frozen=True, slots=True)
class Read:
    """What reached the model. text_bytes and file_bytes: how many of each, None = all of it."""

    text: str
    files: tuple[Upload, ...]
    text_bytes: int | None = None
    file_bytes: tuple[int | None, ...] = ()


def read(text: str, files: Sequence[Upload], account: Account | None, *, temporary: bool) -> Read:
    """What the model reads: the text up to its wall, then the files' text while the budget of both lasts."""
    if account is None or (account.wall is None and account.file_wall is None):
        return Read(text, tuple(files))
    share = account.temporary_share if temporary else 1.0
    data = text.encode("utf-8", "surrogatepass")
    wall = len(data) if account.wall is None else int(account.wall * share)
    inside = cut(data, wall)
    left = None if account.file_wall is None else max(0, int(account.file_wall * share) - len(inside))
    seen: list[Upload] = []
    counts: list[int | None] = []
    for file in files:
        if left is None or not is_text(file):
            seen.append(file)
            counts.append(None)
            continue
        part = cut(file.data, left)
        left -= len(part)
        seen.append(file if len(part) == len(file.data) else replace(file, data=part))
        counts.append(None if len(part) == len(file.data) else len(part))
    if len(inside) == len(data):
        return Read(text, tuple(seen), None, tuple(counts))
    return Read(inside.decode("utf-8", "surrogatepass"), tuple(seen), len(inside), tuple(counts))


def size(text: str, files: Sequence[Upload]) -> int:
    """UTF-8 bytes of a prompt and of the text of its files."""
    return len(text.encode("utf-8", "surrogatepass")) + sum(len(file.data) for file in files if is_text(file))


def cut(data: bytes, size: int) -> bytes:
    """At most `size` bytes, ending at a whole character."""
    if len(data) <= size:
        return data
    while size > 0 and data[size] & 0xC0 == 0x80:
        size -= 1
    return data[:size]


def is_text(file: Upload) -> bool:
    """Whether a file is read as text: by its type, else by its first bytes."""
    if file.mime.startswith(("image/", "video/", "audio/")) or file.mime == "application/pdf":
        return False
    try:
        cut(file.data, 4096).decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in file.data[:4096]
