"""How much of each pixel the logo covers: maps drawn from the figures, never from a capture.

A map is float32, size x size, 0..1, the same after every quarter turn. Results are shared and read-only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gemgate.imaging.logo_profiles import (
    OUTLINE,
    RUNS48,
    RUNS96,
    SOFTENING,
    STEPS,
    Outline,
    Profile,
    Quarter,
    Softening,
)

Map = NDArray[np.float32]


@lru_cache(maxsize=64)
def alpha_of(profile: Profile) -> Map:
    """The profile's alpha map: size x size, 0..peak."""
    alpha = coverage_of(profile) * np.float32(profile.peak)
    alpha.flags.writeable = False
    return alpha


def coverage_of(profile: Profile) -> Map:
    """The profile's coverage map: 1 where the logo is as strong as in its middle."""
    if profile.quarter:
        return _turned(np.array(profile.quarter, np.float32) / profile.steps)
    if profile.shape == "runs48":
        return from_runs(RUNS48)
    if profile.shape == "runs96":
        return from_runs(RUNS96)
    if profile.shape == "soft96":
        return softened(from_runs(RUNS96), SOFTENING)
    return from_outline(profile.size, OUTLINE)


def from_runs(runs: Quarter) -> Map:
    """Draw a run table: row = first covered column, partial sixteenths, then full up to the middle."""
    half = len(runs)
    quarter = np.zeros((half, half), np.float32)
    for row, (first, *partial) in enumerate(runs):
        full = first + len(partial)
        quarter[row, first:full] = partial
        quarter[row, full:] = STEPS
    return _turned(quarter / STEPS)


def from_outline(size: int, outline: Outline) -> Map:
    """Draw the star's outline with 4 x 4 samples per pixel, at any size."""
    at = (np.arange(size * 4) + 0.5) / (size * 2) - 1
    x, y = np.abs(at)[None, :], np.abs(at)[:, None]
    low, high = np.minimum(x, y), np.maximum(x, y)
    angle, radius = _polar_outline(outline)
    inside = np.hypot(low, high) <= np.interp(np.arctan2(low, high), angle, radius)
    return np.asarray(inside.reshape(size, 4, size, 4).mean(axis=(1, 3)), np.float32)


def softened(coverage: Map, softening: Softening) -> Map:
    """Blur, then sharpen with a wider blur: the upscaled logo of the 2026 large images (docs/logo.md 2)."""
    soft = _blurred(coverage, softening.blur)
    sharp = soft + softening.gain * (soft - _blurred(coverage, softening.wide))
    return np.asarray(np.maximum(sharp, 0), np.float32)


def _turned(quarter: NDArray[np.floating]) -> Map:
    top = np.hstack([quarter, np.rot90(quarter, -1)])
    return np.asarray(np.vstack([top, np.rot90(top, 2)]), np.float32)


def _polar_outline(outline: Outline) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angle from the tip's axis (0..45 degrees, rising) and distance from the middle along the octant's edge."""
    slope, tip, waist = outline.tip_slope, outline.tip_radius, outline.waist
    turn = np.linspace(0, np.pi / 2 - slope, 64)
    cap = (1 - tip + tip * np.cos(turn)) + 1j * (tip * np.sin(turn))
    start, end = cap[-1], waist * (1 + 1j)
    leave = start + outline.tip_handle * (-np.cos(slope) + 1j * np.sin(slope))
    arrive = end + outline.waist_handle * (1 - 1j) / np.sqrt(2)
    t = np.linspace(0, 1, 256)[1:]
    curve = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * leave + 3 * (1 - t) * t**2 * arrive + t**3 * end
    edge = np.concatenate([cap, curve])
    return np.angle(edge), np.abs(edge)


def _blurred(image: Map, sigma: float) -> NDArray[np.float64]:
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    rows = np.apply_along_axis(np.convolve, 1, image, kernel, "same")
    return np.asarray(np.apply_along_axis(np.convolve, 0, rows, kernel, "same"))
