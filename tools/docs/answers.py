"""One real answer of each operation for the API page: recorded while the examples run, and made the same every time.

`ANSWERS=write pytest tests/docs/test_examples.py -k python` records them anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("answers.json")
MOMENT, DATE = 1795860900, "2026-11-28T10:15:00Z"
HEX = "5c56ba9e643d4b0d"
LONGEST = 100
"""Characters of a text that is shown, and of a line."""


def load() -> dict[str, Any]:
    """Operation -> its answer."""
    told: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return told


def write(answers: Mapping[str, Any]) -> None:
    FILE.write_text(json.dumps(dict(sorted(answers.items())), ensure_ascii=False, indent=1) + "\n", "utf-8")


def constant(answer: Any, known: Mapping[str, str]) -> Any:
    """The answer with moments and ids that are always the same, of lists the first, of long texts the beginning.

    known: a value of this run -> what stands for it on the page.
    """
    match answer:
        case dict():
            return {_text(name, known): constant(one, known) for name, one in answer.items()}
        case list():
            return [constant(one, known) for one in answer[:1]]
        case str():
            text = _text(answer, known)
            return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        case int() | float() if 1.7e9 < answer < 2.5e9:
            return MOMENT
    return answer


def _text(text: str, known: Mapping[str, str]) -> str:
    for real, shown in known.items():
        text = text.replace(real, shown)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", DATE, text)
    text = re.sub(r"http://127\.0\.0\.1:(?!8100\b)\d+", "http://127.0.0.1:3128", text)
    text = re.sub(r"\d{6}/\d{8}/\d{8}_\d{6}", "202611/20261128/20261128_101500", text)
    return re.sub(r"[0-9a-f]{12,}", lambda found: (HEX * 4)[: len(found[0])], text)


def pretty(value: Any, indent: int = 0) -> str:
    """JSON in which what fits on a line stands on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= LONGEST or not isinstance(value, dict | list) or not value:
        return line
    space = " " * (indent + 2)
    if isinstance(value, list):
        inner = [space + pretty(one, indent + 2) for one in value]
        return "[\n" + ",\n".join(inner) + "\n" + " " * indent + "]"
    inner = [f"{space}{json.dumps(name, ensure_ascii=False)}: {pretty(one, indent + 2)}" for name, one in value.items()]
    return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
