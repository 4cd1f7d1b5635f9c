"""What stood in the logo's box before the logo was taken off: small enough to be kept, to look at before and after."""

from __future__ import annotations

import base64
import io

import orjson
from PIL import Image

from gemgate.imaging.logo import Box, Pixels


def before(corner: Pixels, box: Box, size: tuple[int, int]) -> bytes:
    """JSON: the box's `left`, `top`, `width` and `height` as shares of the image, which stay true when it is resampled,
    and its pixels as base64 of a `png`. corner: the bottom right of the image of `size`, with the logo.
    """
    width, height = size
    dx, dy = corner.shape[1] - width, corner.shape[0] - height
    piece = corner[box.top + dy : box.bottom + dy, box.left + dx : box.right + dx]
    out = io.BytesIO()
    Image.fromarray(piece if piece.shape[2] == 3 else piece[..., 0]).save(out, "PNG")
    return orjson.dumps(
        {
            "left": box.left / width,
            "top": box.top / height,
            "width": (box.right - box.left) / width,
            "height": (box.bottom - box.top) / height,
            "png": base64.b64encode(out.getvalue()).decode(),
        }
    )
