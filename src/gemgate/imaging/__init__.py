"""Pictures, purely: bytes and pixels in, bytes and facts out. No file, no clock, no dice.

measure    what a file says it is, before anything is decoded
clean      take the visible logo off, on evidence only; SynthID is never touched
resample   another size, when asked for
stamp      keep or add machine-readable provenance
file_name  the name a picture is stored under
thumbnail  a small preview
Watch      notices that the logo has moved
"""

from gemgate.imaging.cleaning import Cleaned, clean
from gemgate.imaging.figures import PROFILES, Profile, profiles_from_json, profiles_to_json
from gemgate.imaging.header import MAX_PIXELS, Header, measure
from gemgate.imaging.names import file_name, keyword
from gemgate.imaging.provenance import Stamped, stamp
from gemgate.imaging.resample import resample
from gemgate.imaging.thumbnail import thumbnail
from gemgate.imaging.unfit import Unfit
from gemgate.imaging.watch import Moved, Watch

__all__ = [
    "MAX_PIXELS",
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
