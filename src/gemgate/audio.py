"""Recordings by their bytes: which kind they are, and how long they last where the file itself says so."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from gemgate.frozen import frozen


@frozen
class AudioKind:
    """A container, as browsers call it: the type that they send for the ending."""

    name: str
    mime: str
    ending: str


WAV = AudioKind("WAV", "audio/wav", ".wav")
MP3 = AudioKind("MP3", "audio/mpeg", ".mp3")
FLAC = AudioKind("FLAC", "audio/flac", ".flac")
OGG = AudioKind("OGG", "audio/ogg", ".ogg")
M4A = AudioKind("M4A", "audio/mp4", ".m4a")
MP4 = AudioKind("MP4", "video/mp4", ".mp4")
WEBM = AudioKind("WebM", "video/webm", ".webm")

KINDS = (WAV, MP3, FLAC, OGG, M4A, MP4, WEBM)
_ENDINGS = {kind.ending: kind.mime for kind in KINDS} | {".oga": OGG.mime, ".opus": OGG.mime, ".mpga": MP3.mime}


def type_of_name(name: str) -> str | None:
    """The type of a recording by the ending of its name, the same on every system; None for other endings."""
    return _ENDINGS.get("." + name.rpartition(".")[2].lower())


def ending_of(mime: str) -> str | None:
    """The ending that goes with the type of a recording; None for other types."""
    return next((kind.ending for kind in KINDS if kind.mime == mime), None)


def kind_of(data: bytes) -> AudioKind | None:
    """The kind of recording that bytes show; None for anything else."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return WAV
    if data[:4] == b"fLaC":
        return FLAC
    if data[:4] == b"OggS":
        return OGG
    if data[:4] == b"\x1aE\xdf\xa3" and b"webm" in data[:64]:
        return WEBM
    if data[4:8] == b"ftyp" and data[8:12] not in _PICTURES:
        return MP4 if b"vide" in _handlers(data) else M4A
    if data[:3] == b"ID3":
        return FLAC if data[_behind_id3(data) :][:4] == b"fLaC" else MP3
    first = frame_at(data, 0)
    return MP3 if first and frame_at(data, first[0]) else None


def seconds_of(data: bytes) -> float | None:
    """How long a recording lasts, in seconds, as its own headers or frames say; None where they do not."""
    kind = kind_of(data)
    reader = _READERS.get(kind.ending) if kind else None
    try:
        seconds = reader(data) if reader else None
    except (struct.error, IndexError, ZeroDivisionError):  # cut off, or not what it looks like
        return None
    return max(round(seconds or 0, 3), 0) or None


def _wav(data: bytes) -> float | None:
    """The bytes of sound that are there, at the rate that the format names; who streams writes no true size."""
    at, rate = 12, 0
    for _ in range(MOST_BOXES):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"fmt ":
            rate = struct.unpack_from("<I", data, at + 16)[0]
        elif name == b"data":
            return min(size or len(data), len(data) - at - 8) / rate
        at += 8 + size + size % 2
    return None


def _flac(data: bytes) -> float | None:
    at = _behind_id3(data) + 4
    if data[at] & 0x7F:  # the first block has to be STREAMINFO
        return None
    facts = struct.unpack_from(">Q", data, at + 14)[0]
    return float((facts & (1 << 36) - 1) / (facts >> 44))


def _ogg(data: bytes) -> float | None:
    """The position of the last page of the first stream; Opus counts 48 000 a second and leaves its first out."""
    serial, body = data[14:18], 27 + data[26]
    head = data[body : body + 64]
    if head.startswith(b"OpusHead"):
        skipped, rate = struct.unpack_from("<H", head, 10)[0], 48_000
    elif head.startswith(b"\x01vorbis"):
        skipped, rate = 0, struct.unpack_from("<I", head, 12)[0]
    else:
        return None
    at = len(data)
    for _ in range(MOST_BOXES):
        if (at := data.rfind(b"OggS", 0, at)) < 0:
            break
        position = struct.unpack_from("<q", data, at + 6)[0]
        if data[at + 14 : at + 18] == serial and position > 0:
            return float((position - skipped) / rate)
    return None


_BITRATES = {  # kbit/s by version 1 or 2, and layer
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)


def frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """(end, samples, samples a second) of the MPEG frame that begins at `at`; None where none does."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    bits, layer, low = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3), data[at + 2] >> 2 & 3
    if bits == 1 or layer == 4 or low == 3 or data[at + 2] >> 4 in (0, 15):
        return None
    version = 1 if bits == 3 else 2
    rate = _RATES[low] // {3: 1, 2: 2, 0: 4}[bits]
    bitrate = _BITRATES[version, layer][data[at + 2] >> 4] * 1000
    padding = data[at + 2] >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and version == 2 else 1152
    size = (12 * bitrate // rate + padding) * 4 if layer == 1 else samples // 8 * bitrate // rate + padding
    return at + size, samples, rate


def _mp3(data: bytes) -> float | None:
    """The frames, counted: what a variable bit rate has no header for. None where something else stands between."""
    at, seconds = _behind_id3(data), 0.0
    end = len(data) - (128 if data[-128:-125] == b"TAG" else 0)
    for number in range(MOST_FRAMES):
        if at >= end or (frame := frame_at(data, at)) is None:
            break
        if number or not _is_note(data[at : frame[0]]):
            seconds += frame[1] / frame[2]
        at = frame[0]
    ended = at >= end or data[at : at + 8] == b"APETAGEX" or not any(data[at:end])
    return seconds if ended else None


def _is_note(frame: bytes) -> bool:
    """Whether a first frame is silent and only says how many others there are."""
    return b"Xing" in frame[:200] or b"Info" in frame[:200]


def _behind_id3(data: bytes) -> int:
    if data[:3] != b"ID3":
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    return 10 + size


MOST_FRAMES, MOST_BOXES = 400_000, 4_000
"""Nearly three hours of MP3, and far more boxes, pages or chunks than a file has before what is looked for: beyond them
the length counts as unknown.
"""

_PICTURES = (b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc", b"hevx")


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, beginning and end of what is inside) of the boxes of ISO media between `at` and `end`."""
    for _ in range(MOST_BOXES):
        if at + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, at)
        inside = at + 8
        if size == 1 and at + 16 <= end:
            size, inside = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        stop = end if size == 0 else at + size
        if stop < inside or stop > end:
            return
        yield name, inside, stop
        at = stop


def _inside(data: bytes, *path: bytes) -> Iterator[tuple[int, int]]:
    """Beginning and end of every box at `path`."""
    found = [(0, len(data))]
    for wanted in path:
        found = [(a, b) for start, end in found for name, a, b in _boxes(data, start, end) if name == wanted]
    return iter(found)


def _handlers(data: bytes) -> set[bytes]:
    """What the tracks are: `soun`, `vide`."""
    return {data[at + 8 : at + 12] for at, _ in _inside(data, b"moov", b"trak", b"mdia", b"hdlr")}


def _mp4(data: bytes) -> float | None:
    for at, _ in _inside(data, b"moov", b"mvhd"):
        if data[at]:
            scale, length = struct.unpack_from(">IQ", data, at + 20)
        else:
            scale, length = struct.unpack_from(">II", data, at + 12)
        return float(length / scale)
    return None


_READERS: dict[str, Callable[[bytes], float | None]] = {
    ".wav": _wav,
    ".flac": _flac,
    ".ogg": _ogg,
    ".mp3": _mp3,
    ".m4a": _mp4,
    ".mp4": _mp4,
}
