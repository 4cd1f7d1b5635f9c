"""JPEG files: their segments, and the pixels of one put into the metadata of another.

A changed JPEG is encoded again with its own quantisation tables, subsampling and scan order; every APP and COM segment
(JFIF, EXIF, ICC, XMP, JUMBF) and whatever follows the image stay byte for byte.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

from PIL import Image, JpegImagePlugin

from gemgate.frozen import frozen
from gemgate.imaging.errors import UnsupportedImage
from gemgate.imaging.header import JPEG_FRAMES, jpeg_segments

START: Final = b"\xff\xd8"
APP0, APP1, APP2, APP11, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xEE, 0xFE
TABLES, SCAN, END = 0xDB, 0xDA, 0xD9
ADOBE_YCBCR: Final = 1
MAX_SCANS: Final = 100
"""Each scan of a progressive JPEG goes over all pixels again; encoders write about ten."""
NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In compressed data a 0xff is followed by 0 or is a restart; anything else ends the scan."""


@frozen
class Segment:
    """A segment with its marker at `start`; its content is data[start + 4 : end]."""

    marker: int
    start: int
    end: int

    @property
    def is_metadata(self) -> bool:
        return APP0 <= self.marker <= 0xEF or self.marker == COMMENT


def segments(data: bytes) -> tuple[Segment, ...]:
    """The segments up to and including the first SOS; Unfit where the structure breaks."""
    try:
        return tuple(Segment(marker, start - 4, end) for marker, start, end in jpeg_segments(data))
    except (ValueError, IndexError) as broken:
        raise UnsupportedImage("the JPEG's segments are damaged", "JPEG 的数据段已损坏") from broken


def segment(marker: int, body: bytes) -> bytes:
    """A segment ready to be written; `body` is at most 65 533 bytes."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def refuse_unsafe(data: bytes, found: tuple[Segment, ...]) -> None:
    """Unfit for the kinds whose pixels cannot be written again as they were, and for scans without end."""
    if data.count(bytes([0xFF, SCAN])) > MAX_SCANS:
        raise UnsupportedImage("the JPEG has more scans than a picture needs", "JPEG 的扫描次数超出正常图片所需")
    for each in found:
        body = data[each.start + 4 : each.end]
        if each.marker == APP14 and body.startswith(b"Adobe") and body[11:12] != bytes([ADOBE_YCBCR]):
            raise UnsupportedImage(
                "a JPEG in RGB or CMYK cannot be written again as it was", "RGB 或 CMYK 的 JPEG 无法按原样重新写入"
            )
        if each.marker == APP2 and body.startswith(b"MPF\0"):
            raise UnsupportedImage(
                "a JPEG that holds several pictures cannot be written again as it was",
                "含有多张图片的 JPEG 无法按原样重新写入",
            )


def encode_like(image: Image.Image) -> bytes:
    """The pixels of an opened JPEG, edited in place, with its own tables, subsampling and scan order."""
    if image.mode == "RGB" and JpegImagePlugin.get_sampling(image) < 0:
        raise UnsupportedImage("the JPEG's subsampling cannot be written", "无法写入该 JPEG 的色度抽样方式")
    out = io.BytesIO()
    bare = {"icc_profile": None, "exif": b"", "comment": b"", "xmp": b""}
    image.save(out, "JPEG", quality="keep", progressive=bool(image.info.get("progressive")), **bare)
    return out.getvalue()


def with_image_of(data: bytes, plain: bytes) -> bytes:
    """`data`'s metadata and trailing bytes round the compressed image of `plain`; Unfit when their tables differ."""
    old, new = segments(data), segments(plain)
    if _tables(data, old) != _tables(plain, new):
        raise UnsupportedImage("the JPEG's quantisation tables cannot be kept", "无法保留 JPEG 的量化表")
    out = [START]
    out += [data[each.start : each.end] for each in old if each.is_metadata]
    out += [plain[each.start : each.end] for each in new if not each.is_metadata]
    end = _end(data, old[-1].end)
    return b"".join([*out, plain[new[-1].end :], data[end:]])


def _tables(data: bytes, found: tuple[Segment, ...]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Sampling and quantisation table of each component, in order."""
    tables: dict[int, tuple[int, ...]] = {}
    components: list[tuple[int, int]] = []
    for each in found:
        body = data[each.start + 4 : each.end]
        if each.marker == TABLES:
            tables.update(_quantisation(body))
        elif each.marker in JPEG_FRAMES:
            components = [(body[at + 1], body[at + 2]) for at in range(6, len(body) - 2, 3)]
    if not components or any(table not in tables for _, table in components):
        raise UnsupportedImage("the JPEG's tables are missing", "JPEG 缺少量化表")
    if len(components) == 1:
        return ((0x11, tables[components[0][1]]),)
    return tuple((sampling, tables[table]) for sampling, table in components)


def _quantisation(body: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    at = 0
    while at < len(body):
        wide, name = body[at] >> 4, body[at] & 15
        size = 2 if wide else 1
        piece = body[at + 1 : at + 1 + 64 * size]
        yield name, tuple(int.from_bytes(piece[i : i + size], "big") for i in range(0, len(piece), size))
        at += 1 + 64 * size


def _end(data: bytes, at: int) -> int:
    """Where the image ends: behind EOI, or the end of the file when it has none."""
    while match := NEXT_MARKER.search(data, at):
        if data[match.end() - 1] == END:
            return match.end()
        at = match.end() + max(2, int.from_bytes(data[match.end() : match.end() + 2], "big"))
    return len(data)
