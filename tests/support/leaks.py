"""No cookie that the simulated Google issues may be seen: not in what tests print or log, not in a file's name, not in
the bytes of a file that a gateway leaves behind. The conftest asks this after every test.

The simulator's values are long and random, so nothing else looks like them; short ones in unit tests do not count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

COOKIE = re.compile(r"g\.a000[\w-]{60,}0076|sidts-[\w-]{60,}|AKEyXz[\w-]{60,}")
_BYTES = re.compile(COOKIE.pattern.encode())

LEFT_BEHIND = (".sqlite3", ".sqlite3-wal", ".log", ".zip", ".jsonl", ".owner")
"""Files of ours; a test's own cookie files and a browser's profile are meant to hold cookies."""
LARGEST = 32_000_000


def in_text(text: str) -> list[str]:
    """The cookies in it, cut so that a report does not tell them either."""
    return [found[:12] + "…" for found in COOKIE.findall(text)]


def in_folder(folder: Path) -> Iterator[str]:
    """Where a cookie stands in a folder that a test leaves."""
    for place, folders, files in os.walk(folder):
        if "profile" in place or "Default" in place:
            folders.clear()
            continue
        for name in (*folders, *files):
            if COOKIE.search(name):
                yield f"a name in {place}"
        for name in files:
            path = Path(place, name)
            ours = name.endswith(LEFT_BEHIND) and path.is_file() and path.stat().st_size < LARGEST
            if ours and _BYTES.search(path.read_bytes()):
                yield str(path)
