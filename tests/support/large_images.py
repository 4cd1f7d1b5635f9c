"""An image as large as they come."""

from __future__ import annotations

import numpy as np
from tests.support.image_kinds import paint

SIDE = 4096


IMAGE = SIDE * SIDE * 3
"""Bytes of one decoded image."""


def large() -> np.ndarray:
    """A 4096 x 4096 image with grain, so that its PNG is not small."""
    tile = paint("leaves", 91, 512, 512)
    pixels = np.tile(tile, (SIDE // 512, SIDE // 512, 1))
    grain = np.random.default_rng(1).integers(0, 4, (SIDE, SIDE, 1), np.uint8)
    return np.minimum(pixels, 250) + grain
