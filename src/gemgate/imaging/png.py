"""PNG files: chunks read with suspicion, pixels un-filtered only where they are looked at, and written back so that
nothing but the logo's pixels changes.

`Surgery` keeps every chunk and the compressed start of the image byte for byte (docs/logo.md 5). 8-bit grey and colour
without interlacing can have it; interlaced ones are deflated anew, everything else can only be looked at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from PIL import Image

from gemgate.frozen import frozen
from gemgate.imaging.deflate import Inflated, inflate, splice
from gemgate.imaging.errors import UnsupportedImage
from gemgate.lazy_import import later

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gemgate.imaging.logo import Box, Pixels

else:
    np = later("numpy")

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MODES: Final = {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}
"""Pillow's mode of each PNG colour type that has its samples in the pixels."""
MAX_CHUNKS: Final = 100_000
BAND: Final = 1 << 20
"""Bytes un-filtered at a time."""
SUB, UP, AVERAGE, PAETH = 1, 2, 3, 4


@frozen
class Chunk:
    """One chunk's place in the file: its length field begins at `start`, the next chunk at `end`."""

    kind: bytes
    start: int
    end: int

    @property
    def body(self) -> tuple[int, int]:
        return self.start + 8, self.end - 4


def chunks(data: bytes) -> tuple[Chunk, ...]:
    """All chunks up to IEND, checksums verified; Unfit where the file is damaged."""
    found: list[Chunk] = []
    at, view = len(SIGNATURE), memoryview(data)
    while not found or found[-1].kind != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if end > len(data) or len(found) >= MAX_CHUNKS:
            raise UnsupportedImage("the PNG ends before its last chunk", "PNG 在最后一个数据块之前中断")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise UnsupportedImage("a PNG chunk has a wrong checksum", "PNG 数据块的校验和不符")
        found.append(Chunk(data[at + 4 : at + 8], at, end))
        at = end
    return tuple(found)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk ready to be written."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return b"".join([len(body).to_bytes(4, "big"), kind, body, checksum.to_bytes(4, "big")])


@frozen
class Layout:
    """What IHDR says, and the bytes of one filtered row."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @classmethod
    def of(cls, data: bytes) -> Layout:
        number = int.from_bytes
        if data[26] or data[27] or data[28] > 1:
            raise UnsupportedImage(
                "the PNG uses a compression or filter that the standard does not know",
                "PNG 使用了标准之外的压缩或滤波方式",
            )
        return cls(number(data[16:20], "big"), number(data[20:24], "big"), data[24], data[25], data[28] == 1)

    @property
    def channels(self) -> int:
        return {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[self.colour]

    @property
    def row(self) -> int:
        return 1 + self.width * self.channels


class Surgery:
    """An 8-bit, non-interlaced PNG, inflated, open for a change near its bottom right corner."""

    def __init__(self, data: bytes, found: tuple[Chunk, ...], layout: Layout) -> None:
        self._data, self._chunks, self._layout = data, found, layout
        parts = [each.body for each in _one_run(found)]
        self._stream: Inflated = inflate(data, parts, layout.row * layout.height)
        self._filtered = self._stream.raw.reshape(layout.height, layout.row)
        if int(np.max(self._filtered[:, 0])) > PAETH:
            raise UnsupportedImage(
                "the PNG uses a row filter that the standard does not know", "PNG 使用了标准之外的行滤波"
            )

    def look(self, reach: int) -> Pixels:
        """The bottom right `reach` pixels each way, height x width x channels, alpha included."""
        return _unfilter(self._filtered, self._layout, reach)

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        """The file again with `corner` in place of its own; they differ inside `box` (of the whole image) only."""
        first = _refilter(self._filtered, corner, box)
        changed = splice(self._stream, first)
        idat = [each for each in self._chunks if each.kind == b"IDAT"]
        view, kept = memoryview(self._data), 0
        out: list[bytes | memoryview] = [view[: idat[0].start]]
        for each in idat:
            start, end = each.body
            if kept + end - start > changed.keep:
                out.append(chunk(b"IDAT", bytes(view[start : start + changed.keep - kept]) + changed.tail))
                break
            out.append(view[each.start : each.end])
            kept += end - start
        out.append(view[idat[-1].end :])
        return b"".join(out)


def with_pixels_of(data: bytes, found: tuple[Chunk, ...], plain: bytes) -> bytes:
    """`data` with the pixels of `plain`, a PNG of the same size, depth and colour that is not interlaced."""
    head = data[16:28] + b"\0"
    body = b"".join(plain[start:end] for each in chunks(plain) if each.kind == b"IDAT" for start, end in [each.body])
    out = [SIGNATURE, chunk(b"IHDR", head)]
    idat = _one_run(found)
    out += [data[each.start : each.end] for each in found[1:] if each.end <= idat[0].start]
    return b"".join([*out, chunk(b"IDAT", body), data[idat[-1].end :]])


def _one_run(found: Iterable[Chunk]) -> list[Chunk]:
    """The IDAT chunks, which must follow each other."""
    idat = [each for each in found if each.kind == b"IDAT"]
    if not idat or any(a.end != b.start for a, b in pairwise(idat)):
        raise UnsupportedImage("the PNG's pixels are missing or scattered", "PNG 的像素数据缺失或不连续")
    return idat


def _unfilter(filtered: NDArray[np.uint8], layout: Layout, reach: int) -> Pixels:
    """The bottom right `reach` pixels each way.

    A row that does not lean on the one above begins a run of its own, so nothing before the last such row is needed.
    """
    wanted = max(layout.height - reach, 0)
    free = np.flatnonzero(filtered[: wanted + 1, 0] <= SUB)
    start = int(free[-1]) if free.size else 0
    step = max(1, BAND // layout.row)
    above: bytes | None = None
    kept: list[Pixels] = []
    for top in range(start, layout.height, step):
        band = _band(filtered[top : top + step], layout, above)
        above = band[-1].tobytes()
        if top + step > wanted:
            kept.append(band[max(wanted - top, 0) :, -reach:].copy())
    return np.concatenate(kept)


def _band(filtered: NDArray[np.uint8], layout: Layout, above: bytes | None) -> Pixels:
    """Un-filter one band in C: Pillow reads it as a stored zlib stream, led by the row above it, taken as it is."""
    lead = b"" if above is None else b"\0" + above
    size = (layout.width, len(filtered) + bool(lead))
    mode = MODES[layout.colour]
    image = Image.frombytes(mode, size, zlib.compress(lead + filtered.tobytes(), 0), "zip", mode)
    pixels = np.asarray(image).reshape(size[1], layout.width, layout.channels)
    return pixels[bool(lead) :]


def _refilter(filtered: NDArray[np.uint8], corner: Pixels, box: Box) -> int:
    """Write the box's pixels, and those whose filters look at them, back with the filter each row has.

    Returns the offset of the first byte that may have changed.
    """
    height, stride = filtered.shape
    channels: int = corner.shape[2]
    top, left = height - corner.shape[0], (stride - 1) // channels - corner.shape[1]
    assert box.top > top or not top, "filters look at the row above"
    assert box.left > left or not left, "filters look to the left"
    right, bottom = min(box.right + 1, left + corner.shape[1]), min(box.bottom + 1, height)
    y, x = slice(box.top - top, bottom - top), slice(box.left - left, right - left)
    below, after = slice(y.start + 1, y.stop + 1), slice(x.start + 1, x.stop + 1)
    framed = np.pad(corner, ((1, 0), (1, 0), (0, 0)))
    here, before, above, across = framed[below, after], framed[below, x], framed[y, after], framed[y, x]
    kinds = filtered[box.top : bottom, 0]
    region = filtered[box.top : bottom, 1 + box.left * channels : 1 + right * channels]
    for kind in np.unique(kinds):
        rows = kinds == kind
        guess = _guess(int(kind), before[rows], above[rows], across[rows])
        region[rows] = (here[rows] - guess).reshape(len(guess), -1)
    return int(box.top * stride + 1 + box.left * channels)


def _guess(kind: int, left: Pixels, above: Pixels, corner: Pixels) -> Pixels:
    """What a PNG filter predicts (PNG specification, section 9)."""
    if kind == SUB:
        return left
    if kind == UP:
        return above
    if kind == AVERAGE:
        mean: Pixels = ((left.astype(np.uint16) + above) // 2).astype(np.uint8)
        return mean
    if kind == PAETH:
        a, b, c = left.astype(np.int16), above.astype(np.int16), corner.astype(np.int16)
        pa, pb, pc = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
        return np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, above, corner))
    return np.zeros_like(left)
