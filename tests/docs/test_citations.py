"""Every page that the code or another page cites is in the repository, with the section that is named."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = "src", "tests", "tools", "benchmarks", "docs"
PAGE = re.compile(
    r"(?<![\w/.{*-])((?:\w[\w-]*/)*[\w.-]+\.md)\b((?:(?:, and|, | and | to | or | )\d+(?:\.\d+)*(?![\w:%]))*)"
)
RECORD = re.compile(r"\bADR (\d+)\b|docs/adr/(\d{4})")
NO_PAGE = re.compile(r"\bspec \d+(?:\.\d+)*\b")
GIVEN = {"history.md", "message.md"}
"""Names that gemgate gives to files of a long prompt."""


def prose(path: Path) -> Iterator[str]:
    """What a file says to its reader: a page whole, of code the docstrings and comments."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    yield " ".join(t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT)


def faults(text: str, root: Path = ROOT, beside: Path | None = None) -> list[str]:
    """What a text cites and the repository does not have."""
    flat = re.sub(r"\s+", " ", text)
    found = [f"{cited} names no page" for cited in NO_PAGE.findall(flat)]
    for name, numbers in PAGE.findall(flat):
        places = [root / name, *([beside / name] if beside else [])]
        page = next((place for place in places if place.is_file()), None)
        if page is None:
            found += [] if name in GIVEN else [f"{name} is not there"]
            continue
        said = page.read_text("utf-8")
        for number in re.findall(r"\d+(?:\.\d+)*", numbers):
            if not re.search(rf"(?m)^#+ {re.escape(number)}[. ]|\*\*{re.escape(number)}(?=[.* ,])(?!\.\d)", said):
                found.append(f"{name} has no section {number}")
    for short, long in RECORD.findall(flat):
        if not [*(root / "docs" / "adr").glob(f"{int(short or long):04}-*.md")]:
            found.append(f"ADR {int(short or long)} is not there")
    return found


def test_every_cited_page_and_section_is_there() -> None:
    found = (p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*")) if "node_modules" not in p.parts)
    files = [p for p in found if p.suffix in {".py", ".toml", ".md"}]
    files += sorted(ROOT.glob("*.md"))
    missing, cited = [], 0
    for path in files:
        for text in prose(path):
            cited += len(PAGE.findall(text))
            beside = path.parent if path.suffix == ".md" else None
            missing += [f"{path.relative_to(ROOT)}: {fault}" for fault in faults(text, beside=beside)]
    assert not missing, "\n".join(missing)
    assert cited > 150


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see docs/decisions.md 1", []),
        ("see docs/decisions.md\n1)", []),
        ("see docs/client-contracts.md 2, 3, 5, 6", []),
        ("see docs/google-wire.md 1.1 to 1.4.", []),
        ("see docs/nowhere.md", ["docs/nowhere.md is not there"]),
        ("see decisions.md 1", ["decisions.md is not there"]),
        ("see docs/decisions.md 1 and 99", ["docs/decisions.md has no section 99"]),
        ("see docs/google-wire.md 4.99", ["docs/google-wire.md has no section 4.99"]),
        ("shapes of spec 1.4", ["spec 1.4 names no page"]),
        ("see ADR 99", ["ADR 99 is not there"]),
        ("docs/adr/0099", ["ADR 99 is not there"]),
    ],
)
def test_what_is_not_there_is_told(text: str, fault: list[str]) -> None:
    assert faults(text) == fault
