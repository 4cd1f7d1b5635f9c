"""Small real MP4 files, box by box (ISO/IEC 14496-12): a header that players read, and media data of any length."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TIMESCALE: Final = 1000
_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_FILLER: Final = bytes(range(256)) * 256
_LONG: Final = 16
"""Bytes of a box's head that has a long size."""


@dataclass(frozen=True, slots=True)
class Movie:
    """A film to be written. nbytes: how long the whole file shall be, 0 for as short as it can be; the media data is
    filled up. codec: its sample entry. last: the header stands behind the media data.
    """

    width: int = 1280
    height: int = 720
    seconds: float = 8.0
    nbytes: int = 0
    codec: str = "avc1"
    last: bool = False

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return max(self.nbytes, len(_file_type()) + len(self._header()) + _LONG + 64)

    def pieces(self) -> Iterator[bytes]:
        """The file, piece by piece."""
        header = self._header()
        inside = self.size - len(_file_type()) - len(header) - _LONG
        yield _file_type()
        if not self.last:
            yield header
        yield struct.pack(">I4sQ", 1, b"mdat", inside + _LONG)
        for start in range(0, inside, len(_FILLER)):
            yield _FILLER[: inside - start]
        if self.last:
            yield header

    def data(self) -> bytes:
        """The file, in one piece."""
        return b"".join(self.pieces())

    def _header(self) -> bytes:
        duration = round(self.seconds * _TIMESCALE)
        movie = struct.pack(">IIIII", 0, 0, 0, _TIMESCALE, duration)
        movie += struct.pack(">IHHII", 0x10000, 0x100, 0, 0, 0) + _MATRIX + bytes(24) + struct.pack(">I", 3)
        sound = _track(2, duration, b"soun", (0, 0), _box(b"stsd", struct.pack(">II", 0, 1), _sound()))
        picture = _box(b"stsd", struct.pack(">II", 0, 1), self._picture())
        video = _track(1, duration, b"vide", (self.width, self.height), picture)
        return _box(b"moov", _box(b"mvhd", movie), sound, video)

    def _picture(self) -> bytes:
        body = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", self.width, self.height)
        body += struct.pack(">IIIH", 0x480000, 0x480000, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1)
        return _box(self.codec.encode(), body)


def _sound() -> bytes:
    return _box(b"mp4a", bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 44100 << 16))


def _track(number: int, duration: int, handler: bytes, size: tuple[int, int], samples: bytes) -> bytes:
    head = struct.pack(">IIIIII", 7, 0, 0, number, 0, duration) + bytes(8) + bytes(8) + _MATRIX
    head += struct.pack(">II", size[0] << 16, size[1] << 16)
    clock = struct.pack(">IIIIIHH", 0, 0, 0, _TIMESCALE, duration, 0x55C4, 0)
    kind = struct.pack(">II4s", 0, 0, handler) + bytes(12) + b"\0"
    tables = b"".join(_box(name, bytes(8)) for name in (b"stts", b"stsc", b"stco")) + _box(b"stsz", bytes(12))
    media = _box(b"mdia", _box(b"mdhd", clock), _box(b"hdlr", kind), _box(b"minf", _box(b"stbl", samples, tables)))
    return _box(b"trak", _box(b"tkhd", head), media)


def _file_type() -> bytes:
    return _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, name) + body
