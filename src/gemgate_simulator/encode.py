"""Pixels as the service's files: fast encoders, what is embedded in them, and the sizes that links ask for.

Pure. The PNG writer is our own because it costs a quarter of a general one: one filter for all rows, zlib level 1.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from gemgate.errors import ClientError
from gemgate.imaging import jpeg, png, webp
from gemgate.imaging.containers import C2PA_UUID, JPEG_XMP, PNG_XMP
from gemgate.imaging.header import measure
from gemgate_simulator.paint import Mime, Painting, Pixels
from gemgate_simulator.sizes import Size, within

CAPTION: Final = b"gemgate-simulator"
"""The key under which a file says which generation it came from: a tEXt chunk, or a JPEG comment that begins so."""

PREVIEW_SIDE: Final = 512
"""Long side of a preview whose link names no size."""

_BEHIND_IHDR = 33
_SUB = 1
_LOSSLESS = 100


def encoded(pixels: Pixels, painting: Painting) -> bytes:
    """The file of these pixels, of the painting's type and quality, with everything it wants embedded."""
    match painting.mime:
        case "image/jpeg":
            return _jpeg(pixels, painting)
        case "image/webp":
            return _webp(pixels, painting)
        case _:
            return _png(pixels, painting)


def captioned(data: bytes, about: dict[str, Any]) -> bytes:
    """The file with a note in it about where it came from; WebP has no place for one and is left as it is."""
    note = CAPTION + b"\0" + json.dumps(about).encode("ascii")
    if data.startswith(png.SIGNATURE):
        return data[:_BEHIND_IHDR] + png.chunk(b"tEXt", note) + data[_BEHIND_IHDR:]
    if data.startswith(jpeg.START):
        return data[:2] + jpeg.segment(jpeg.COMMENT, note) + data[2:]
    return data


def caption(data: bytes) -> dict[str, Any] | None:
    """What `captioned` wrote, None when the file has no such note."""
    mark = CAPTION + b"\0"
    if data.startswith(png.SIGNATURE):
        bodies = [data[slice(*each.body)] for each in png.chunks(data) if each.kind == b"tEXt"]
    elif data.startswith(jpeg.START):
        bodies = [data[each.start + 4 : each.end] for each in jpeg.segments(data) if each.marker == jpeg.COMMENT]
    else:
        return None
    found = next((body for body in bodies if body.startswith(mark)), None)
    return None if found is None else dict(json.loads(found[len(mark) :]))


_FORMS: Final[dict[str, Mime]] = {"": "image/png", "rj": "image/jpeg", "rp": "image/png", "rw": "image/webp"}


@dataclass(frozen=True, slots=True)
class Options:
    """What the end of an image's link asks for, `=s2048-rj`. side: of the long one, 0 = the original's.

    form: "rj" JPEG, "rp" PNG, "rw" WebP, "" = PNG; attachment: to be saved under a name; text: as an address.
    words: as they were written.
    """

    side: int = PREVIEW_SIDE
    form: str = ""
    attachment: bool = False
    text: bool = False
    words: str = field(default="", compare=False)

    @property
    def mime(self) -> Mime:
        return _FORMS[self.form]


def options(words: str) -> Options | None:
    """Read the options of a link, without the `=`; None when one of them is unknown."""
    found: dict[str, Any] = {"words": words}
    for word in filter(None, words.split("-")):
        if re.fullmatch(r"s\d{1,5}", word):
            found["side"] = int(word[1:])
        elif word in ("rj", "rp", "rw"):
            found["form"] = word
        elif word == "d":
            found["attachment"] = True
        elif word == "I":
            found["text"] = True
        else:
            return None
    return Options(**found)


def sized(data: bytes, wanted: Options) -> tuple[bytes, Mime]:
    """The image as a link with options gives it, and its type: never larger than it is, JPEG at quality 90."""
    with Image.open(io.BytesIO(data)) as image:
        size = within(image.size, wanted.side or None)
        if image.format == "JPEG":
            image.draft("RGB", size)
        plain = image.convert("RGB")
    if plain.size != size:
        plain = plain.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return encoded(np.asarray(plain), Painting(mime=wanted.mime, quality=90)), wanted.mime


def _png(pixels: Pixels, painting: Painting) -> bytes:
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, width * 3)
    filtered = np.empty((height, 1 + width * 3), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1:4] = rows[:, :3]
    np.subtract(rows[:, 3:], rows[:, :-3], out=filtered[:, 4:])
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [png.SIGNATURE, png.chunk(b"IHDR", head)]
    if painting.icc:
        parts.append(png.chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(colour_profile(), 1)))
    if painting.xmp:
        parts.append(png.chunk(b"iTXt", PNG_XMP + b"\0\0\0\0" + painting.xmp))
    if painting.c2pa:
        parts.append(png.chunk(b"caBX", manifest()))
    return b"".join([*parts, png.chunk(b"IDAT", zlib.compress(filtered.data, 1)), png.chunk(b"IEND", b"")])


def _jpeg(pixels: Pixels, painting: Painting) -> bytes:
    out = io.BytesIO()
    profile = colour_profile() if painting.icc else None
    Image.fromarray(pixels).save(out, "JPEG", quality=painting.quality or 95, icc_profile=profile)
    more = b""
    if painting.xmp:
        more += jpeg.segment(jpeg.APP1, JPEG_XMP + painting.xmp)
    if painting.c2pa:
        more += jpeg.segment(jpeg.APP11, b"JP" + struct.pack(">HI", 1, 1) + manifest())
    first = jpeg.segments(data := out.getvalue())[0].end  # JFIF's own segment stays in front
    return data[:first] + more + data[first:]


def _webp(pixels: Pixels, painting: Painting) -> bytes:
    out = io.BytesIO()
    quality = 95 if painting.quality is None else painting.quality
    lossless = quality == _LOSSLESS
    how = {"lossless": True, "quality": 0} if lossless else {"quality": quality}
    profile = colour_profile() if painting.icc else b""
    Image.fromarray(pixels).save(out, "WEBP", method=0, icc_profile=profile, xmp=painting.xmp or b"", **how)
    data = out.getvalue()
    if not painting.c2pa:
        return data
    chunks = list(webp.chunks(data))
    if chunks[0].kind != b"VP8X":  # chunks of other kinds need the extended form
        sides = b"".join((side - 1).to_bytes(3, "little") for side in (pixels.shape[1], pixels.shape[0]))
        chunks.insert(0, webp.Chunk(b"VP8X", bytes(4) + sides))
    return webp.assemble([*chunks, webp.Chunk(b"C2PA", manifest())])


def manifest() -> bytes:
    """A made-up C2PA manifest store: the right box with nothing to verify in it."""
    description = _box(b"jumd", C2PA_UUID + b"\x03c2pa\0")
    return _box(b"jumb", description + _box(b"json", b'{"simulated":true}'))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


@lru_cache(maxsize=1)
def colour_profile() -> bytes:
    """An sRGB profile, without the moment it was made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)
    return bytes(profile)


def size_of(data: bytes) -> Size | None:
    """Width and height of an image file by its first bytes, None when it is none that can be decoded here."""
    try:
        header = measure(data, max_pixels=0)
    except ClientError:
        return None
    return (header.width, header.height) if header.mime in _DECODED else None


def sniffed(data: bytes) -> str | None:
    """The type of an image or a PDF file by its first bytes, None when they show nothing."""
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    try:
        return measure(data, max_pixels=0).mime
    except ClientError:
        return None


_DECODED: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
