"""The measured figures of the visible logo, as data: its shape at two sizes, its outline at any size, where it stands.

A profile says where in an image one generation of the logo stands and how strong it is; users add their own as
JSON (`gemgate logo calibrate` writes it). No figure here is code, and none is fitted to an image at run time.
Sources: docs/logo.md 1 (places and strengths), docs/logo.md 2 (run tables and outline).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, Final, Literal, TypeAlias, get_args

from gemgate.errors import BadValue
from gemgate.frozen import frozen

Shape: TypeAlias = Literal["runs48", "runs96", "soft96", "outline"]
Known: TypeAlias = Literal["measured", "reported", "calibrated"]
Quarter: TypeAlias = tuple[tuple[int, ...], ...]

STEPS: Final = 16
"""Coverage is counted in sixteenths: the service draws with 16 samples per pixel (docs/logo.md 1)."""

RUNS48: Final[Quarter] = (
    *((23, 14), (22, 4), (22, 9), (22, 14), (21, 4), (21, 10), (20, 2), (20, 10), (19, 2), (19, 14), (18, 8)),
    *((17, 2), (16, 2, 14), (16, 13), (15, 10), (14, 10), (12, 1, 12), (11, 3, 14), (10, 7, 15), (8, 4, 12)),
    *((6, 2, 10), (4, 4, 12), (1, 4, 9, 15), (0, 14)),
)
"""Top-left quarter of the 48 px logo, row by row: first covered column, partial counts, then full to the middle."""

RUNS96: Final[Quarter] = (
    *((46, 7, 15), (45, 2), (45, 5), (45, 10), (45, 14), (44, 4), (44, 10), (44, 14), (43, 5), (43, 11)),
    *((42, 2), (42, 10), (41, 2), (41, 8), (40, 2, 14), (40, 10), (39, 2), (39, 10), (38, 5), (38, 14)),
    *((37, 8), (36, 3), (35, 2, 14), (35, 10), (34, 8), (33, 4), (32, 2, 15), (31, 2, 14), (30, 2, 14)),
    *((29, 1, 14), (28, 2, 13), (27, 2, 14), (26, 2, 14), (25, 4, 15), (24, 7), (22, 1, 11), (21, 4, 14)),
    *((19, 1, 9), (18, 4, 14), (16, 2, 11), (14, 1, 8, 15), (12, 1, 8, 15), (10, 2, 8, 15), (8, 4, 12)),
    *((5, 4, 9, 15), (1, 1, 6, 10, 15), (0, 7), (0, 14)),
)
"""The same for the 96 px logo."""


@frozen
class Outline:
    """One octant of the star in units of half its box: a round tip, then one cubic Bezier to the diagonal."""

    tip_radius: float = 0.0461
    tip_slope: float = 0.2453
    tip_handle: float = 0.3724
    waist_handle: float = 0.0173
    waist: float = 0.3794


@frozen
class Softening:
    """The blurred and sharpened edge of the 2026 large logo: sigmas in pixels, gain of the sharpening."""

    blur: float = 1.018
    wide: float = 2.061
    gain: float = 0.41


OUTLINE: Final = Outline()
SOFTENING: Final = Softening()


@frozen
class Profile:
    """One generation of the logo.

    size:    side of its box, pixels.
    right, bottom: pixels between the box and the image's edge.
    peak:    alpha in the middle of the star, 0..1.
    shape:   which coverage map draws it.
    known:   "measured" on real images, "reported" by others and unconfirmed, or "calibrated" by a user.
    long_side, short_side: only images whose sides are in these ranges (pixels, both ends included) are looked at.
    scaled_from: when not 0, the margins belong to an image with this long side and scale with the image's own.
    quarter, steps: a user's own map: its top-left quarter, coverage counted in 1/steps; empty = `shape` draws it.
    """

    name: str
    size: int
    right: int
    bottom: int
    peak: float
    shape: Shape = "outline"
    known: Known = "reported"
    long_side: tuple[int, int] = (0, 1 << 30)
    short_side: tuple[int, int] = (0, 1 << 30)
    scaled_from: int = 0
    quarter: Quarter = ()
    steps: int = STEPS


V1_SMALL: Final = Profile("v1-48", 48, 32, 32, 0.5, "runs48", "measured")
V1_LARGE: Final = Profile("v1-96", 96, 64, 64, 0.5, "runs96", "measured")
V2_LARGE: Final = Profile("v2-96", 96, 192, 192, 0.302, "soft96")
V2_SMALL: Final = Profile("v2-48", 48, 96, 96, 0.3, "runs48")
V2_SMALL_CORNER: Final = Profile("v2-48-corner", 48, 32, 32, 0.3, "runs48")
V2_PREVIEW: Final = Profile("v2-36", 36, 192, 192, 0.3, long_side=(0, 2048), short_side=(566, 2048), scaled_from=2752)
V2_PREVIEW_WIDE: Final = replace(V2_PREVIEW, name="v2-36-wide", short_side=(550, 565), scaled_from=2816)
V2_PREVIEW_WIDEST: Final = replace(V2_PREVIEW, name="v2-36-widest", short_side=(0, 549), scaled_from=2848)
V2_ODD: Final = Profile("v2-48-89", 48, 89, 89, 0.3, "runs48", long_side=(2752, 2752))
V2_PALE: Final = tuple(replace(V2_SMALL, name=f"v2-48-{peak}", peak=peak / 100) for peak in (15, 20, 25))
V2_SEVEN_EIGHTHS: Final = tuple(Profile(f"v2-42-{peak}", 42, 82, 82, peak / 100) for peak in (20, 25, 30))
"""Strengths that are reported between the extremes: each is its own profile, the one that fits best is lifted."""
V1_ODD: Final = Profile("v1-46", 46, 32, 32, 0.5, "outline", long_side=(1408, 1408))

PROFILES: Final = (
    *(V1_SMALL, V1_LARGE, V2_LARGE, V2_SMALL, V2_SMALL_CORNER),
    *(V2_PREVIEW, V2_PREVIEW_WIDE, V2_PREVIEW_WIDEST, V2_ODD, V1_ODD),
    *(*V2_PALE, *V2_SEVEN_EIGHTHS),
)
"""What is looked for by default. The first two are measured; the V2 ones are what others report
(docs/google-wire.md 3.6).
"""


def profiles_to_json(profiles: Iterable[Profile]) -> str:
    """The file that `profiles_from_json` reads."""
    return json.dumps({"profiles": [asdict(profile) for profile in profiles]}, indent=1)


def profiles_from_json(text: str) -> tuple[Profile, ...]:
    """Read profiles that a user added or calibrated; BadValue names what is wrong."""
    try:
        rows = json.loads(text)["profiles"]
        return tuple(_checked(_profile(row)) for row in rows)
    except (TypeError, KeyError, ValueError) as wrong:
        raise BadValue(f"not a file of logo profiles: {wrong}", "不是标志特征文件") from wrong


def _profile(row: dict[str, Any]) -> Profile:
    given = dict(row)
    for side in ("long_side", "short_side"):
        if side in given:
            low, high = given[side]
            given[side] = (int(low), int(high))
    if "quarter" in given:
        given["quarter"] = tuple(tuple(int(count) for count in line) for line in given["quarter"])
    return Profile(**given)


def _checked(profile: Profile) -> Profile:
    """The profile; ValueError unless it can be drawn, for what a hand-written file gets wrong."""
    drawn = {"runs48": 48, "runs96": 96, "soft96": 96}.get(profile.shape, profile.size)
    half = profile.size // 2
    square = len(profile.quarter) == half and all(len(line) == half for line in profile.quarter)
    sound = (
        8 <= profile.size <= 512 and min(profile.right, profile.bottom) >= 0 and 0 < profile.peak <= 0.95,
        profile.shape in get_args(Shape) and profile.known in get_args(Known) and profile.steps > 0,
        (square and profile.size % 2 == 0) if profile.quarter else drawn == profile.size,
        all(0 <= count * profile.peak <= profile.steps * 0.95 for line in profile.quarter for count in line),
    )
    if not all(sound):
        message = f"{profile.name!r} cannot be drawn: check its size, peak, shape and map"
        raise ValueError(message)
    return profile
