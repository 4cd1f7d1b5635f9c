"""Files of films and music by their bytes: where one begins inside of what came, how long it is, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from gemgate.errors import BadValue
from gemgate.imaging import mp3, mp4
from gemgate.imaging.mp4 import Reader
from gemgate.media import MediaFile

Container = Literal["mp4", "mp3"]


class DamagedMedia(BadValue):
    """It is no such file, or not all of it is there; `text` says which."""


def find(read: Reader) -> tuple[Container, int] | None:
    """What came, and where it begins; None when there is none."""
    if mp3.begins(read, 0):
        return "mp3", 0
    if (start := mp4.begin(read)) is not None:
        return "mp4", start
    start = mp3.begin(read)
    return None if start is None else ("mp3", start)


def length(read: Reader, container: Container, start: int, end: int) -> int:
    """Bytes of the file that begins at `start`, without what stands behind it."""
    return mp4.length(read, start, end) if container == "mp4" else mp3.length(read, start, end)


def measure(read: Reader, size: int) -> MediaFile:
    """The facts of a file of so many bytes, its sha256 left empty. DamagedMedia."""
    try:
        if mp3.begins(read, 0):
            sound = mp3.measure(read, size)
            facts = MediaFile("audio/mpeg", "mp3", "mp3", sound.seconds, size, "")
            return replace(facts, sample_rate=sound.sample_rate, channels=sound.channels)
        movie = mp4.measure(read, size)
    except (mp3.DamagedSound, mp4.DamagedMovie) as error:
        raise DamagedMedia(error.text.en, error.text.zh) from None
    mime = "video/mp4" if movie.width else "audio/mp4"
    facts = MediaFile(mime, movie.container, movie.codec, movie.seconds, size, "")
    return replace(facts, width=movie.width, height=movie.height)
