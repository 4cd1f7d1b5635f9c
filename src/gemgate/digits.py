"""Whole numbers as callers write them: in a header, a query, a token of a page."""

from __future__ import annotations

MOST = 15
"""Digits: no number of ours has more, and the interpreter refuses to read thousands."""


def whole(text: str) -> int | None:
    """The number that ASCII digits are; None for any other text, and for one that is too long."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST else None
