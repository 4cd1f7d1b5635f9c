"""What Google says is left of an account: behind every answer (docs/google-wire.md 6.1), and when it is asked (7.2)."""

from __future__ import annotations

from typing import Any, Final

from gemini_webapi.utils import get_nested_value as at

from gemgate.accounts import ACTION, Tier, UsageReport, UsageWindow
from gemgate.upstreams.web.fields import rows

TIERS: Final[dict[int, Tier]] = {1: "free", 2: "pro", 3: "ultra", 4: "plus"}
"""By `jSf9Qc[0]`; other numbers were seen and are not known."""
CREDITS_KIND: Final = 3
KINDS: Final = {1: "5h", 2: "weekly", CREDITS_KIND: "credits"}


def windows(value: Any) -> tuple[UsageWindow, ...]:
    """The rows `[[action, ..], 1, percent used, [reset, ns], total, remaining]` and the model they are of, as every
    answer tells them; rows of another kind are left out.
    """
    found: list[UsageWindow] = []
    if not (isinstance(value, list) and value and value[0]):
        return ()
    model = at(value, [1])
    for row in rows(value[0]):
        action, percent, total, left = at(row, [0, 0]), at(row, [2]), at(row, [4]), at(row, [5])
        if not isinstance(action, int) or not _counts(percent):
            continue
        counted = isinstance(total, int) and isinstance(left, int) and total > 0
        found.append(
            UsageWindow(
                f"{ACTION}{action}",
                _share(1 - left / total if counted else percent / 100),
                _moment(at(row, [3, 0])),
                float(left) if counted else None,
                float(total) if counted else None,
                model if isinstance(model, str) else "",
            )
        )
    return tuple(found)


def report(body: Any) -> UsageReport:
    """The body of jSf9Qc: tier, rows `[rem, used 0..1, kind, [[reset]]]`, whether credits go on where a window ends."""
    number, overage = at(body, [0]), at(body, [2])
    found: list[UsageWindow] = []
    for row in rows(at(body, [1])):
        kind, used, left = at(row, [2]), at(row, [1]), at(row, [0])
        name = KINDS.get(kind) if isinstance(kind, int) else None
        remaining = float(left) if _counts(left) else None
        if name is None or not (_counts(used) or (kind == CREDITS_KIND and remaining is not None)):
            continue
        found.append(UsageWindow(name, _share(used if _counts(used) else 0.0), _moment(at(row, [3, 0, 0])), remaining))
    tier = TIERS.get(number, "unknown") if isinstance(number, int) else "unknown"
    return UsageReport(tuple(found), tier, overage if isinstance(overage, bool) else None)


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - not NaN


def _share(used: float) -> float:
    return min(1.0, max(0.0, used))


def _moment(value: Any) -> float | None:
    return float(value) if _counts(value) and value > 0 else None
