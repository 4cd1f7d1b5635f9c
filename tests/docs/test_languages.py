"""Both languages of a page say the same to a machine: the same code and names, tables of as many rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TWINS = sorted((ROOT / "docs").glob("*.zh.md"))
LOOSE = {"accounts", "cookies", "extension", "index", "install", "start", "troubleshooting"}
"""Pages whose Chinese was written freely: their commands are held together by tests of their own. The protocol of the
extension is in English only.
"""


def english(chinese: Path) -> Path:
    return chinese.with_name(chinese.name.removesuffix(".zh.md") + ".md")


def blocks(page: Path) -> list[str]:
    return re.findall(r"(?s)```\w*\n.*?```|(?-s:(?m:^    \S.*\n)+)", page.read_text("utf-8"))


def names(page: Path) -> set[str]:
    """What stands between backticks outside of blocks."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return {" ".join(one.split()) for one in re.findall(r"`([^`]+)`", text)}


def rows(page: Path) -> int:
    return len(re.findall(r"(?m)^\|", page.read_text("utf-8")))


STRICT = [page for page in TWINS if page.name.removesuffix(".zh.md") not in LOOSE]


@pytest.mark.parametrize("chinese", STRICT, ids=lambda page: page.name)
def test_blocks_names_and_tables_are_the_same(chinese: Path) -> None:
    assert blocks(chinese) == blocks(english(chinese))
    assert names(chinese) == names(english(chinese))
    assert rows(chinese) == rows(english(chinese))


@pytest.mark.parametrize("chinese", [ROOT / "README.zh.md", *TWINS], ids=lambda page: page.name)
def test_a_chinese_page_leads_to_chinese_pages_and_names_english_ones(chinese: Path) -> None:
    text = chinese.read_text("utf-8")
    for target in re.findall(r"\]\(([\w/.-]+\.md)(?:#[\w-]*)?\)", text):
        page = chinese.parent / target
        assert page.exists(), target
        twin = page if page.name.endswith(".zh.md") else page.with_name(page.name.removesuffix(".md") + ".zh.md")
        back = english(chinese).name == page.name
        assert page == twin or back or not twin.exists(), f"{target} has a Chinese page"


@pytest.mark.parametrize("chinese", TWINS, ids=lambda page: page.name)
def test_chinese_is_set_as_chinese(chinese: Path) -> None:
    """Full-width marks between Chinese characters, and a space between them and Latin words."""
    text = re.sub(r"```.*?```|`[^`]*`|\[[^\]]*\]\([^)]*\)", "", chinese.read_text("utf-8"), flags=re.DOTALL)
    assert not re.findall(r"[\u4e00-\u9fff][,;:?!][\u4e00-\u9fff]", text)
    assert not re.findall(
        r"[\u4e00-\u9fff](?:Google|Cookie|JSON|HTTP)|(?:Google|Cookie|JSON|HTTP)[\u4e00-\u9fff]", text
    )
