"""How large the service paints: its official sizes by aspect ratio and resolution, and the aspect a prompt asks for.

Pure. Source of the sizes: docs/logo.md 1, "Official output sizes"; 16:9 is 1376x768 at 1K but twice 1408x768 at 2K.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal, TypeAlias

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""
Resolution: TypeAlias = Literal["0.5K", "1K", "2K", "4K"]

ASPECTS: Final[dict[str, Size]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "9:21": (672, 1584),
    "21:9": (1584, 672),
}
"""Sizes at 1K."""

_WIDE: Final[Size] = (1408, 768)
_TIMES: Final[dict[Resolution, tuple[int, int]]] = {"0.5K": (1, 2), "1K": (1, 1), "2K": (2, 1), "4K": (4, 1)}

_RATIO = re.compile(r"(?<![\d.:])(\d{1,2})\s*[:：]\s*(\d{1,2})(?![\d:])")
_NAMED = re.compile(r"aspect|ratio|format|比例|宽高比|画幅", re.IGNORECASE)
_WORDS: Final = (
    (re.compile(r"\blandscape (?:format|orientation|mode)|\bwide-?screen\b|横(?:屏|版|图|幅)", re.IGNORECASE), "16:9"),
    (re.compile(r"\b(?:portrait|vertical) (?:format|orientation|mode)\b|竖(?:屏|版|图|幅)", re.IGNORECASE), "9:16"),
    (re.compile(r"\bsquare (?:format|image|picture)|方(?:形|图)", re.IGNORECASE), "1:1"),
)


def official(aspect: str, resolution: Resolution) -> Size:
    """The size of an image of this aspect ("16:9"); KeyError for one the service does not paint."""
    width, height = _WIDE if aspect == "16:9" and resolution in ("2K", "4K") else ASPECTS[aspect]
    times, parts = _TIMES[resolution]
    return width * times // parts, height * times // parts


def aspect_of(prompt: str) -> str:
    """The aspect a prompt asks for in figures or words, else the square; odd ratios get the nearest there is."""
    for found in _RATIO.finditer(prompt):
        ratio = f"{int(found[1])}:{int(found[2])}"
        if ratio in ASPECTS:
            return ratio
        if int(found[1]) and int(found[2]) and _NAMED.search(prompt):
            return _nearest(int(found[1]) / int(found[2]))
    return next((aspect for pattern, aspect in _WORDS if pattern.search(prompt)), "1:1")


def within(size: Size, most_side: int | None) -> Size:
    """`size`, made smaller in proportion until its long side is at most `most_side`."""
    long_side = max(size)
    if not most_side or long_side <= most_side:
        return size
    width, height = (max(1, round(side * most_side / long_side)) for side in size)
    return width, height


def _nearest(ratio: float) -> str:
    return min(ASPECTS, key=lambda aspect: abs(math.log(ASPECTS[aspect][0] / ASPECTS[aspect][1] / ratio)))
