"""The words of videos and music: what is asked, and the measured facts of what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, TypeAlias

from gemgate.accounts import Standstill
from gemgate.errors import GatewayError
from gemgate.files import Source
from gemgate.frozen import frozen

MediaKind = Literal["video", "music"]
MEDIA_KINDS: Final[tuple[MediaKind, ...]] = ("video", "music")
Aspect = Literal["16:9", "9:16"]
SongLength = Literal["short", "standard"]
MediaState = Literal["queued", "in_progress", "completed", "failed"]
ENDINGS: Final = {"video/mp4": "mp4", "audio/mp4": "m4a", "audio/mpeg": "mp3"}
"""The ending that goes with the type of a file."""


@frozen
class VideoRequest:
    """One video. references: images to start from. remixed: the id of the video that it changes, "" for none."""

    prompt: str
    aspect: Aspect = "16:9"
    references: tuple[Source, ...] = ()
    remixed: str = ""
    kind: ClassVar[MediaKind] = "video"


@frozen
class MusicRequest:
    """One piece of music. length: `short` is about 30 seconds. instrumental: nobody sings.

    references: images that it shall sound like.
    """

    prompt: str
    length: SongLength = "standard"
    instrumental: bool = False
    references: tuple[Source, ...] = ()
    kind: ClassVar[MediaKind] = "music"


MediaRequest: TypeAlias = VideoRequest | MusicRequest


@frozen
class MediaFile:
    """A stored file as it says itself: container and codec by name (`mp4` and `avc1`, `mp3` and `mp3`), seconds, bytes.

    width, height: pixels, 0 without a picture. sample_rate: in Hz, channels: of the sound, 0 where it is not told.
    """

    mime: str
    container: str
    codec: str
    seconds: float
    nbytes: int
    sha256: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0


@frozen
class MediaCall:
    """A read call. model: the id of its card. wished: what is shown again; ignored: wishes that change nothing."""

    request: MediaRequest
    model: str
    wished: Mapping[str, str]
    ignored: tuple[str, ...] = ()


@frozen
class MadeMedia:
    """A video or a piece of music as it stands. Times in epoch seconds, 0 = not yet; files: once they are here, the
    first is what was asked for. remixed: the id of the video that it changes. standstill: while it cannot be made.
    """

    id: str
    kind: MediaKind
    status: MediaState
    prompt: str
    model: str
    created_at: float
    completed_at: float = 0.0
    wished: Mapping[str, str] | None = None
    remixed: str = ""
    files: tuple[MediaFile, ...] = ()
    error: GatewayError | None = None
    standstill: Standstill | None = None
