"""What Google says is left of an account's actions: every answer tells it (docs/google-wire.md 6.1)."""

from __future__ import annotations

from typing import Any

from gemini_webapi.utils import get_nested_value as at

from gemgate.accounts import ACTION, UsageWindow


def windows(value: Any) -> tuple[UsageWindow, ...]:
    """The rows `[[action, ..], 1, percent used, [reset, ns], total, remaining]`; rows of another kind are left out."""
    found: list[UsageWindow] = []
    rows = at(value, [0], [])
    for row in rows if isinstance(rows, list) else ():
        action, percent, total, left = at(row, [0, 0]), at(row, [2]), at(row, [4]), at(row, [5])
        if not isinstance(action, int) or not isinstance(percent, int | float):
            continue
        counted = isinstance(total, int) and isinstance(left, int) and total > 0
        used = 1 - left / total if counted else percent / 100
        found.append(UsageWindow(f"{ACTION}{action}", min(1.0, max(0.0, used)), at(row, [3, 0])))
    return tuple(found)
