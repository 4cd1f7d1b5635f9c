"""A ZIP that is written while it is sent."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime


class Outlet:
    """Where `zipfile` writes to: what has been written can be taken away at once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_entry(name: str, moment: float) -> zipfile.ZipInfo:
    """A file of the ZIP. moment: epoch seconds."""
    at = datetime.fromtimestamp(max(moment, 315_532_800), UTC)  # a ZIP knows no time before 1980
    info = zipfile.ZipInfo(name, at.timetuple()[:6])
    info.external_attr = 0o644 << 16
    return info
