"""The visible logo on pixels: where it would stand, whether it is there, drawing it, lifting it off.

The service blends white over the image, `w = 255 a + (1 - a) p` per 8-bit channel (docs/logo.md 1); this file knows
that formula and its inverse. Nothing is ever lifted without evidence, and nothing outside the logo's box changes.
SynthID, the invisible mark, is something else and is not touched.

Pixels are uint8, height x width x channels (1 or 3), and may be just the bottom right corner of an image: the logo's
place is counted from there. `size` then says how large the whole image is, as (width, height).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gemgate.frozen import frozen
from gemgate.imaging.evidence import Evidence, weigh
from gemgate.imaging.logo_profiles import PROFILES, Profile
from gemgate.imaging.shape import Map, alpha_of

Pixels = NDArray[np.uint8]

GROUND = 16
"""Pixels looked at round a box: what the evidence compares with, and the row above that a PNG's filters need."""

MOST_LEFT, MOST_OVER = 0.2, -0.35
"""A lift that leaves more of the logo than this, or takes more than this too much, was wrong. The lower bound is wider
because on compressed images the strength itself is read with an error of about 0.1."""


@frozen
class Box:
    """Pixels of an image, `right` and `bottom` excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def moved(self, dx: int, dy: int) -> Box:
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@frozen
class Sighting:
    """A logo that is there: its profile, its box in the whole image, and what speaks for it."""

    profile: Profile
    box: Box
    evidence: Evidence


def box_of(profile: Profile, size: tuple[int, int]) -> Box | None:
    """Where `profile` stands in an image of `size`; None when it does not apply there or does not fit."""
    width, height = size
    long_side, short_side = max(width, height), min(width, height)
    if not _within(long_side, profile.long_side) or not _within(short_side, profile.short_side):
        return None
    scale = long_side / profile.scaled_from if profile.scaled_from else 1
    right, bottom = width - round(profile.right * scale), height - round(profile.bottom * scale)
    box = Box(right - profile.size, bottom - profile.size, right, bottom)
    return box if min(box.left, box.top) >= 0 and right <= width and bottom <= height else None


def _within(value: int, limits: tuple[int, int]) -> bool:
    return limits[0] <= value <= limits[1]


def reach(profiles: Iterable[Profile], size: tuple[int, int]) -> int:
    """Side of the bottom right square in which `find` looks for `profiles`; 0 when none of them fits."""
    boxes = [box for profile in profiles if (box := box_of(profile, size))]
    return max((max(size[0] - box.left, size[1] - box.top) + GROUND for box in boxes), default=0)


def find(
    pixels: Pixels, profiles: Iterable[Profile] = PROFILES, *, lossy: bool = False, size: tuple[int, int] | None = None
) -> Sighting | None:
    """The profile that the image bears by evidence, or None. `lossy`: the pixels came out of a JPEG or lossy WebP.

    Of profiles that differ in their strength only, the one whose own strength was read counts.
    """
    whole = size or (pixels.shape[1], pixels.shape[0])
    best: Sighting | None = None
    speaking: list[Sighting] = []
    for profile in profiles:
        box = box_of(profile, whole)
        here = box and _here(box, pixels, whole)
        if not box or not here:
            continue
        evidence = weigh(pixels, here.left, here.top, profile, lossy=lossy, quick=True)
        if evidence.speaks:
            speaking.append(Sighting(profile, box, evidence))
            if best is None or evidence.share > best.evidence.share:
                best = speaking[-1]
                if evidence.settles and not lossy:
                    return best
    if best is None:
        return None
    alike = [each for each in speaking if each.box == best.box and each.profile.shape == best.profile.shape]
    return min(alike, key=lambda each: abs(math.log(each.evidence.most)))


def draw(pixels: Pixels, profile: Profile, *, size: tuple[int, int] | None = None) -> Pixels:
    """A copy that bears the logo exactly as the service blends it; ValueError when it does not fit."""
    out, box, alpha = _copy_and_place(pixels, profile, size)
    region = out[box.top : box.bottom, box.left : box.right]
    region[:] = _rounded(alpha * 255 + (1 - alpha) * region)
    return out


def remove(pixels: Pixels, profile: Profile, *, size: tuple[int, int] | None = None) -> Pixels:
    """A copy with the logo taken off; ValueError when it does not fit. Exact to one level for alpha up to 0.5."""
    out, box, alpha = _copy_and_place(pixels, profile, size)
    region = out[box.top : box.bottom, box.left : box.right]
    region[:] = _rounded((region - alpha * 255) / (1 - alpha))
    return out


def residual(sighting: Sighting, pixels: Pixels, *, lossy: bool, size: tuple[int, int] | None = None) -> Evidence:
    """The evidence again, on the `pixels` of a lift."""
    whole = size or (pixels.shape[1], pixels.shape[0])
    here = sighting.box.moved(pixels.shape[1] - whole[0], pixels.shape[0] - whole[1])
    return weigh(pixels, here.left, here.top, sighting.profile, lossy=lossy, quick=not lossy)


def is_clean(before: Evidence, after: Evidence) -> bool:
    """Whether a lift took the logo and not more: little strength left either way, and no evidence any more."""
    return MOST_OVER <= after.amplitude <= MOST_LEFT and after.share < before.share


def _copy_and_place(pixels: Pixels, profile: Profile, size: tuple[int, int] | None) -> tuple[Pixels, Box, Map]:
    whole = size or (pixels.shape[1], pixels.shape[0])
    box = box_of(profile, whole)
    here = box and _here(box, pixels, whole)
    if not here:
        message = f"the logo {profile.name} does not fit into {whole[0]}x{whole[1]} pixels"
        raise ValueError(message)
    return pixels.copy(), here, alpha_of(profile)[..., None]


def _here(box: Box, pixels: Pixels, whole: tuple[int, int]) -> Box | None:
    """The box in the coordinates of `pixels`, the bottom right corner of the whole; None when it sticks out."""
    here = box.moved(pixels.shape[1] - whole[0], pixels.shape[0] - whole[1])
    return here if min(here.left, here.top) >= 0 else None


def _rounded(values: NDArray[np.float32]) -> Pixels:
    """To 8 bits, halves up, as the service rounds."""
    levels: Pixels = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return levels
