"""Anthropic's listings: a page of a list, by the ids it comes after or before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from gemgate.errors import BadRequest, LocalText


class Listed(Protocol):
    """What a listing shows."""

    @property
    def id(self) -> str: ...


L = TypeVar("L", bound=Listed)


def page_of(
    items: Sequence[L], kind: LocalText, *, limit: int, after_id: str | None, before_id: str | None
) -> tuple[Sequence[L], bool]:
    """One page, and whether there is more in the direction that is turned to; BadRequest for an unknown cursor."""
    ids = [item.id for item in items]
    for cursor, name in ((after_id, "after_id"), (before_id, "before_id")):
        if cursor is not None and cursor not in ids:
            raise BadRequest(f"{name} names no {kind.en}", f"{name} 不是已有的{kind.zh}", param=name)
    start = ids.index(after_id) + 1 if after_id is not None else 0
    end = ids.index(before_id) if before_id is not None else len(ids)
    backwards = before_id is not None and after_id is None
    if backwards:
        start = max(0, end - limit)
    page = items[start:end][:limit]
    return page, start > 0 if backwards else start + len(page) < end
