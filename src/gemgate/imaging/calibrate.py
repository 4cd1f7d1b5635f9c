"""Reading the logo's place, strength and shape off a user's own images (docs/logo.md 3).

`L = log(255.5 - w)` makes the logo the same summand in every image and channel, so the median of L's differences over
enough images is the logo's alone; integrated, averaged over its four turns and snapped to sixteenths it is a map.
Ten PNGs give the known maps bit for bit; JPEGs do not, because compression rounds the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemgate.frozen import frozen
from gemgate.imaging.errors import UnsupportedImage
from gemgate.imaging.logo import Pixels
from gemgate.imaging.logo_profiles import PROFILES, STEPS, Profile, Quarter
from gemgate.imaging.search import MIN_SCORE, Found, search
from gemgate.imaging.shape import coverage_of

ENOUGH: Final = 10
CORNER: Final = 420
RING: Final = 4
"""Pixels round the box in which there is no logo: they are the zero of the map."""
PEAKS: Final = (0.5, 0.3)
SNAP: Final = 0.02
ON_LATTICE: Final = 0.12
"""Mean distance from whole sixteenths below which a map is one: noise alone would give 0.25."""
FINE: Final = 1000
BLACK: Final = 24

Grid = NDArray[np.float64]


@frozen
class Calibration:
    """A profile read off images.

    confirms:  name of the known profile that is the same in place, strength and every pixel, else empty.
    different: pixels whose coverage differs from the known map of that size, -1 when there is none.
    score:     how well the star stood out, 1 = perfectly.
    """

    profile: Profile
    confirms: str
    different: int
    pictures: int
    score: float


def from_images(pictures: Sequence[Pixels], *, known: Sequence[Profile] = PROFILES) -> Calibration:
    """Calibrate on at least ten images (height x width x 1 or 3) that bear the logo at the same place.

    Unfit when there are too few or no star stands in their corners.
    """
    if len(pictures) < ENOUGH:
        raise UnsupportedImage(
            f"calibration needs at least {ENOUGH} PNG pictures with the logo, or one that is black otherwise",
            f"校准至少需要 {ENOUGH} 张带标志的 PNG 图片，或一张除标志外全黑的图片",
        )
    corners = _corners(pictures)
    found = _located(corners)
    patches = [_patch(corner, found) for corner in corners]
    logs = [np.log(255.5 - patch.astype(np.float64)) for patch in patches]
    right = np.median(np.concatenate([np.diff(each, axis=1) for each in logs], axis=2), axis=2)
    down = np.median(np.concatenate([np.diff(each, axis=0) for each in logs], axis=2), axis=2)
    summand = _integrated(right, down)
    return _calibration(1 - np.exp(summand - _ring_mean(summand)), found, len(pictures), known)


def from_black(image: Pixels, *, known: Sequence[Profile] = PROFILES) -> Calibration:
    """Calibrate on one image that is black but for the logo; Unfit when it is not, or has none."""
    corners = _corners([image])
    found = _located(corners)
    darkest = _patch(corners[0], found).min(axis=2).astype(np.float64)
    floor = _ring_mean(darkest)
    if floor > BLACK:
        raise UnsupportedImage("the picture is not black round the logo", "标志周围不是黑色")
    return _calibration((darkest - floor) / (255 - floor), found, 1, known)


def _corners(pictures: Sequence[Pixels]) -> list[Pixels]:
    side = min(CORNER, *(min(each.shape[:2]) for each in pictures))
    return [each[-side:, -side:] for each in pictures]


def _located(corners: Sequence[Pixels]) -> Found:
    found = search(corners)
    if found is None or found.score <= MIN_SCORE:
        raise UnsupportedImage(
            "no logo was found at the same place of these pictures", "未在这些图片的同一位置找到标志"
        )
    return found


def _patch(corner: Pixels, found: Found) -> Pixels:
    """The logo's box with a ring round it."""
    bottom, right = corner.shape[0] - found.bottom, corner.shape[1] - found.right
    top, left = bottom - found.size, right - found.size
    if min(top, left, found.bottom, found.right) < RING:
        raise UnsupportedImage("the logo touches the picture's edge", "标志紧贴图片边缘")
    return corner[top - RING : bottom + RING, left - RING : right + RING]


def _integrated(right: Grid, down: Grid) -> Grid:
    """The surface whose differences these are, in the sense of least squares (a Poisson equation, by FFT)."""
    height, width = down.shape[0] + 1, right.shape[1] + 1
    gx, gy = np.zeros((height, width)), np.zeros((height, width))
    gx[:, :-1], gy[:-1] = right, down
    source = gx - np.roll(gx, 1, axis=1) + gy - np.roll(gy, 1, axis=0)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    laplace = 2 * np.cos(2 * np.pi * fx) + 2 * np.cos(2 * np.pi * fy) - 4
    laplace[0, 0] = 1
    surface = np.fft.fft2(source) / laplace
    surface[0, 0] = 0
    return np.asarray(np.fft.ifft2(surface).real)


def _ring_mean(grid: Grid) -> float:
    inner = np.zeros(grid.shape, bool)
    inner[RING:-RING, RING:-RING] = True
    return float(np.median(grid[~inner]))


def _calibration(alpha: Grid, found: Found, pictures: int, known: Sequence[Profile]) -> Calibration:
    turned, (size, right, bottom) = _centred(alpha, found)
    middle = slice(size * 2 // 5, size * 3 // 5)
    peak = _snapped(float(np.median(turned[middle, middle])))
    quarter, steps = _quarter(turned / peak)
    name = f"own-{size}-{right}-{bottom}"
    profile = Profile(name, size, right, bottom, peak, known="calibrated", quarter=quarter, steps=steps)
    same = [each for each in known if each.size == size and abs(each.peak - peak) < SNAP]
    here = [each for each in same if (each.right, each.bottom) == (right, bottom)]
    differences = {each.name: _different(profile, each) for each in here or same}
    confirms = next((each.name for each in here if not differences[each.name]), "")
    return Calibration(profile, confirms, min(differences.values(), default=-1), pictures, found.score)


def _centred(alpha: Grid, found: Found) -> tuple[Grid, tuple[int, int, int]]:
    """The mean of the four turns, cut to a box of even side, and that box's side and margins.

    An odd side is a soft edge misread by one: of the four even boxes round it the one that turns best is right.
    """
    grow = found.size % 2
    size = found.size + grow
    best: tuple[float, Grid, tuple[int, int, int]] | None = None
    for up in range(grow + 1):
        for left in range(grow + 1):
            inside = alpha[RING - up :, RING - left :][:size, :size]
            turned = np.mean([np.rot90(inside, turn) for turn in range(4)], axis=0)
            error = float(np.abs(inside - turned).mean())
            if best is None or error < best[0]:
                best = error, turned, (size, found.right - grow + left, found.bottom - grow + up)
    assert best is not None
    return best[1], best[2]


def _snapped(peak: float) -> float:
    return next((each for each in PEAKS if abs(each - peak) < SNAP), round(peak, 3))


def _quarter(coverage: Grid) -> tuple[Quarter, int]:
    """The top-left quarter in sixteenths when the map is made of them, else in thousandths."""
    lattice = coverage * STEPS
    edge = (coverage > 0.03) & (coverage < 0.97)
    off = float(np.abs(lattice - np.round(lattice))[edge].mean()) if edge.any() else 0.0
    steps = STEPS if off < ON_LATTICE else FINE
    half = coverage.shape[0] // 2
    counts = np.maximum(np.round(coverage[:half, :half] * steps), 0).astype(int)
    return tuple(tuple(int(count) for count in row) for row in counts), steps


def _different(profile: Profile, known: Profile) -> int:
    return int((np.abs(coverage_of(profile) - coverage_of(known)) > 0.5 / STEPS).sum())
