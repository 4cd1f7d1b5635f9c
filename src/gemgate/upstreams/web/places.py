"""Where things stand in Google's rows: by place, or by key in the dict behind them (docs/google-wire.md 6.1).

Field n of a row is `row[n]`, or `row[-1][str(n + 1)]` when the row ends with a dict. Both are today's wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

PROGRESS: Final = 6
CONTEXT: Final = 25
QUOTA: Final = 27

_IDS_AND_CANDIDATES: Final = 5
KNOWN: Final = frozenset({PROGRESS, 10, 14, 17, 20, CONTEXT, QUOTA, 39, 42, 43, 44})
"""Fields of a part beside ids and candidates: progress, title, mark, rid, token, context, quota, the model that served,
stored or not, suggestions (docs/google-wire.md 2.1, 6.1)."""


def field(row: Any, number: int) -> Any:
    """Field `number` of a row, None when it has none."""
    if not isinstance(row, list) or not row:
        return None
    last = row[-1]
    if isinstance(last, dict):
        if number < len(row) - 1 and row[number] is not None:
            return row[number]
        return last.get(str(number + 1))
    return row[number] if number < len(row) else None


def unknown_fields(row: list[Any]) -> Iterator[str]:
    """Names of the fields of a part that nothing is known of."""
    for number in range(_IDS_AND_CANDIDATES, len(row)):
        if number not in KNOWN and row[number] is not None and not isinstance(row[number], dict):
            yield f"frame {number}"
    if row and isinstance(row[-1], dict):
        for key in row[-1]:
            if not key.isdigit():
                yield "frame key"
            elif int(key) > _IDS_AND_CANDIDATES and int(key) - 1 not in KNOWN:
                yield f"frame {int(key) - 1}"


def text_in(value: Any) -> str:
    """The first text in a value that may be wrapped in lists, "" when there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next(filter(None, map(text_in, value)), "")
    return ""
