"""Questions to the ledger of usage as people write them, and its answers as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gemgate.errors import BadRequest
from gemgate.ports.usage import AMOUNTS, DIMENSIONS, UsageQuestion, UsageRow, UsageSums

DAYS = 30
"""How far back is looked when nobody says."""
HOUR_DAYS = 35
"""Days that a question by the hour is about at most."""
MOST = 10_000
"""Rows of an answer."""
FIRST = date(1970, 1, 1)
_FILTERS = tuple(name for name in DIMENSIONS if name not in ("day", "hour"))
_LONGEST = 200


def question(wanted: Mapping[str, str], now: float) -> UsageQuestion:
    """by: dimensions, comma separated; from, to: days (YYYY-MM-DD, UTC), both included; a dimension's name: only that
    value. BadRequest. now: epoch seconds.
    """
    by = tuple(dict.fromkeys(part.strip() for part in wanted.get("by", "day").split(",") if part.strip()))
    if unknown := [name for name in by if name not in DIMENSIONS]:
        raise BadRequest(
            f"by knows {', '.join(DIMENSIONS)}, and not {unknown[0][:40]}",
            f"by 可取 {'、'.join(DIMENSIONS)}，没有 {unknown[0][:40]}",
            param="by",
        )
    today = datetime.fromtimestamp(now, UTC).date()
    last = _day(wanted, "to") or today
    first = _day(wanted, "from") or last - timedelta(days=DAYS - 1)
    if "hour" in by and (last - first).days >= HOUR_DAYS:
        raise BadRequest(
            f"By the hour at most {HOUR_DAYS} days can be asked at once; narrow from and to",
            f"按小时最多一次查询 {HOUR_DAYS} 天，请缩小 from 与 to 的范围",
            param="from",
        )
    where = tuple((name, wanted[name][:_LONGEST]) for name in _FILTERS if name in wanted)
    return UsageQuestion(
        tuple(name for name in DIMENSIONS if name in by), (first - FIRST).days, (last - FIRST).days + 1, where, MOST + 1
    )


def checked(rows: Sequence[UsageRow]) -> Sequence[UsageRow]:
    """The rows, if they are few enough to be told; BadRequest."""
    if len(rows) > MOST:
        raise BadRequest(
            f"The answer has more than {MOST} rows; ask by fewer dimensions, for fewer days, or for one key",
            f"结果超过 {MOST} 行；请减少维度或天数，或只查询一个密钥",
            param="by",
            code="too_many_rows",
        )
    return rows


def to_json(asked: UsageQuestion, rows: Sequence[UsageRow]) -> dict[str, Any]:
    """The answer, and the sums of all its rows."""
    total = UsageSums()
    for row in rows:
        total.add(row.sums)
    return {
        "from": str(date_of(asked.since)),
        "to": str(date_of(asked.until - 1)),
        "by": list(asked.by),
        "rows": [_row(asked, row) for row in rows],
        "total": _amounts(total),
    }


def to_csv(asked: UsageQuestion, rows: Sequence[UsageRow]) -> str:
    """The same with a line of names; what a spreadsheet would take for a formula is a text there."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*asked.by, *AMOUNTS])
    for row in rows:
        writer.writerow([_harmless(value) for value in _row(asked, row).values()])
    return text.getvalue()


def date_of(day: int) -> date:
    """The day that is so many after 1970-01-01."""
    return FIRST + timedelta(days=day)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _row(asked: UsageQuestion, row: UsageRow) -> dict[str, Any]:
    of = {
        name: str(date_of(int(value))) if name == "day" else value for name, value in zip(asked.by, row.of, strict=True)
    }
    return of | _amounts(row.sums)


def _amounts(sums: UsageSums) -> dict[str, Any]:
    return {name: round(getattr(sums, name), 3) for name in AMOUNTS}


def _day(wanted: Mapping[str, str], name: str) -> date | None:
    if not (text := wanted.get(name, "")):
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not FIRST <= found <= date(9000, 1, 1):
        raise BadRequest(f"{name} is a day such as 2026-11-29", f"{name} 应为日期，例如 2026-11-29", param=name)
    return found
