"""One face for all file types: look at an image's bottom right corner, and write the file again with another one.

Opening may decode as much as the type demands; only `rewrite` encodes. Both raise `Unfit` and nothing else.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from PIL import Image

from gemgate.errors import LocalText
from gemgate.imaging import jpeg, png, webp
from gemgate.imaging.errors import UnsupportedImage
from gemgate.imaging.header import Header
from gemgate.imaging.logo import Box, Pixels

PILLOW_RAISES = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError),
    *(AssertionError, RuntimeError, struct.error),
)
"""What comes out of its decoders for one damaged file or another; found by fuzzing (tests/unit/imaging)."""


FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
}


class RasterImage(Protocol):
    """An opened image file. lossy: its pixels went through a JPEG or a lossy WebP in this very file."""

    lossy: bool

    def corner(self, reach: int) -> Pixels:
        """The colours of the bottom right `reach` pixels each way (or all there are), height x width x (1 or 3)."""
        ...

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        """The file with `corner` in place of the one last looked at; they differ in `box` of the whole image only."""
        ...


def open_image(data: bytes, header: Header) -> RasterImage:
    """Open a measured PNG, JPEG or WebP; Unfit for the rest and for damaged files."""
    with decoding():
        if header.mime == "image/png":
            return _open_png(data)
        if header.mime == "image/jpeg":
            return JpegImage(data)
        if header.mime == "image/webp":
            return WebpImage(data)
    raise UnsupportedImage(f"the logo is not looked for in {header.mime} files", f"不在 {header.mime} 文件中查找标志")


def opened(data: bytes, mime: str) -> Image.Image:
    """Pillow's image of a measured file, not yet decoded, by the decoder of its own type. Call in `decoding`."""
    if mime not in FORMATS:
        raise UnsupportedImage(f"{mime} files cannot be decoded here", f"此处无法解码 {mime} 文件")
    return Image.open(io.BytesIO(data), formats=(FORMATS[mime],))


@contextmanager
def decoding() -> Iterator[None]:
    """Everything that Pillow raises on damaged input, as Unfit."""
    try:
        yield
    except UnsupportedImage:
        raise
    except PILLOW_RAISES as broken:
        raise UnsupportedImage(
            "the picture cannot be decoded; it may be damaged", "无法解码图片，文件可能已损坏"
        ) from broken
    except Image.DecompressionBombError as bomb:
        raise UnsupportedImage("the picture has too many pixels", "图片像素过多") from bomb


def _open_png(data: bytes) -> RasterImage:
    found, layout = png.chunks(data), png.Layout.of(data)
    kinds = {each.kind for each in found}
    if b"acTL" in kinds:
        return LookOnly(data, LocalText("an animated PNG is left alone", "动画 PNG 保持原样"))
    if layout.depth != 8 or layout.colour not in png.MODES:
        return LookOnly(
            data,
            LocalText(
                "a PNG with a palette or not 8 bits per channel is left alone",
                "使用调色板或每通道不是 8 位的 PNG 保持原样",
            ),
        )
    if b"tRNS" in kinds:
        return LookOnly(data, LocalText("a PNG with a transparent colour is left alone", "含有透明色的 PNG 保持原样"))
    if layout.interlaced:
        return InterlacedPng(data, found)
    return PngImage(data, found, layout)


class PngImage:
    """The common PNG: changed by surgery, no chunk and no other pixel touched."""

    lossy = False

    def __init__(self, data: bytes, found: tuple[png.Chunk, ...], layout: png.Layout) -> None:
        self._surgery = png.Surgery(data, found, layout)
        self._size = (layout.width, layout.height)
        self._seen = np.empty((0, 0, layout.channels), np.uint8)
        self._colours = 3 if layout.channels >= 3 else 1

    def corner(self, reach: int) -> Pixels:
        with decoding():
            self._seen = self._surgery.look(reach)
        return self._seen[..., : self._colours]

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        if self._seen.shape[2] > self._colours:
            place = box.moved(corner.shape[1] - self._size[0], corner.shape[0] - self._size[1])
            _refuse_transparent(self._seen[place.top : place.bottom, place.left : place.right])
            corner = np.concatenate([corner, self._seen[..., self._colours :]], axis=2)
        return self._surgery.rewrite(corner, box)


class _Decoded:
    """A file that Pillow decodes whole; the corner is cut out of it and pasted back."""

    lossy = False
    mime = "image/png"

    def __init__(self, data: bytes, modes: tuple[str, ...] = ("L", "LA", "RGB", "RGBA")) -> None:
        self._data = data
        self._image = opened(data, self.mime)
        self._image.load()
        if self._image.mode not in modes:
            raise UnsupportedImage(
                f"pictures in {self._image.mode} are left alone", f"{self._image.mode} 模式的图片保持原样"
            )

    def corner(self, reach: int) -> Pixels:
        width, height = self._image.size
        cut = self._image.crop((max(0, width - reach), max(0, height - reach), width, height))
        pixels = np.asarray(cut.convert("L" if cut.mode in {"L", "LA"} else "RGB"))
        return pixels if pixels.ndim == 3 else pixels[..., None]

    def _paste(self, corner: Pixels, box: Box) -> None:
        """Put the box's new colours into the decoded image; its alpha must be solid there and stays."""
        place = (box.left, box.top, box.right, box.bottom)
        if self._image.mode in {"LA", "RGBA"}:
            _refuse_transparent(np.asarray(self._image.crop(place)))
        dx, dy = corner.shape[1] - self._image.width, corner.shape[0] - self._image.height
        piece = corner[box.top + dy : box.bottom + dy, box.left + dx : box.right + dx]
        lifted = Image.fromarray(piece if piece.shape[2] == 3 else piece[..., 0])
        self._image.paste(lifted.convert(self._image.mode), place[:2])


class InterlacedPng(_Decoded):
    """An interlaced PNG: the pixels are deflated anew, without interlacing; every other chunk stays."""

    def __init__(self, data: bytes, found: tuple[png.Chunk, ...]) -> None:
        super().__init__(data)
        self._chunks = found

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        with decoding():
            self._paste(corner, box)
            out = io.BytesIO()
            bare = Image.frombytes(self._image.mode, self._image.size, self._image.tobytes())
            bare.save(out, "PNG", compress_level=4)
            return png.with_pixels_of(self._data, self._chunks, out.getvalue())


class JpegImage(_Decoded):
    lossy = True
    mime = "image/jpeg"

    def __init__(self, data: bytes) -> None:
        jpeg.refuse_unsafe(data, jpeg.segments(data))
        super().__init__(data, ("L", "RGB"))

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        with decoding():
            self._paste(corner, box)
            return jpeg.with_image_of(self._data, jpeg.encode_like(self._image))


class WebpImage(_Decoded):
    mime = "image/webp"

    def __init__(self, data: bytes) -> None:
        self._chunks = webp.chunks(data)
        self.lossy = not webp.is_lossless(self._chunks)
        super().__init__(data)

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        with decoding():
            self._paste(corner, box)
            return webp.with_image_of(self._chunks, webp.encode_like(self._image, self._chunks))


class LookOnly(_Decoded):
    """A file whose logo can be seen but not taken off without losing something else; `why` says what it is."""

    def __init__(self, data: bytes, why: LocalText) -> None:
        super().__init__(data, ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16"))
        self._why = why

    def corner(self, reach: int) -> Pixels:
        if self._image.mode.startswith("I"):
            deep = np.asarray(self._image)[-reach:, -reach:]
            shallow: Pixels = (deep >> 8).astype(np.uint8)[..., None]
            return shallow
        return super().corner(reach)

    def rewrite(self, corner: Pixels, box: Box) -> bytes:
        raise UnsupportedImage(self._why.en, self._why.zh)


def _refuse_transparent(pixels: Pixels) -> None:
    if int(np.min(pixels[..., -1])) < 255:
        raise UnsupportedImage("the logo's place is transparent; it is left alone", "标志所在处透明，保持原样")
