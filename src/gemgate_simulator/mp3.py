"""Small real MP3 files, frame by frame (ISO/IEC 11172-3): a tag in front, and silence of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FRAME: Final = b"\xff\xfb\x90\x00" + bytes(413)
"""128 kbit/s, 44 100 Hz, two channels."""
_SAMPLES: Final = 1152 / 44_100
_TAG: Final = b"ID3\x04\0\0\0\0\0\x20" + bytes(32)
_MANY: Final = 128


@dataclass(frozen=True, slots=True)
class Recording:
    """Music to be written, of about so many seconds; whole frames only."""

    seconds: float = 30.0

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds / _SAMPLES))

    @property
    def length(self) -> float:
        """Seconds, to a thousandth."""
        return round(self.frames * _SAMPLES, 3)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(_TAG) + self.frames * len(_FRAME)

    def pieces(self) -> Iterator[bytes]:
        """The file, piece by piece."""
        yield _TAG
        for start in range(0, self.frames, _MANY):
            yield _FRAME * min(_MANY, self.frames - start)

    def data(self) -> bytes:
        """The file, in one piece."""
        return b"".join(self.pieces())
