"""Name and type of a file as Google shall see them, at its upload and in every prompt alike.

A file whose name and type disagree is dropped without a word (docs/google-wire.md 8.1).
"""

from __future__ import annotations

import mimetypes

from gemgate.audio import ending_of, type_of_name

_SAYS_LITTLE = ("", "text/plain", "application/octet-stream")


def fitting(name: str, mime: str) -> tuple[str, str]:
    """A name whose ending tells the type, and that type: what bytes show counts, else what the name's ending says."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip() or "file"
    guessed = type_of_name(base) or mimetypes.guess_type(base)[0]
    if guessed and mime in _SAYS_LITTLE and not guessed.startswith(("image/", "video/")):
        return base, guessed
    mime = mime or "application/octet-stream"
    if guessed != mime:
        base += ending_of(mime) or mimetypes.guess_extension(mime) or ""
    return base, mime
