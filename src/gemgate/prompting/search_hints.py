"""What a prompt says of searching the web, for which the web app has no field."""

from __future__ import annotations

from gemgate.chat import Search


def search_hint(search: Search) -> str:
    """The wish in words; "" where it is the app's own matter, offered or not."""
    if search == "demanded":
        return "Search the web for this answer."
    if search == "forbidden":
        return "Do not search the web for this answer, and do not open links."
    return ""
