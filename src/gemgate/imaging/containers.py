"""The metadata of image files at container level: where XMP and C2PA stand in PNG, JPEG and WebP.

Nothing is decoded, and what is not replaced stays byte for byte. Sources: PNG third edition 11.3.3 (iTXt), XMP part 3
(embedding), C2PA 2.x, annex A (caBX, JUMBF in APP11, the C2PA chunk of RIFF files), RFC 9649 (WebP).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from gemgate.imaging import jpeg, png, webp
from gemgate.imaging.errors import UnsupportedImage
from gemgate.imaging.header import Header

PNG_XMP: Final = b"XML:com.adobe.xmp\0"
JPEG_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
C2PA_UUID: Final = bytes.fromhex("63327061 0011 0010 8000 00aa00389b71")
MAX_PACKET: Final = 4 << 20
MAX_SEGMENT: Final = 65_533


class Container(Protocol):
    """xmp: the packet of the file or None; room: the most bytes a packet may have, 0 = any; has_c2pa: a manifest."""

    xmp: bytes | None
    room: int
    has_c2pa: bool

    def write(self, xmp: bytes | None, *, drop_c2pa: bool) -> bytes:
        """The file with this packet in place of its own, or with its own when None; maybe without the manifest."""
        ...


def open_container(data: bytes, header: Header) -> Container:
    """The container of a measured PNG, JPEG or WebP; Unfit for others and for damaged ones."""
    kinds: dict[str, type[PngContainer | JpegContainer | WebpContainer]] = {
        "image/png": PngContainer,
        "image/jpeg": JpegContainer,
        "image/webp": WebpContainer,
    }
    if header.mime not in kinds:
        raise UnsupportedImage(
            f"provenance is not written into {header.mime} files", f"不在 {header.mime} 文件中写入来源标记"
        )
    return kinds[header.mime](data, header)


class PngContainer:
    """XMP in an iTXt chunk before the pixels, C2PA in caBX."""

    room = 0

    def __init__(self, data: bytes, _: Header) -> None:
        self._data, self._chunks = data, png.chunks(data)
        self._xmp_at = next((each for each in self._chunks if self._is_xmp(each)), None)
        self.xmp = _itxt_text(data[slice(*self._xmp_at.body)]) if self._xmp_at else None
        self.has_c2pa = any(each.kind == b"caBX" for each in self._chunks)

    def _is_xmp(self, each: png.Chunk) -> bool:
        return each.kind == b"iTXt" and self._data.startswith(PNG_XMP, each.start + 8)

    def write(self, xmp: bytes | None, *, drop_c2pa: bool) -> bytes:
        new = png.chunk(b"iTXt", PNG_XMP + b"\0\0\0\0" + xmp) if xmp is not None else b""
        at = self._xmp_at or next((each for each in self._chunks if each.kind == b"IDAT"), self._chunks[-1])
        view = memoryview(self._data)
        out: list[bytes | memoryview] = [view[: len(png.SIGNATURE)]]
        for each in self._chunks:
            if each is at and new:
                out.append(new)
            if not (each.kind == b"caBX" and drop_c2pa) and not (each is self._xmp_at and new):
                out.append(view[each.start : each.end])
        return b"".join([*out, view[self._chunks[-1].end :]])


def _itxt_text(body: bytes) -> bytes:
    """The text of an iTXt chunk, inflated when it is compressed."""
    compressed, rest = body[len(PNG_XMP) : len(PNG_XMP) + 1], body[len(PNG_XMP) + 2 :]
    text = rest.split(b"\0", 2)[-1]
    if compressed != b"\1":
        return text
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(text, MAX_PACKET)
    except zlib.error as broken:
        raise UnsupportedImage("the file's XMP packet cannot be read", "无法读取文件的 XMP 数据包") from broken
    if not inflater.eof:
        raise UnsupportedImage("the file's XMP packet is cut short or too large", "文件的 XMP 数据包不完整或过大")
    return plain


class JpegContainer:
    """XMP in an APP1 segment near the front, C2PA as JUMBF boxes spread over APP11 segments."""

    room = MAX_SEGMENT - len(JPEG_XMP)

    def __init__(self, data: bytes, _: Header) -> None:
        self._data, self._segments = data, jpeg.segments(data)
        self._xmp_at = next((each for each in self._segments if self._is(each, jpeg.APP1, JPEG_XMP)), None)
        self.xmp = data[self._xmp_at.start + 4 + len(JPEG_XMP) : self._xmp_at.end] if self._xmp_at else None
        self._manifest = frozenset(self._manifest_boxes())
        self.has_c2pa = bool(self._manifest)

    def _is(self, each: jpeg.Segment, marker: int, start: bytes) -> bool:
        return each.marker == marker and self._data.startswith(start, each.start + 4)

    def _box(self, each: jpeg.Segment) -> bytes:
        """The instance number of the JUMBF box that an APP11 segment carries a piece of, or nothing."""
        return self._data[each.start + 6 : each.start + 8] if self._is(each, jpeg.APP11, b"JP") else b""

    def _manifest_boxes(self) -> Iterator[bytes]:
        for each in self._segments:
            head = self._data[each.start + 4 : min(each.end, each.start + 84)]
            if (box := self._box(each)) and b"jumb" in head and C2PA_UUID in head:
                yield box

    def write(self, xmp: bytes | None, *, drop_c2pa: bool) -> bytes:
        new = jpeg.segment(jpeg.APP1, JPEG_XMP + xmp) if xmp is not None else b""
        at = self._xmp_at or self._behind_exif()
        out = [jpeg.START]
        for each in self._segments:
            if each is at and new:
                out.append(new)
            if not (drop_c2pa and self._box(each) in self._manifest) and not (each is self._xmp_at and new):
                out.append(self._data[each.start : each.end])
        return b"".join([*out, self._data[self._segments[-1].end :]])

    def _behind_exif(self) -> jpeg.Segment:
        """The segment behind JFIF and EXIF, which come first."""
        first = 0
        for index, each in enumerate(self._segments[:-1]):
            if each.marker == jpeg.APP0 or self._is(each, jpeg.APP1, b"Exif\0"):
                first = index + 1
        return self._segments[first]


class WebpContainer:
    """XMP and C2PA in RIFF chunks of their own, announced in VP8X."""

    room = 0

    def __init__(self, data: bytes, header: Header) -> None:
        self._chunks, self._header = webp.chunks(data), header
        self._trailing = data[int.from_bytes(data[4:8], "little") + 8 :]
        self.xmp = next((each.body for each in self._chunks if each.kind == b"XMP "), None)
        self.has_c2pa = any(each.kind == b"C2PA" for each in self._chunks)

    def write(self, xmp: bytes | None, *, drop_c2pa: bool) -> bytes:
        dropped = ({b"C2PA"} if drop_c2pa else set()) | ({b"XMP "} if xmp is not None else set())
        kept = [each for each in self._chunks if each.kind not in dropped]
        if xmp is not None:
            kept = [*_announcing_xmp(kept, self._header), webp.Chunk(b"XMP ", xmp)]
        return webp.assemble(kept) + self._trailing


def _announcing_xmp(found: list[webp.Chunk], header: Header) -> list[webp.Chunk]:
    """The chunks led by a VP8X that says there is XMP."""
    first = found[0]
    if first.kind == b"VP8X":
        return [webp.Chunk(b"VP8X", bytes([first.body[0] | webp.HAS_XMP]) + first.body[1:]), *found[1:]]
    alpha = first.kind == b"VP8L" and bool(first.body[4] & 0x10)
    flags = webp.HAS_XMP | (webp.HAS_ALPHA if alpha else 0)
    size = (header.width - 1).to_bytes(3, "little") + (header.height - 1).to_bytes(3, "little")
    return [webp.Chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size), *found]
