"""What a prompt says of searching the web, for which the web app has no field."""

from __future__ import annotations


def search_hint(search: bool | None) -> str:
    """The wish in words; "" where it is the app's own business."""
    if search is None:
        return ""
    if search:
        return "Search the web for this answer."
    return "Do not search the web for this answer, and do not open links."
