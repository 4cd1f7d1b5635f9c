"""The words of videos: what is asked, and the measured facts of what came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gemgate.files import Source

Aspect = Literal["16:9", "9:16"]


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One video. references: images to start from. remixed: the id of the video that it changes, "" for none."""

    prompt: str
    aspect: Aspect = "16:9"
    references: tuple[Source, ...] = ()
    remixed: str = ""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """A stored video as its own file says: container and codec by name (`mp4`, `avc1`), pixels, seconds, bytes."""

    container: str
    codec: str
    width: int
    height: int
    seconds: float
    nbytes: int
    sha256: str
