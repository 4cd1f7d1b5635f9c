"""What the header of an MP4 file says of it (ISO/IEC 14496-12): sizes, length, codec; and whether all of it is there.

Only heads of boxes and the movie's own header are read, whatever the file's length.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from gemgate.errors import BadValue
from gemgate.frozen import frozen

Reader = Callable[[int, int], bytes]
"""(offset, count) -> bytes of the file, fewer at its end."""

MOST_HEADER: Final = 32_000_000
"""Bytes of a movie's header that are read; those of films of minutes have far less."""
_MOST_BOXES: Final = 10_000
"""Boxes beside each other that are looked at."""
_SEARCHED: Final = 65_536
"""Bytes in front of a file's first box that are looked through."""
_CONTAINERS: Final = {"isom": "mp4", "mp41": "mp4", "mp42": "mp4", "avc1": "mp4", "qt  ": "mov", "M4V ": "m4v"}


class DamagedMovie(BadValue):
    """It is no MP4 file, or not all of it is there; `text` says which."""


@frozen
class Movie:
    """Measured facts. container, codec: as the file names them (`mp4`, `avc1`); seconds: of the whole film.

    width, height: pixels as shown, 0 of a film without pictures. nbytes: of the file up to the end of its last box.
    """

    container: str
    codec: str
    width: int
    height: int
    seconds: float
    nbytes: int


def begin(read: Reader) -> int | None:
    """Where the file begins inside of what came, which may be an envelope; None when there is none."""
    found = read(0, _SEARCHED).find(b"ftyp", 4)
    return None if found < 0 else found - 4


def length(read: Reader, start: int, end: int) -> int:
    """Bytes of the boxes side by side from `start` on, as far as they are whole and their names are letters: what
    follows them belongs to the envelope.
    """
    at = start
    for _ in range(_MOST_BOXES):
        head = read(at, 16)
        if len(head) < 8 or not head[4:8].isalnum():
            break
        size = struct.unpack(">I", head[:4])[0]
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if size < 8 or at + size > end:
            break
        at += size
    return at - start


def measure(read: Reader, size: int) -> Movie:
    """What a file of so many bytes says of itself. DamagedMovie when it is no MP4 file or not all of it is there."""
    brand, header, media = "", b"", False
    for name, start, end in _boxes(read, size):
        match name:
            case b"ftyp":
                brand = read(start, 4).decode("latin-1")
            case b"moov":
                header = read(start, min(end - start, MOST_HEADER))
            case b"mdat":
                media = True
    if not (brand and header and media):
        raise DamagedMovie("This is no whole MP4 file", "这不是完整的 MP4 文件")
    inside = _in(header)
    seconds = _seconds(inside.get(b"mvhd", b""))
    tracks = [*_all(header, b"trak")]
    seen = next(filter(None, map(_picture, tracks)), None) or next(filter(None, map(_sound, tracks)), None)
    if seen is None:
        raise DamagedMovie("This MP4 file has neither a picture track nor sound", "该 MP4 文件既无画面也无声音")
    codec, width, height = seen
    return Movie(_CONTAINERS.get(brand, "mp4"), codec, width, height, seconds, size)


def _boxes(read: Reader, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes side by side: name, and where the inside begins and ends. They fill the file, or it was cut."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at == size:
            return
        head = read(at, 16)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head[:8])
        inner = 8
        if length == 1 and len(head) == 16:
            length, inner = struct.unpack(">Q", head[8:])[0], 16
        elif length == 0:
            length = size - at
        if length < inner or at + length > size:
            break
        yield name, at + inner, at + length
        at += length
    raise DamagedMovie("The MP4 file is cut off or damaged", "MP4 文件不完整或已损坏")


def _all(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """The insides of the boxes of this name."""
    for name, start, end in _boxes(lambda at, count: data[at : at + count], len(data)):
        if name == wanted:
            yield data[start:end]


def _in(data: bytes) -> dict[bytes, bytes]:
    """The insides of the boxes by name, the first of each."""
    found: dict[bytes, bytes] = {}
    for name, start, end in _boxes(lambda at, count: data[at : at + count], len(data)):
        found.setdefault(name, data[start:end])
    return found


def _seconds(box: bytes) -> float:
    long = box[:1] == b"\x01"
    need = 32 if long else 20
    if len(box) < need:
        raise DamagedMovie("The MP4 file does not say how long it is", "MP4 文件未说明时长")
    scale, duration = struct.unpack(">IQ", box[20:32]) if long else struct.unpack(">II", box[12:20])
    return round(float(duration) / float(scale), 3) if scale else 0.0


def _picture(track: bytes) -> tuple[str, int, int] | None:
    """Codec, width and height of a track, None when it is not one of pictures."""
    entry = _entry(track, b"vide")
    codec = _codec(entry)
    if not codec or len(entry) < 36:
        return None
    width, height = struct.unpack(">HH", entry[32:36])
    return (codec, width, height) if width and height else None


def _sound(track: bytes) -> tuple[str, int, int] | None:
    """The codec of a track and no size, None when it is not one of sound."""
    codec = _codec(_entry(track, b"soun"))
    return (codec, 0, 0) if codec else None


def _entry(track: bytes, handler: bytes) -> bytes:
    """The first sample entry of a track with this handler, b"" of any other."""
    media = _in(_in(track).get(b"mdia", b""))
    if media.get(b"hdlr", b"")[8:12] != handler:
        return b""
    return _in(_in(media.get(b"minf", b"")).get(b"stbl", b"")).get(b"stsd", b"")[8:]


def _codec(entry: bytes) -> str:
    name = entry[4:8].decode("latin-1").strip()
    return name if name.isascii() and name.isprintable() else ""
