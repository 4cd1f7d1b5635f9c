"""What an image file says of itself, read from its first bytes: nothing is decoded, nothing is allocated.

Uploads and answers are measured here before any decoder sees them, so a file that claims more pixels than allowed is
refused while it is still a few bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gemgate.errors import BadRequest, TooLarge, UnsupportedMedia
from gemgate.frozen import frozen

MAX_PIXELS: Final = 50_000_000
"""Default limit: three 4096 x 4096 images; `MAX_IMAGE_PIXELS` in the settings."""

EXTENSIONS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/heic": "heic",
}
JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ISO_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
}
MAX_BOXES: Final = 10_000


@frozen
class Header:
    """width, height in pixels as stored (a rotation note in EXIF is not applied); bit_depth per channel, 0 unknown."""

    mime: str
    width: int
    height: int
    bit_depth: int = 8
    animated: bool = False

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.mime]


def measure(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Read type and size of a PNG, JPEG, WebP, GIF, AVIF or HEIC.

    Raises UnsupportedMedia for anything else, BadRequest when the header is broken or cut short, and TooLarge above
    `max_pixels` (0 = no limit).
    """
    reader = _reader(data)
    if reader is None:
        raise UnsupportedMedia(
            "not a picture that can be read: send PNG, JPEG, WebP, GIF, AVIF or HEIC",
            "无法识别的图片格式：请使用 PNG、JPEG、WebP、GIF、AVIF 或 HEIC",
        )
    try:
        header = reader(data)
    except (IndexError, ValueError) as broken:
        raise _broken() from broken
    if not header.width or not header.height:
        raise _broken()
    if max_pixels and header.width * header.height > max_pixels:
        size = f"{header.width}x{header.height}"
        raise TooLarge(
            f"the picture claims {size} pixels, more than the limit of {max_pixels}; send a smaller one",
            f"图片尺寸为 {size}，超过 {max_pixels} 像素的上限；请缩小后再发送",
        )
    return header


def _broken() -> BadRequest:
    return BadRequest(
        "the picture is damaged or cut short; send the whole file", "图片已损坏或不完整；请发送完整的文件"
    )


def _reader(data: bytes) -> Callable[[bytes], Header] | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if data[4:8] == b"ftyp" and _brand(data):
        return _iso
    return None


def _number(data: bytes, at: int, length: int, order: str = "big") -> int:
    """An unsigned number; IndexError when the file ends before it."""
    piece = data[at : at + length]
    if len(piece) < length:
        raise IndexError
    return int.from_bytes(piece, "little" if order == "little" else "big")


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise ValueError
    animated = data.find(b"acTL", 33, 8192) > 0
    return Header("image/png", _number(data, 16, 4), _number(data, 20, 4), _number(data, 24, 1), animated)


def _jpeg(data: bytes) -> Header:
    for marker, start, _ in jpeg_segments(data):
        if marker in JPEG_FRAMES:
            return Header("image/jpeg", _number(data, start + 3, 2), _number(data, start + 1, 2), data[start])
    raise ValueError


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the content of every segment up to and including SOS.

    ValueError or IndexError where the structure breaks.
    """
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = _number(data, at, 2)
        if marker in (0x00, 0xD9) or length < 2 or at + length > len(data):
            raise ValueError
        yield marker, at + 2, at + length
        if marker == 0xDA:
            return
        at += length


def _gif(data: bytes) -> Header:
    """The screen's size; "animated" is what the looping extension says."""
    return Header(
        "image/gif", _number(data, 6, 2, "little"), _number(data, 8, 2, "little"), 8, b"NETSCAPE2.0" in data[:1024]
    )


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        animated = bool(data[20] & 0x02)
        return Header("image/webp", 1 + _number(data, 24, 3, "little"), 1 + _number(data, 27, 3, "little"), 8, animated)
    if kind == b"VP8L":
        if data[20] != 0x2F:
            raise ValueError
        bits = _number(data, 21, 4, "little")
        return Header("image/webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise ValueError
        return Header("image/webp", _number(data, 26, 2, "little") & 0x3FFF, _number(data, 28, 2, "little") & 0x3FFF)
    raise ValueError


def _brand(data: bytes) -> str | None:
    """AVIF when any brand says so: its files also name the brands of HEIC's container."""
    if len(data) < 16:
        return None
    end = min(_number(data, 0, 4), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    known = {ISO_BRANDS[brand] for brand in brands if brand in ISO_BRANDS}
    return min(known, default=None)


def _iso(data: bytes) -> Header:
    """AVIF and HEIC: the largest `ispe` (a grid's own is larger than its tiles') and the depth `pixi` names."""
    sizes: list[tuple[int, int]] = []
    depth = 8
    for kind, start, _ in _boxes(data, 0, len(data)):
        if kind == b"ispe":
            sizes.append((_number(data, start + 4, 4), _number(data, start + 8, 4)))
        elif kind == b"pixi":
            depth = _number(data, start + 5, 1)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    mime = _brand(data)
    assert mime is not None
    return Header(mime, width, height, depth, data[8:12] in (b"avis", b"msf1", b"hevc", b"hevx"))


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of the boxes that lead to an image's properties."""
    todo, seen = [(start, end)], 0
    while todo:
        at, stop = todo.pop()
        while at + 8 <= stop and (seen := seen + 1) < MAX_BOXES:
            length, kind, head = _number(data, at, 4), data[at + 4 : at + 8], 8
            if length == 1:
                length, head = _number(data, at + 8, 8), 16
            box_end = stop if length == 0 else at + length
            if box_end < at + head or box_end > stop:
                break
            yield kind, at + head, box_end
            if kind in (b"meta", b"iprp", b"ipco"):
                todo.append((at + head + (4 if kind == b"meta" else 0), box_end))
            at = box_end
