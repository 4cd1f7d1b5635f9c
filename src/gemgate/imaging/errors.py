"""Why an image file is left alone: the one exception that rooms of `imaging` raise among themselves.

It never leaves `clean` or `stamp`: they answer with the original bytes and the reason as a note.
"""

from __future__ import annotations


class UnsupportedImage(ValueError):
    """The file is damaged, or of a kind that cannot be changed without losing something; `str()` says which."""
