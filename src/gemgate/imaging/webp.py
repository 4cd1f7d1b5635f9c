"""WebP files: RIFF chunks, and the pixels of one put into the metadata of another.

Lossless stays lossless; a lossy image is encoded again at the quality its own quantisers say. ICC, EXIF, XMP and
foreign chunks stay byte for byte. Animations are left alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from PIL import Image

from gemgate.frozen import frozen
from gemgate.imaging.errors import UnsupportedImage

IMAGE: Final = (b"VP8 ", b"VP8L", b"ALPH")
HAS_ALPHA, HAS_XMP, HAS_ANIMATION = 0x10, 0x04, 0x02
MAX_CHUNKS: Final = 10_000
LOSSLESS_EFFORT: Final = 20


@frozen
class Chunk:
    """A RIFF chunk's kind and content."""

    kind: bytes
    body: bytes


def chunks(data: bytes) -> tuple[Chunk, ...]:
    """The file's chunks; Unfit where it is damaged."""
    size = int.from_bytes(data[4:8], "little") + 8
    if not data.startswith(b"RIFF") or data[8:12] != b"WEBP" or size > len(data):
        raise UnsupportedImage("the WebP is cut short", "WebP 文件不完整")
    found: list[Chunk] = []
    at = 12
    while at + 8 <= size:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > size or len(found) >= MAX_CHUNKS:
            raise UnsupportedImage("a WebP chunk is cut short", "WebP 数据块不完整")
        found.append(Chunk(data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return tuple(found)


def assemble(parts: Iterable[Chunk]) -> bytes:
    """A file of these chunks."""
    body = b"".join(
        b"".join([each.kind, len(each.body).to_bytes(4, "little"), each.body, b"\0" * (len(each.body) % 2)])
        for each in parts
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def is_lossless(found: tuple[Chunk, ...]) -> bool:
    """Whether the one image of the file is lossless; Unfit for animations and files without an image."""
    kinds = {each.kind for each in found}
    if b"ANIM" in kinds or b"ANMF" in kinds or len(kinds & {b"VP8 ", b"VP8L"}) != 1:
        raise UnsupportedImage("an animated WebP is left alone", "动画 WebP 保持原样")
    return b"VP8L" in kinds


def encode_like(image: Image.Image, found: tuple[Chunk, ...]) -> bytes:
    """The edited pixels, lossless or at the quality of the file they came from."""
    out = io.BytesIO()
    if is_lossless(found):
        image.save(out, "WEBP", lossless=True, quality=LOSSLESS_EFFORT, method=0, exact=True)
    else:
        vp8 = next(each.body for each in found if each.kind == b"VP8 ")
        image.save(out, "WEBP", quality=quality_of(vp8), exact=True)
    return out.getvalue()


def with_image_of(found: tuple[Chunk, ...], plain: bytes) -> bytes:
    """The chunks `found` with the image of `plain` in place of their own."""
    new = [each for each in chunks(plain) if each.kind in IMAGE]
    at = next(index for index, each in enumerate(found) if each.kind in IMAGE)
    rest = [each for each in found[at:] if each.kind not in IMAGE]
    return assemble([*found[:at], *new, *rest])


def quality_of(vp8: bytes) -> int:
    """The encoder quality (0..100) that gives a VP8 frame's quantisers, rather a little too high than too low.

    Frame header: RFC 6386, 9.2 to 9.6 and 19.2; quality to quantiser: libwebp, QualityToCompression.
    """
    bits = _Bits(vp8[10:])
    bits.read(2)
    indices, absolute = _segment_quantisers(bits) if bits.read(1) else ([], False)
    bits.read(10)
    if bits.read(1) and bits.read(1):
        for _ in range(8):
            bits.signed(6)
    bits.read(2)
    base = bits.read(7)
    used = [each if absolute else base + each for each in indices] or [base]
    quantiser = (sum(used) / len(used) + min(used)) / 2
    compression = 1 - min(max(quantiser, 0), 127) / 127
    linear = compression**3
    return round(100 * (linear * 1.5 if linear < 0.5 else (linear + 1) / 2))


def _segment_quantisers(bits: _Bits) -> tuple[list[int], bool]:
    """The four segments' quantisers, and whether they stand by themselves or are added to the frame's."""
    new_map, new_data = bits.read(1), bits.read(1)
    indices, absolute = [], False
    if new_data:
        absolute = bool(bits.read(1))
        indices = [bits.signed(7) for _ in range(4)]
        for _ in range(4):
            bits.signed(6)
    if new_map:
        for _ in range(3):
            if bits.read(1):
                bits.read(8)
    return indices, absolute


class _Bits:
    """VP8's boolean decoder, for literals only: every bit has probability one half (RFC 6386, 7.3)."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._range, self._value, self._count = data, 2, 255, int.from_bytes(data[:2], "big"), 0

    def read(self, bits: int) -> int:
        number = 0
        for _ in range(bits):
            number = number * 2 + self._bit()
        return number

    def signed(self, bits: int) -> int:
        """A number behind a flag and with a sign behind it; 0 without the flag."""
        if not self.read(1):
            return 0
        number = self.read(bits)
        return -number if self.read(1) else number

    def _bit(self) -> int:
        split = 1 + ((self._range - 1) * 128 >> 8)
        bit = int(self._value >= split << 8)
        if bit:
            self._range -= split
            self._value -= split << 8
        else:
            self._range = split
        while self._range < 128:
            self._value, self._range, self._count = self._value << 1, self._range << 1, self._count + 1
            if self._count == 8:
                self._count = 0
                self._value |= self._data[self._at] if self._at < len(self._data) else 0
                self._at += 1
        return bit
