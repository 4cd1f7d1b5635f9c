"""Memory that the process holds without need, and gives back when it is asked: what the C library's allocator (glibc)
keeps of freed memory, and code that ran once.
"""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from gemgate.frozen import frozen

_M_MMAP_THRESHOLD = -3
_MADV_DONTNEED = 4
LARGE_BLOCK = 64 * 1024
"""Bytes from which a block of memory is the system's again as soon as it is freed."""


@frozen
class Heap:
    """Bytes of the C library's allocator. in_use: given out; kept: free, within what it has reserved."""

    in_use: int = 0
    kept: int = 0


class _Mallinfo(ctypes.Structure):
    """What glibc tells of its allocator, in its order."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        *(("rest", ctypes.c_size_t * 4), ("hblkhd", ctypes.c_size_t), ("fast", ctypes.c_size_t * 2)),
        *(("uordblks", ctypes.c_size_t), ("fordblks", ctypes.c_size_t), ("keepcost", ctypes.c_size_t)),
    ]


@cache
def _c_library(name: str) -> Any:
    """A function of the C library, None where it has none so (musl, macOS, Windows).

    Looked up once: each look makes classes of its own, which only the collector finds again.
    """
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None


def heap() -> Heap:
    """All its arenas, and what it has mapped block by block. Zeros where nobody says (older or other C libraries)."""
    if (ask := _c_library("mallinfo2")) is None:
        return Heap()
    ask.restype = _Mallinfo
    told = ask()
    return Heap(int(told.uordblks + told.hblkhd), int(told.fordblks))


def set_large_blocks_apart() -> None:
    """Have the C library (glibc) take each large block from the system alone, and keep to that.

    By itself it takes ever larger ones from its heap, where small things that live longer settle between the pieces of
    bodies, so that the heap grows and cannot shrink.
    """
    if set_option := _c_library("mallopt"):
        set_option(_M_MMAP_THRESHOLD, LARGE_BLOCK)


_UNCHANGED = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-[-x]p .* /.*\n(?:[A-Z].*\n)*?Anonymous: +0 kB$", re.MULTILINE)
"""A mapping in /proc/self/smaps: of a file, in which nothing is this process's own."""


def give_back() -> None:
    """Return to the system what the allocator keeps for later; pieces of a page and more between what is in use too."""
    if trim := _c_library("malloc_trim"):
        trim(0)


def give_code_back() -> None:
    """Let go of the pages of libraries, on Linux; for when much of them was used once, at a start or an import.

    A start goes through 25 MB of them, serving through 10. What is used again comes again out of the system's cache of
    the file, 64 kB in a microsecond or two, and stays.
    """
    if sys.platform == "linux" and (advise := _c_library("madvise")):
        with suppress(OSError):
            for start, end in unchanged(Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")):
                advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def unchanged(smaps: str) -> list[tuple[int, int]]:
    """From where to where files are that are as they were read, and can only be read."""
    return [(int(start, 16), int(end, 16)) for start, end in _UNCHANGED.findall(smaps)]
