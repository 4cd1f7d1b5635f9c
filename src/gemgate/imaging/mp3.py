"""What the frames of an MP3 file say of it (ISO/IEC 11172-3, 13818-3): length, rate, channels; and whether all of it is
there.

The frames are counted, piece by piece, because a variable bit rate tells its length nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gemgate.audio import MOST_FRAMES, frame_at
from gemgate.errors import BadValue
from gemgate.frozen import frozen
from gemgate.imaging.mp4 import Reader

_SEARCHED: Final = 65_536
"""Bytes in front of a file's first frame that are looked through."""
_WINDOW: Final = 1 << 18
_LONGEST: Final = 8_192
"""Bytes, more than any frame has."""
_TAIL: Final = 128
"""Bytes of an ID3v1 tag."""
_TAGS: Final = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
"""How what may stand behind the last frame begins."""
_REMAINDER: Final = 4_096
"""Bytes behind the last frame that need no name: a frame that was cut off would begin with its mark."""


class DamagedSound(BadValue):
    """It is no MP3 file, or not all of it is there; `text` says which."""


@frozen
class Sound:
    """Measured facts. seconds: of all frames; sample_rate: in Hz; nbytes: of the whole file."""

    seconds: float
    sample_rate: int
    channels: int
    nbytes: int


def begin(read: Reader) -> int | None:
    """Where the file begins inside of what came, which may be an envelope: at its tag, or at the first of three frames
    behind each other; None when there is none.
    """
    head = read(0, _SEARCHED)
    tag = head.find(b"ID3")
    if tag >= 0 and begins(read, tag):
        return tag
    at = head.find(b"\xff")
    while at >= 0:
        if frame_at(head, at) and _are_frames(read, at):
            return at
        at = head.find(b"\xff", at + 1)
    return None


def begins(read: Reader, at: int) -> bool:
    """Whether a file begins at this very byte."""
    return _are_frames(read, at + _tag(read(at, 10)))


def length(read: Reader, start: int, end: int) -> int:
    """Bytes from `start` to the end of the last whole frame, and of a tag behind it: the rest is the envelope's."""
    walked = _walk(read, start + _tag(read(start, 10)), end)
    tail = read(walked.end, _TAIL)
    return walked.end + (_TAIL if len(tail) == _TAIL and tail.startswith(b"TAG") else 0) - start


def measure(read: Reader, size: int) -> Sound:
    """What a file of so many bytes says of itself. DamagedSound when it is no MP3 file or not all of it is there."""
    start = _tag(read(0, 10))
    first = read(start, _LONGEST)
    frame = frame_at(first, 0)
    if frame is None:
        raise DamagedSound("This is no MP3 file", "这不是 MP3 文件")
    walked = _walk(read, start, size)
    rest = read(walked.end, 8)
    whole = rest.startswith(_TAGS) or (size - walked.end < _REMAINDER and not rest.startswith(b"\xff"))
    counted = _announced(first[: frame[0]])
    if not whole or walked.frames - (counted is not None) < (counted or 1):
        raise DamagedSound("The MP3 file is cut off or damaged", "MP3 文件不完整或已损坏")
    silent = frame[1] / frame[2] if counted is not None else 0.0
    channels = 1 if first[3] >> 6 == 3 else 2
    return Sound(round(walked.seconds - silent, 3), frame[2], channels, size)


@dataclass(slots=True)
class _Walked:
    end: int
    frames: int = 0
    seconds: float = 0.0


def _walk(read: Reader, start: int, end: int) -> _Walked:
    """The whole frames side by side from `start` on."""
    walked = _Walked(start)
    window, base = b"", start
    while walked.frames < MOST_FRAMES:
        at = walked.end - base
        if at + 4 > len(window):
            base, at = walked.end, 0
            window = read(base, _WINDOW)
        frame = frame_at(window, at)
        if frame is None or base + frame[0] > end:
            break
        walked.end = base + frame[0]
        walked.frames += 1
        walked.seconds += frame[1] / frame[2]
    return walked


def _are_frames(read: Reader, at: int) -> bool:
    """Whether three frames, or all up to the end, stand behind each other."""
    for number in range(3):
        head = read(at, 4)
        if number and not head:
            return True
        frame = frame_at(head, 0)
        if frame is None:
            return False
        at += frame[0]
    return True


def _tag(head: bytes) -> int:
    """Bytes of the ID3v2 tag that begins so, 0 for none."""
    if head[:3] != b"ID3" or len(head) < 10 or any(byte & 0x80 for byte in head[6:10]):
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def _announced(frame: bytes) -> int | None:
    """How many frames follow, as a first and silent one says (Xing, Info); None where it is a frame like any other."""
    for name in (b"Xing", b"Info"):
        at = frame.find(name, 0, 200)
        if at >= 0:
            told = frame[at + 7 : at + 8] and frame[at + 7] & 1
            return int.from_bytes(frame[at + 8 : at + 12], "big") if told else 0
    return None
