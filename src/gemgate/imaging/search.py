"""A logo that has moved or changed its size: where else in the corner does something star-shaped stand?

Used on images in which no known profile was found. It compares directions: at every edge of the analytic star the
gradient of `L = log(255.5 - luma)` must point as the star's does. The score is the mean cosine, 1 = everywhere, about
0.1 to 0.3 on images without a logo (docs/logo.md 3). Nothing is removed on its word alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemgate.frozen import frozen
from gemgate.imaging.evidence import LUMA
from gemgate.imaging.logo_profiles import OUTLINE
from gemgate.imaging.shape import from_outline

Field = NDArray[np.complex64]

MIN_SCORE: Final = 0.6
SIZES: Final = (24, 131)
ROUNDING: Final = 0.6
"""Smallest and largest logo looked for, pixels."""


@frozen
class Found:
    """A star in a corner: its box's side and margins in pixels, and how well it fits (0..1)."""

    size: int
    right: int
    bottom: int
    score: float


def search(corners: Sequence[NDArray[np.uint8]]) -> Found | None:
    """The best star in corners of equal shape (height x width x 1 or 3): several are read as one by their median.

    Coarse to fine: every size at half resolution, then the neighbours of the best at full. None when the corner is
    too small for any star. About 0.1 s for 420 x 420 pixels.
    """
    full = np.stack([_luma(corner) for corner in corners])
    half = _halved(full)
    coarse = _best(_field(half), range(SIZES[0] // 2, SIZES[1] // 2 + 1))
    if coarse is None:
        return None
    return _refined(_field(full), coarse)


def _refined(field: Field, coarse: Found) -> Found:
    """The exact size and place next to a find at half resolution."""
    sizes = range(max(SIZES[0], coarse.size * 2 - 4), min(SIZES[1], coarse.size * 2 + 4) + 1)
    right, bottom = max(0, coarse.right * 2 - 8), max(0, coarse.bottom * 2 - 8)
    side = coarse.size * 2 + 24
    height, width = field.shape
    window = field[max(0, height - bottom - side) : height - bottom, max(0, width - right - side) : width - right]
    best = _best(np.ascontiguousarray(window), sizes)
    if best is None:
        return Found(coarse.size * 2, coarse.right * 2, coarse.bottom * 2, coarse.score)
    return Found(best.size, best.right + right, best.bottom + bottom, best.score)


def _best(field: Field, sizes: range) -> Found | None:
    """The size and place with the highest mean cosine."""
    height, width = field.shape
    spectrum = np.fft.fft2(field)
    best: Found | None = None
    for size in sizes:
        if size + 1 >= min(height, width):
            break
        scores = np.fft.ifft2(spectrum * np.conj(np.fft.fft2(_star(size), (height, width)))).real
        valid = scores[: height - size, : width - size]
        y, x = np.unravel_index(int(np.argmax(valid)), valid.shape)
        score = float(valid[y, x])
        if best is None or score > best.score:
            best = Found(size, width - size - int(x), height - size - int(y), score)
    return best


@lru_cache(maxsize=256)
def _star(size: int) -> Field:
    """The star's own directions, weighted by strength, so that a perfect fit sums to one."""
    logs = np.log1p(-0.5 * np.pad(from_outline(size, OUTLINE), ((0, 1), (0, 1))))
    steps = _steps(logs)
    return np.asarray(steps / np.abs(steps).sum(), np.complex64)


def _field(lumas: NDArray[np.float32]) -> Field:
    """Directions of the median gradient over all images: length 1 at clear edges, less in noise and rounding."""
    logs = np.log(255.5 - lumas)
    steps = [_steps(each) for each in logs]
    real = np.median([each.real for each in steps], axis=0)
    imag = np.median([each.imag for each in steps], axis=0)
    rounding = np.median(ROUNDING / (255.5 - lumas), axis=0) / len(lumas) ** 0.5
    length2 = real**2 + imag**2
    ground = np.median(length2)
    return np.asarray((real + 1j * imag) / np.sqrt(length2 + ground + rounding**2), np.complex64)


def _steps(values: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    """Gradient as one complex number per pixel, between it and the next ones; zero in the last row and column."""
    out = np.zeros(values.shape, np.complex64)
    out[:-1, :-1] = (values[:-1, 1:] - values[:-1, :-1]) + 1j * (values[1:, :-1] - values[:-1, :-1])
    return out


def _luma(corner: NDArray[np.uint8]) -> NDArray[np.float32]:
    return corner[..., 0].astype(np.float32) if corner.shape[2] == 1 else corner.astype(np.float32) @ LUMA


def _halved(lumas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2, counted from the bottom right, so that margins stay whole."""
    height, width = lumas.shape[1] // 2 * 2, lumas.shape[2] // 2 * 2
    even = lumas[:, -height:, -width:]
    rows = even[:, ::2] + even[:, 1::2]
    return np.asarray((rows[:, :, ::2] + rows[:, :, 1::2]) / 4, np.float32)
