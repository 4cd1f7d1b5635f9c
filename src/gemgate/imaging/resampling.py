"""Bringing an image to another size, only when asked for and always labelled: new pixels are not original ones."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from gemgate.errors import BadRequest
from gemgate.imaging.header import measure
from gemgate.imaging.raster import decoding

_ENCODING: dict[str, tuple[str, dict[str, Any]]] = {
    "image/png": ("PNG", {"compress_level": 4}),
    "image/jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    "image/webp": ("WEBP", {"quality": 95}),
}


def resample(data: bytes, long_side: int) -> bytes:
    """The image with `long_side` pixels on its long side, in its own format, with its colour profile (Lanczos).

    BadRequest for formats other than PNG, JPEG and WebP; `Unfit` (a ValueError) when it cannot be decoded. CPU-bound.
    """
    header = measure(data, max_pixels=0)
    if header.mime not in _ENCODING or header.animated:
        raise BadRequest(f"{header.mime} pictures are not resampled", f"不支持对 {header.mime} 图片重采样")
    scale = long_side / max(header.width, header.height)
    size = (max(1, round(header.width * scale)), max(1, round(header.height * scale)))
    form, options = _ENCODING[header.mime]
    with decoding():
        image: Image.Image = Image.open(io.BytesIO(data))
        profile = image.info.get("icc_profile")
        if image.mode in ("P", "1", "CMYK"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        out = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS).save(out, form, icc_profile=profile, **options)
        return out.getvalue()
