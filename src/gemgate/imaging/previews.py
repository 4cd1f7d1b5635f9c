"""Small previews of stored images, for the gallery."""

from __future__ import annotations

import io

from gemgate.imaging.header import MAX_PIXELS, measure
from gemgate.imaging.raster import decoding, opened


def thumbnail(data: bytes, long_side: int = 320, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """A WebP of at most `long_side` pixels each way; an animation's first frame; never larger than the image.

    Raises what `measure` raises, and `Unfit` (a ValueError) when the pixels cannot be decoded. CPU-bound.
    """
    header = measure(data, max_pixels=max_pixels)
    with decoding():
        image = opened(data, header.mime)
        image.draft("RGB", (long_side, long_side))
        image.thumbnail((long_side, long_side))
        mode = "RGBA" if image.has_transparency_data else "RGB"
        out = io.BytesIO()
        image.convert(mode).save(out, "WEBP", quality=80, method=2)
        return out.getvalue()
