"""Headers of answers: outside text in them, such as the name of a field that nobody reads, breaks no answer."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_text(value: str) -> bytes:
    """A value as it goes out. What would end its line becomes `_`, a letter that no header can carry `?`."""
    return _CONTROLS.sub("_", value).encode("latin-1", "replace")
