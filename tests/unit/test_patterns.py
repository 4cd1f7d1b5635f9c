"""No pattern of ours can be made to backtrack: each is run over texts of its own characters that nearly match.

A text is a run of one or two characters, or of a word, that the pattern knows, behind a beginning and before an end
that does not fit. What grows faster than the text is found by doubling it.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gemgate

SHORT, LENGTH = (20, 100), 400
SLOW = 0.004
"""Seconds that so short a text may take without a second look; a linear pattern takes some microseconds."""
FACTOR = 3.2
"""By how much twice the text may take longer: twice is linear, four times is not."""
BUDGET = 0.1
"""Seconds for each pattern: runs of single characters come first, then pairs as far as time allows."""


def _patterns() -> dict[str, re.Pattern[Any]]:
    found: dict[tuple[Any, int], tuple[str, re.Pattern[Any]]] = {}

    def add(where: str, value: object, depth: int = 0) -> None:
        if isinstance(value, re.Pattern):
            found.setdefault((value.pattern, value.flags), (where, value))
        elif depth < 3 and isinstance(value, tuple | list):
            for at, one in enumerate(value):
                add(f"{where}.{at}", one, depth + 1)
        elif depth < 3 and isinstance(value, dict):
            for key, one in value.items():
                add(f"{where}.{key}", one, depth + 1)
        elif depth < 3 and not isinstance(value, type):
            for name in getattr(value, "__slots__", None) or ():
                add(f"{where}.{name}", getattr(value, name, None), depth + 1)

    for module in pkgutil.walk_packages(gemgate.__path__, "gemgate."):
        if not any(part in module.name for part in (".migrations", ".__main__", ".simulator")):
            for name, value in vars(importlib.import_module(module.name)).items():
                add(f"{module.name}.{name}", value)
    return dict(found.values())


PATTERNS = _patterns()


def _units(pattern: str) -> Iterator[str]:
    signs = sorted({*re.findall(r"[^\w\s]", pattern), *' \t\n"a0w.-:/=\xa0'})
    yield from signs
    yield from sorted(set(re.findall(r"[A-Za-z_]{2,}|[^\x00-\x7f]+", pattern)))
    yield from (one + other for one, other in itertools.permutations(signs, 2))


def _texts(pattern: str) -> Iterator[Callable[[int], str]]:
    for unit in _units(pattern):
        for before, after in itertools.product(("", "\n", "a"), ("\x01", "\n\x01x", "")):
            yield lambda size, b=before, u=unit, a=after: b + u * (size // len(u)) + a


def _seconds(use: Callable[[Any], object], text: Any) -> float:
    start = time.thread_time()
    use(text)
    return time.thread_time() - start


def _best(use: Callable[[Any], object], text: Any) -> float:
    return min(_seconds(use, text) for _ in range(3))


def _uses(where: str) -> list[str]:
    """How its module uses a pattern: one that is only matched may cost more when it is searched for."""
    module, _, name = where.rpartition(".")
    if module not in sys.modules:
        return ["match", "search"]
    source = Path(str(sys.modules[module].__file__)).read_text("utf-8")
    found = set(re.findall(rf"\b{re.escape(name)}\.(search|match|fullmatch|sub|subn|split|findall|finditer)\(", source))
    return ["match"] if found and found <= {"match", "fullmatch"} else ["match", "search"]


def backtracks(pattern: re.Pattern[Any], uses: list[str], budget: float = BUDGET) -> str:
    """A text on which the pattern costs more than linear time, "" when none is found."""
    is_bytes = isinstance(pattern.pattern, bytes)
    source = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    over = time.thread_time() + budget
    for make in _texts(source):
        *short, text, twice = ((t.encode() if is_bytes else t) for t in map(make, (*SHORT, LENGTH, 2 * LENGTH)))
        for use in (getattr(pattern, name) for name in uses):
            for one in short:
                if _best(use, one) > SLOW:
                    return repr(one)  # a longer one would hardly end
            if _seconds(use, text) > SLOW and (once := _best(use, text)) > SLOW and _best(use, twice) > FACTOR * once:
                return repr(text[:40])
        if time.thread_time() > over:
            break
    return ""


@pytest.mark.parametrize("where", PATTERNS)
def test_it_does_not_backtrack(where: str) -> None:
    assert not backtracks(PATTERNS[where], _uses(where))


@pytest.mark.parametrize("pattern", [r"\s*(?:[ \t]*[`*]{0,3}[ \t]*)\Z", r"(\w+)+:", r"[ \t]*\d*[ \t]*[ \t]*x"])
def test_the_judge_finds_those_that_do(pattern: str) -> None:
    assert backtracks(re.compile(pattern), ["search"], 30)
