"""Picture files for tests: any kind of PNG written by hand, the others by Pillow."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def encoded(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    """A file of these pixels, written by Pillow."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes, mode: str = "RGB") -> NDArray[np.int16]:
    """A file's pixels, by Pillow, as signed numbers so that differences are easy."""
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode)).astype(np.int16)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def header_chunk(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    body = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, interlace])
    return chunk(b"IHDR", body)


def filtered(pixels: Pixels, filters: Sequence[int]) -> bytes:
    """The rows of height x width x channels pixels, each with its filter type, straight from the specification."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels).astype(np.int16)
    left = np.pad(rows, ((0, 0), (channels, 0)))[:, : width * channels]
    above = np.pad(rows, ((1, 0), (0, 0)))[:height]
    corner = np.pad(above, ((0, 0), (channels, 0)))[:, : width * channels]
    p = left + above - corner
    near_a, near_b, near_c = abs(p - left), abs(p - above), abs(p - corner)
    paeth = np.where((near_a <= near_b) & (near_a <= near_c), left, np.where(near_b <= near_c, above, corner))
    guesses = [np.zeros_like(rows), left, above, (left + above) // 2, paeth]
    out = bytearray()
    for y in range(height):
        kind = filters[y % len(filters)]
        out.append(kind)
        out += ((rows[y] - guesses[kind][y]) % 256).astype(np.uint8).tobytes()
    return bytes(out)


def png(
    pixels: Pixels,
    *,
    filters: Sequence[int] = (0, 1, 2, 3, 4),
    before: Sequence[tuple[bytes, bytes]] = (),
    after: Sequence[tuple[bytes, bytes]] = (),
    piece: int = 8192,
    level: int = 6,
    window: int = 15,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
) -> bytes:
    """A PNG with these row filters, chunks before and after the pixels, and IDAT chunks of `piece` bytes."""
    height, width, channels = pixels.shape
    deflater = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy)
    stream = deflater.compress(filtered(pixels, filters)) + deflater.flush()
    parts = [header_chunk(width, height, 8, COLOUR_TYPES[channels])]
    parts += [chunk(*each) for each in before]
    parts += [chunk(b"IDAT", stream[at : at + piece]) for at in range(0, len(stream), piece)]
    parts += [chunk(*each) for each in after]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of every chunk, checksums verified."""
    at, found = 8, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        found.append((kind, body))
        at += 12 + length
    return found
