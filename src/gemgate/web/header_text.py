"""Headers of answers: outside text in them, such as the name of a field that nobody reads, breaks no answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_text(value: str) -> bytes:
    """A value as it goes out. What would end its line becomes `_`, a letter that no header can carry `?`."""
    if not value.isprintable():
        value = _CONTROLS.sub("_", value)
    return value.encode("latin-1", "replace")


def stamped(raw: Iterable[tuple[bytes, bytes]], ours: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The head of an answer with our headers, whose names are in lower case: they stand in place of those of the same
    name.
    """
    added = {name.encode("latin-1"): header_text(value) for name, value in ours.items()}
    return [header for header in raw if header[0].lower() not in added] + list(added.items())
