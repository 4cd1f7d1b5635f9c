"""Images, purely: bytes and pixels in, bytes and facts out. No file, no clock, no randomness.

measure    what a file says it is, before anything is decoded
clean      take the visible logo off, on evidence only; SynthID is never touched
resample   another size, when asked for
stamp      keep or add machine-readable provenance
file_name  the name an image is stored under
thumbnail  a small preview
Watch      notices that the logo has moved
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gemgate.imaging.errors import UnsupportedImage
from gemgate.imaging.header import MAX_PIXELS, Header, measure
from gemgate.imaging.logo_profiles import PROFILES, Profile, profiles_from_json, profiles_to_json
from gemgate.imaging.names import file_name, keyword

if TYPE_CHECKING:
    from gemgate.imaging.cleaning import Cleaned, clean
    from gemgate.imaging.logo_drift import LogoDriftDetector, Moved
    from gemgate.imaging.previews import thumbnail
    from gemgate.imaging.provenance import Tagged, tag_provenance
    from gemgate.imaging.resampling import resample

PIXEL_COST = 8
"""Bytes of memory that a pixel takes while an image is worked on (6.4 measured with 4096 x 4096)."""
ARITHMETIC = 160 << 20
"""Address space that NumPy and its OpenBLAS reserve. The latter ends the process when it does not get it."""

_DECODES = {
    **dict.fromkeys(("Cleaned", "clean"), "cleaning"),
    "thumbnail": "previews",
    **dict.fromkeys(("Tagged", "tag_provenance"), "provenance"),
    "resample": "resampling",
    **dict.fromkeys(("Moved", "LogoDriftDetector"), "logo_drift"),
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
    "LogoDriftDetector",
    "Moved",
    "Profile",
    "Tagged",
    "UnsupportedImage",
    "clean",
    "file_name",
    "keyword",
    "measure",
    "profiles_from_json",
    "profiles_to_json",
    "resample",
    "tag_provenance",
    "thumbnail",
]
