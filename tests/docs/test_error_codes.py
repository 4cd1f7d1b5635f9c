"""docs/errors.md has every code that the source raises, in both languages; other pages say the same of a code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tools.docs.error_codes import error_codes

from gemgate.dialects.openai import _CODES

ROOT = Path(__file__).parents[2]
CODES = {one.code: one for one in error_codes()}
PAGES = [page for page in (ROOT / "docs").glob("*.md") if not page.name.startswith(("errors", "faults"))]
TOLD = re.compile(r"(?<![\w/.-])([45]\d\d)(?: \w+)? `([a-z]+(?:_[a-z]+)+)`")


def test_every_literal_code_has_its_entry() -> None:
    """Found in another way than the page's: by the text alone, so that a new form of a call is noticed."""
    source = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "src" / "gemgate").rglob("*.py") if "migrations" not in path.parts
    )
    literal = set(re.findall(r'\bcode="([a-z_]+)"', source))
    assert len(literal) > 150
    assert literal <= set(CODES)


def test_whatever_is_not_found_has_a_code() -> None:
    """A program tells by it what is missing: the account, or the file."""
    calls = [
        (path.relative_to(ROOT), call.lineno)
        for path in sorted((ROOT / "src" / "gemgate").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("NotFound", "ModelNotFound")
        and "code" not in {one.arg for one in call.keywords}
    ]
    assert not calls


def test_every_entry_has_words_in_both_languages() -> None:
    assert not [one.code for one in CODES.values() if not one.text.en or not one.text.zh]


def test_usual_codes_of_a_dialect_are_among_them() -> None:
    """Errors of these kinds name a finer code themselves."""
    assert set(_CODES.values()) - set(CODES) <= {"no_video", "no_music", "no_research"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_say_the_status_that_the_code_has(page: Path) -> None:
    for status, code in TOLD.findall(page.read_text("utf-8")):
        if code in CODES:
            assert status in CODES[code].status.split(", "), f"{page.name}: {status} `{code}`"
