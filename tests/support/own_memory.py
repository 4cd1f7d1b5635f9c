"""What the memory of this process is made of: by kind of mapping, and what Python's allocator has taken of it."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")
_THREAD_ARENA = 64 << 20
"""Bytes: glibc's arenas of threads begin at a multiple of it."""
_GUARD = 64 << 10
"""Bytes that the closed page below a thread's stack has at most."""
_ARENAS = re.compile(r"(\d+) arenas \* (\d+) bytes/arena")
_UNUSED = re.compile(r"(\d+) unused pools \* (\d+) bytes")


def mapped(smaps: Iterable[str] | None = None) -> dict[str, int]:
    """Resident bytes by kind of mapping: files by their name, stacks, glibc's heaps, and the anonymous rest, in which
    Python's arenas and glibc's large blocks are.

    The kernel joins neighbours that are alike, so that a stack or an arena may count with the rest above it.
    """
    if smaps is None:
        smaps = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines()
    kinds: Counter[str] = Counter()
    kind, closed = "", (0, 0)
    for line in smaps:
        if head := _HEAD.fullmatch(line):
            start, end = int(head[1], 16), int(head[2], 16)
            kind = _kind(head[4], start, after_guard=closed[1] == start and closed[1] - closed[0] <= _GUARD)
            closed = (start, end) if head[3].startswith("---") else (0, 0)
        elif line.startswith("Rss:"):
            kinds[kind] += 1024 * int(line.split()[1])
    return {kind: size for kind, size in sorted(kinds.items()) if size}


def _kind(name: str, start: int, *, after_guard: bool) -> str:
    if name:
        return name if name.startswith("[") else Path(name).name
    if after_guard:
        return "stacks of threads"
    return "glibc's arenas of threads" if start % _THREAD_ARENA == 0 else "anonymous"


def resident() -> dict[str, int]:
    """Bytes: RssAnon is ours alone, RssFile are pages of files, RssShmem is shared."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = (line.split() for line in lines if line.startswith("Rss"))
    return {name.rstrip(":"): 1024 * int(size) for name, size, _ in found}


def python_arenas() -> tuple[int, int]:
    """Bytes of the arenas that Python's allocator of small objects has, and of whole pools in them that nothing uses.

    It tells this to standard error alone, from C.
    """
    with tempfile.TemporaryFile() as told:
        kept = os.dup(2)
        try:
            os.dup2(told.fileno(), 2)
            sys._debugmallocstats()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        told.seek(0)
        text = told.read().decode()
    arenas, unused = _ARENAS.search(text), _UNUSED.search(text)
    return tuple(int(one[1]) * int(one[2]) if one else 0 for one in (arenas, unused))  # type: ignore[return-value]
