"""Both languages of a page say the same to a machine: the same code and names, headings and tables of as many rows; and
every page that is not for developers has both.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.shown_commands import FOR_DEVELOPERS

ROOT = Path(__file__).parents[2]
TWINS = [path for pattern in ("*.zh.md", "docs/*.zh.md", "deploy/**/*.zh.md") for path in sorted(ROOT.glob(pattern))]
SUMMED_UP = {"CHANGELOG"}
"""Pages of which the Chinese one has the same headings and says less."""
LOOSE = {"README", "accounts", "cookies", "start"}
"""Pages with prompts and placeholders in the reader's own language."""
LINK = re.compile(r"\]\(([\w/.-]+\.md)(?:#[^)\s]*)?\)")


def name(chinese: Path) -> str:
    return chinese.relative_to(ROOT).as_posix()


def english(chinese: Path) -> Path:
    return chinese.with_name(chinese.name.removesuffix(".zh.md") + ".md")


def blocks(page: Path) -> list[str]:
    """Code without its comments, which are of the page's language, and without what is drawn."""
    found = re.findall(r"(?s)```\w*\n.*?```", page.read_text("utf-8"))
    return [loosely(re.sub(r"(?m)(?:^|[ \t]+)# .*$", "", block), page) for block in found if "──" not in block]


def loosely(text: str, page: Path) -> str:
    """Without what may be in the reader's own language."""
    if page.name.partition(".")[0] not in LOOSE:
        return text
    text = re.sub(r'"([^"\n]*)"', lambda said: '"…"' if re.search(r"[ \u4e00-\u9fff]", said[1]) else said[0], text)
    return re.sub(r"[\u4e00-\u9fff]+|\b[A-Z]{2,}\b", "…", text)


def names(page: Path) -> set[str]:
    """What stands between backticks outside of blocks."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return {loosely(" ".join(one.split()), page) for one in re.findall(r"`([^`]+)`", text)}


def shape(page: Path) -> list[str]:
    """The levels of its headings, with the rows of tables below each."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return re.findall(r"(?m)^(#+(?= )|\|)", text)


@pytest.mark.parametrize("chinese", TWINS, ids=name)
def test_blocks_and_names_are_the_same(chinese: Path) -> None:
    assert blocks(chinese) == blocks(english(chinese))
    if english(chinese).stem not in SUMMED_UP:
        assert names(chinese) == names(english(chinese))


@pytest.mark.parametrize("chinese", TWINS, ids=name)
def test_headings_and_tables_are_the_same(chinese: Path) -> None:
    if chinese.name != "index.zh.md":
        assert shape(chinese) == shape(english(chinese))


def leads(page: Path) -> set[str]:
    """Where its links lead, whatever the language."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    found = {link.replace(".zh.md", ".md") for link in re.findall(r"\]\(([^)#\s]+)", text)}
    return found - {page.name.replace(".zh.md", ".md")}


@pytest.mark.parametrize("chinese", TWINS, ids=name)
def test_both_lead_to_the_same_pages(chinese: Path) -> None:
    if english(chinese).stem not in SUMMED_UP:
        assert leads(chinese) == leads(english(chinese))


def test_every_page_for_users_has_both_languages() -> None:
    contents = (ROOT / "docs" / "index.zh.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        if not page.name.endswith(".zh.md"):
            assert page.with_name(f"{page.stem}.zh.md").exists() is (page.stem not in FOR_DEVELOPERS), page.name
    for stem in FOR_DEVELOPERS:
        assert f"({stem}.md)" in contents.partition("只有英文")[2]


def test_both_contents_name_every_page() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        stem = page.name.removesuffix(".md").removesuffix(".zh")
        contents = "index.zh.md" if page.name.endswith(".zh.md") else "index.md"
        assert stem == "index" or f"({page.name})" in (ROOT / "docs" / contents).read_text("utf-8"), page.name


@pytest.mark.parametrize("chinese", TWINS, ids=name)
def test_a_chinese_page_leads_to_chinese_pages_and_names_english_ones(chinese: Path) -> None:
    text = chinese.read_text("utf-8")
    for found in LINK.finditer(text):
        page = chinese.parent / found[1]
        assert page.exists(), found[1]
        twin = page if page.name.endswith(".zh.md") else page.with_name(page.name.removesuffix(".md") + ".zh.md")
        back = english(chinese).name == page.name
        assert page == twin or back or not twin.exists(), f"{found[1]} has a Chinese page"
        said = "英文" in text[: found.start()].rpartition("[")[2] or "英文" in text[found.end() : found.end() + 4]
        assert not (page == twin and said), f"{found[1]} is in Chinese"


@pytest.mark.parametrize("chinese", TWINS, ids=name)
def test_chinese_is_set_as_chinese(chinese: Path) -> None:
    """Full-width marks between Chinese characters, and a space between them and Latin words."""
    text = re.sub(r"```.*?```|`[^`]*`|\[[^\]]*\]\([^)]*\)", "", chinese.read_text("utf-8"), flags=re.DOTALL)
    assert not re.findall(r"[\u4e00-\u9fff][,;:?!][\u4e00-\u9fff]", text)
    assert not re.findall(
        r"[\u4e00-\u9fff](?:Google|Cookie|JSON|HTTP)|(?:Google|Cookie|JSON|HTTP)[\u4e00-\u9fff]", text
    )


def test_chinese_messages_lead_to_chinese_pages() -> None:
    for source in [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.js")]:
        for line in source.read_text("utf-8").splitlines():
            if re.search(r"[\u4e00-\u9fff]", line):
                for page in re.findall(r"\bdocs/([\w-]+)\.md", line):
                    assert not (ROOT / "docs" / f"{page}.zh.md").exists(), f"{source.name}: {page}"
