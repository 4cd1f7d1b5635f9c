"""Numbers of callers: one reader, so that none is too long, bypasses a bound or is a digit of another script."""

import re
from pathlib import Path

import pytest

from gemgate.digits import whole

SOURCES = Path(__file__).parents[2] / "src" / "gemgate"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("9" * 15, 10**15 - 1), ("9" * 16, None), ("9" * 5_000, None), ("", None), ("-1", None),
        ("+1", None), (" 1", None), ("1_0", None), ("\u00b2", None), ("\u0663", None), ("1.0", None),
    ],
)  # fmt: skip
def test_a_number_is_short_ascii_digits(text: str, number: int | None) -> None:
    assert whole(text) == number


def test_nobody_reads_digits_of_a_caller_by_itself() -> None:
    own = re.compile(r"\.is(?:digit|decimal|numeric)\(\)")
    read = [path for room in ("web", "dialects") for path in (SOURCES / room).rglob("*.py")]
    found = [str(path.relative_to(SOURCES)) for path in read if own.search(path.read_text("utf-8"))]
    assert [one for one in found if not one.startswith("dialects/gateways/")] == []  # files of an operator
