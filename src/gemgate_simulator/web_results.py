"""Rich fields with what an answer found on the web, in the spellings that were seen (docs/google-wire.md 6.3, 6.5).

Each gives fields for `Answer.rich`; several can be merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Page = tuple[str, str, str]
"""Address, title, snippet."""


def cited(pages: Sequence[Page]) -> dict[int, Any]:
    """Citation groups: the text's mark with the numbers, and the pages behind them."""
    mark = f" [cite: {', '.join(str(number) for number in range(1, len(pages) + 1))}]"
    entries = [[None, None, None, [[icon(url), url, title, snippet]]] for url, title, snippet in pages]
    return {43: [[[mark], entries]]}


def listed(pages: Sequence[Page], *, field: int = 57) -> dict[int, Any]:
    """Rows of icon, address, title and snippet somewhere in a field, the service's own addresses among them."""
    own = ["https://www.gstatic.com/images/branding/product/1x/gemini.png", "https://encrypted.gstatic.com/x", "x", ""]
    rows = [[icon(url), url, title, snippet] for url, title, snippet in pages]
    return {field: [["Looking around", [rows, [[icon(own[1]), own[1], own[2], own[3]]]]]]}


def grounded(pages: Sequence[Page]) -> dict[int, Any]:
    """The grounding rows of field 0."""
    rows = [[[[None, [None, None, title, [None, [None, None, [None, [url]]]]]]]] for url, title, _ in pages]
    return {0: [[*[None] * 14, [*[None] * 12, rows]]]}


def imaged(images: Sequence[tuple[str, str]]) -> dict[int, Any]:
    """Pictures of the web: address and alternative text."""
    return {1: [[[[url], None, None, None, alt]] for url, alt in images]}


def icon(url: str) -> str:
    return f"https://t3.gstatic.com/faviconV2?url={url}&client=BARD&type=FAVICON&size=256"


def research_plan(title: str, steps: Sequence[str]) -> dict[int, Any]:
    """What the first turn of a deep research answers with: a plan that waits for its start (6.8)."""
    rows = [[number, f"Step {number}", step] for number, step in enumerate(steps, 1)]
    confirm, modify = ["Start research"], ["Edit plan"]
    return {55: [title, rows, "Ready in a few mins", confirm, ["https://gemini.google.com/app", 0], modify]}


def research_task(pages: Sequence[Page], *, over: bool) -> dict[int, Any]:
    """A research under way, or at its end, where the report is a document beside the text (6.4, 6.8)."""
    visited = [[icon(url), url, title] for url, title, _ in pages]
    return {56: [1], 57: [[["Researching websites", "Looking around"], visited]], 69: 3 if over else 2}


def filmed(token: str, size: tuple[int, int] = (1280, 720), nbytes: int = 1_000_000) -> dict[int, Any]:
    """The card of a finished video (6.6)."""
    base = "https://contribution.usercontent.google.com/download"
    item: list[Any] = [None, 2, "video.mp4", None, None, token, None, [f"{base}?t=1", f"{base}?c=1"]]
    item += [None] * (25 - len(item))
    item[11], item[17], item[24] = "video/mp4", [[10, 0], *size], nbytes
    return {59: [[item]]}


def sung(token: str) -> dict[int, Any]:
    """The card of finished music: the sound, and the film of its cover (6.7)."""
    base = "https://contribution.usercontent.google.com/download"
    items = []
    for name, mime in (("song.mp3", "audio/mpeg"), ("song.mp4", "video/mp4")):
        item: list[Any] = [None, 2, name, None, None, token, None, [f"{base}?t={name}", f"{base}?c={name}"]]
        item += [None] * (25 - len(item))
        item[11], item[24] = mime, 744_000
        items.append([None, item])
    return {86: items}
