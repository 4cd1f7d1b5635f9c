"""Tables of the pages that are written from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """Its lines; head and cells are Markdown already."""
    rule = "|" + "---|" * (head.count("|") - 1)
    return [head, rule, *(f"| {' | '.join(cells)} |" for cells in rows)]
