"""Where things stand in Google's rows: by place, or by key in the dict behind them (docs/google-wire.md 6.1).

Field n of a row is `row[n]`, or `row[-1][str(n + 1)]` when the row ends with a dict. Both are today's wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

PROGRESS: Final = 6
CONTEXT: Final = 25
QUOTA: Final = 27
MODEL_ID: Final = 39
MODEL_NAME: Final = 42

_IDS_AND_CANDIDATES: Final = 5
_DIGITS: Final = 4
"""Of a key that is a field's: names are few, because a metric has one row for each."""
KNOWN: Final = frozenset({PROGRESS, 10, 14, 17, 20, CONTEXT, QUOTA, MODEL_ID, MODEL_NAME, 43, 44})
"""Fields of a part beside ids and candidates: progress, title, mark, rid, token, context, quota, the model that served,
stored or not, suggestions (docs/google-wire.md 2.1, 6.1)."""


def beside(row: list[Any]) -> dict[int, Any]:
    """The fields of a part that stand beside its ids and candidates, by number; -1 stands for keys that are none."""
    found: dict[int, Any] = {}
    last = row[-1] if row else None
    if isinstance(last, dict):
        row = row[:-1]
        for key, value in last.items():
            number = int(key) - 1 if key.isdecimal() and len(key) <= _DIGITS else -1
            if not 0 <= number < _IDS_AND_CANDIDATES:
                found[number] = value
    by_place = enumerate(row[_IDS_AND_CANDIDATES:], _IDS_AND_CANDIDATES)
    return found | {number: value for number, value in by_place if value is not None}


def unknown(found: Iterable[int]) -> Iterator[str]:
    """Names of the fields that nothing is known of."""
    for number in found:
        if number not in KNOWN:
            yield "frame key" if number < 0 else f"frame {number}"


def text_in(value: Any) -> str:
    """The first text in a value that may be wrapped in lists, "" when there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next(filter(None, map(text_in, value)), "")
    return ""
