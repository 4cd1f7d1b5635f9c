"""The story of taking the visible logo off an image file: measure, open, look, lift, look again, write.

The rule: without evidence, with any doubt and after any failure the caller gets back the very bytes object it gave.
Only the visible logo is meant. SynthID, the invisible mark, is not touched, and machine-readable provenance is the
business of `provenance.stamp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Final

from gemgate.errors import NO_TEXT, ClientError, LocalText
from gemgate.frozen import frozen
from gemgate.images import Logo
from gemgate.imaging.errors import UnsupportedImage, why_not
from gemgate.imaging.header import MAX_PIXELS, measure
from gemgate.imaging.logo import Pixels, Sighting, find, is_clean, reach, remove, residual
from gemgate.imaging.logo_before import before
from gemgate.imaging.logo_profiles import PROFILES, Profile
from gemgate.imaging.raster import RasterImage, open_image

CORNER: Final = 420
"""The bottom right square, in pixels, in which a moved logo is looked for (docs/logo.md 3)."""


@frozen
class Cleaned:
    """What became of an image's logo.

    data:      the new file, or the very object that was given when nothing changed.
    logo:      "removed"; "absent" = looked for and not there; "kept" = there, or not looked for, and why is in `note`.
    profile:   name of the profile that was found, else empty.
    evidence:  share of the evidence a true logo gives, 1 = all of it; 0 when nothing was found.
    amplitude: strength of the logo found, 1 = the profile's.
    left:      strength left after the lift, 0 = none.
    note:      for the person who asks.
    corner:    of images without the logo, the corner in which a moved one may be searched (`Watch`).
    before:    of images whose logo was removed, what stood in its box (`logo_before`).
    """

    data: bytes = field(repr=False)
    logo: Logo
    profile: str = ""
    evidence: float = 0.0
    amplitude: float = 0.0
    left: float = 0.0
    note: LocalText = NO_TEXT
    corner: Pixels | None = field(default=None, repr=False, compare=False)
    before: bytes = field(default=b"", repr=False, compare=False)


def clean(
    data: bytes, *, profiles: Sequence[Profile] = PROFILES, remove: bool = True, max_pixels: int = MAX_PIXELS
) -> Cleaned:
    """Take the visible logo off a PNG, JPEG or WebP file when there is evidence that it bears one.

    Nothing is raised. PNG: only pixels in the logo's box change and every chunk stays as it is. JPEG and lossy WebP are
    encoded again like themselves, so that other pixels move by the rounding of their own quantisation. `remove=False`
    only looks. CPU-bound: call it from a worker thread.
    """
    try:
        header = measure(data, max_pixels=max_pixels)
        size = (header.width, header.height)
        side = reach(profiles, size)
        if not side:
            return Cleaned(data, "absent")
        image = open_image(data, header)
        corner = image.corner(side)
        sighting = find(corner, profiles, lossy=image.lossy, size=size)
        if sighting is None:
            return Cleaned(data, "absent", corner=image.corner(CORNER))
        if not remove:
            return _kept(data, sighting, LocalText("the logo is there and was left on", "图片带有标志，未去除"))
        return _taken_off(data, image, corner, sighting, size)
    except (UnsupportedImage, ClientError) as why:
        return Cleaned(data, "kept", note=why_not(why))
    except MemoryError:
        return Cleaned(
            data, "kept", note=LocalText("not enough memory to decode the picture", "内存不足，无法解码图片")
        )


def _taken_off(data: bytes, image: RasterImage, corner: Pixels, sighting: Sighting, size: tuple[int, int]) -> Cleaned:
    stood = before(corner, sighting.box, size)
    plain = remove(corner, sighting.profile, size=size)
    after = residual(sighting, plain, lossy=image.lossy, size=size)
    if not is_clean(sighting.evidence, after):
        return _kept(
            data,
            sighting,
            LocalText("the logo did not come off cleanly, so the original is kept", "标志未能干净去除，因此保留原图"),
        )
    try:
        written = image.rewrite(plain, sighting.box)
    except UnsupportedImage as why:
        return _kept(data, sighting, why.text)
    found = sighting.evidence
    return Cleaned(
        written, "removed", sighting.profile.name, found.share, found.amplitude, after.amplitude, before=stood
    )


def _kept(data: bytes, sighting: Sighting, why: LocalText) -> Cleaned:
    found = sighting.evidence
    return Cleaned(data, "kept", sighting.profile.name, found.share, found.amplitude, found.amplitude, why)
