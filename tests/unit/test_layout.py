"""Tests stand beside what they test, and share through tests/support and conftest.py, never with each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import gemgate
from tests.conftest import LONGEST_FIRST

TESTS = Path(__file__).parents[1]
SUITES = {"contract/test_store_doubles.py"}
"""Runs the promises of other suites over the doubles of the simulation: that is what it is for."""


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, `from a import b` as both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_test_module_imports_another() -> None:
    modules = {".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in TESTS.rglob("test_*.py")}
    shared = [
        f"{path.relative_to(TESTS)} imports {name}"
        for path in sorted(TESTS.rglob("*.py"))
        if path.relative_to(TESTS).as_posix() not in SUITES
        for name in sorted(imported(path) & modules)
    ]
    assert len(modules) > 150
    assert not shared, "put it into tests/support: " + "; ".join(shared)


def test_what_begins_first_is_there() -> None:
    assert [name for name in LONGEST_FIRST if not (TESTS / name).is_file()] == []


def test_support_needs_no_test_and_no_conftest() -> None:
    wrong = {
        f"{path.name} imports {name}"
        for path in (TESTS / "support").glob("*.py")
        for name in imported(path)
        if name.startswith("tests.") and not name.startswith("tests.support")
    }
    assert not wrong


def test_unit_tests_mirror_the_source() -> None:
    source = {path.name for path in Path(gemgate.__file__).parent.iterdir() if path.is_dir()} | {"simulator"}
    folders = {path.name for path in (TESTS / "unit").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= source


def test_what_a_page_shows_is_awaited() -> None:
    """A page draws when it likes: what is read in the moment after a click is now the old, now the new."""
    at_once = re.compile(
        r"assert .*await .*\.(?:(?:all_)?inner_texts?|is_visible|is_checked|is_disabled|input_value|count)\("
    )
    wrong = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted((TESTS / "browser").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if at_once.search(line) and "gallery.count" not in line
    ]
    assert not wrong, "playwright's expect() waits for it"


def test_no_test_is_judged_by_a_clock_of_its_own() -> None:
    """A busy machine pauses for seconds: deadlines are those of `tests/support/patience.py`, or a minute and more."""
    short = re.compile(r"(?:asyncio\.timeout\(|wait_for\(.*, )(?:[0-5]?\d|\d?\.\d+)\)|until\(.*, [\d.]+\)")
    timed = re.compile(r"assert .*(?:monotonic|perf_counter|\.time)\(\) - \w+ <")
    another = re.compile(r"def _?(?:wait_)?until\(")
    wrong = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in sorted(TESTS.rglob("*.py"))
        if "simulation" not in path.parts and path.name != "patience.py" and "soak" not in path.parts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if short.search(line) or timed.search(line) or another.search(line)
    ]
    assert not wrong
