"""Pictures, purely: bytes and pixels in, bytes and facts out. No file, no clock, no dice.

measure    what a file says it is, before anything is decoded
clean      take the visible logo off, on evidence only; SynthID is never touched
resample   another size, when asked for
stamp      keep or add machine-readable provenance
file_name  the name a picture is stored under
thumbnail  a small preview
Watch      notices that the logo has moved
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gemgate.imaging.figures import PROFILES, Profile, profiles_from_json, profiles_to_json
from gemgate.imaging.header import MAX_PIXELS, Header, measure
from gemgate.imaging.names import file_name, keyword
from gemgate.imaging.unfit import Unfit

if TYPE_CHECKING:
    from gemgate.imaging.cleaning import Cleaned, clean
    from gemgate.imaging.previews import thumbnail
    from gemgate.imaging.provenance import Stamped, stamp
    from gemgate.imaging.resampling import resample
    from gemgate.imaging.watch import Moved, Watch

PIXEL_COST = 8
"""Bytes of memory that a pixel takes while a picture is worked on (6.4 measured with 4096 x 4096)."""
ARITHMETIC = 160 << 20
"""Address space that NumPy and its OpenBLAS reserve. The latter ends the process when it does not get it."""

_DECODES = {
    **dict.fromkeys(("Cleaned", "clean"), "cleaning"),
    "thumbnail": "previews",
    **dict.fromkeys(("Stamped", "stamp"), "provenance"),
    "resample": "resampling",
    **dict.fromkeys(("Moved", "Watch"), "watch"),
}
"""Names whose modules need NumPy and Pillow (20 MB): they are imported when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _DECODES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_DECODES[name]}"), name)
    return found


__all__ = [
    "ARITHMETIC",
    "MAX_PIXELS",
    "PIXEL_COST",
    "PROFILES",
    "Cleaned",
    "Header",
    "Moved",
    "Profile",
    "Stamped",
    "Unfit",
    "Watch",
    "clean",
    "file_name",
    "keyword",
    "measure",
    "profiles_from_json",
    "profiles_to_json",
    "resample",
    "stamp",
    "thumbnail",
]
