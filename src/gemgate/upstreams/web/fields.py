"""Where things stand in Google's rows: by place, or by key in the dict behind them (docs/google-wire.md 6.1).

Field n of a row is `row[n]`, or `row[-1][str(n + 1)]` when the row ends with a dict. Both are today's wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

PROGRESS: Final = 6
CONTEXT: Final = 25
QUOTA: Final = 27
MODEL_ID: Final = 39
MODEL_NAME: Final = 42

_IDS_AND_CANDIDATES: Final = 5
_DIGITS: Final = 4
"""Of a key that is a field's: names are few, because a metric has one row for each."""
_UNREAD: Final = frozenset({10, 14, 17, 20, 43, 44})
"""Fields of a part that are known and that nothing is taken from: title, mark, rid, token, stored or not, suggestions
(docs/google-wire.md 2.1, 6.1). Most parts have nothing else beside ids and candidates.
"""
_UNREAD_KEYS: Final = frozenset(str(number + 1) for number in (*range(_IDS_AND_CANDIDATES), *_UNREAD))


def beside(row: list[Any]) -> dict[int, Any]:
    """What stands beside the ids and candidates of a part, by number, of all that is read or not known; -1 stands for
    keys that are no number.
    """
    places = len(row)
    found: dict[int, Any] = {}
    if row and isinstance(last := row[-1], dict):
        places -= 1
        found = {_number(key): value for key, value in last.items() if key not in _UNREAD_KEYS}
    if places > _IDS_AND_CANDIDATES:
        placed = enumerate(row[_IDS_AND_CANDIDATES:places], _IDS_AND_CANDIDATES)
        found |= {place: value for place, value in placed if value is not None and place not in _UNREAD}
    return found


def _number(key: str) -> int:
    return int(key) - 1 if key.isdecimal() and len(key) <= _DIGITS else -1


def first(row: list[Any], place: int) -> Any:
    """What stands first in the list at a place of a row; None where there is no such thing."""
    inner = row[place] if place < len(row) else None
    return inner[0] if isinstance(inner, list) and inner else None


def rows(value: Any) -> Iterable[Any]:
    """What is in a list; nothing where something else stands."""
    return value if isinstance(value, list) else ()


def name(number: int) -> str:
    """What a field that nothing is known of is called."""
    return "frame key" if number < 0 else f"frame {number}"


def text_in(value: Any) -> str:
    """The first text in a value that may be wrapped in lists, "" when there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next(filter(None, map(text_in, value)), "")
    return ""
