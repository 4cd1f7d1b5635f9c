"""Why an image file is left alone: the one exception that rooms of `imaging` raise among themselves.

It never leaves `clean` or `stamp`: they answer with the original bytes and the reason as a note.
"""

from __future__ import annotations

from gemgate.errors import BadValue, ClientError, LocalText


class UnsupportedImage(BadValue):
    """The file is damaged, or of a kind that cannot be changed without losing something; `text` says which."""


def why_not(error: UnsupportedImage | ClientError) -> LocalText:
    """Why an image is left as it is, as a note."""
    return error.text if isinstance(error, UnsupportedImage) else LocalText(error.en, error.zh)
