"""The pages that are written from the code are up to date, and the site is built without a broken link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from tools.docs import __main__ as docs
from tools.docs import command_help, site
from tools.docs.pages import PAGES, commands_page, settings_page

from gemgate.cli.help_tables import paragraphs

ROOT = Path(__file__).parents[2]


def test_the_written_pages_say_what_the_code_says() -> None:
    assert docs.main(["check"]) == 0


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(PAGES, "settings.md", lambda: settings_page() + "changed")
    assert docs.main(["check"]) == 1
    assert "settings.md" in capsys.readouterr().out


def read(page: str) -> list[str]:
    """The texts of a page and of the cells of its tables, as they are read."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    return ["".join(part.content for part in one.children or ()) for one in tokens if one.type == "inline"]


def test_the_page_of_commands_shows_every_help_as_it_is_written() -> None:
    """That each command, argument and option has its row is what `check` holds, by writing the page again."""
    shown, trees = read(commands_page()), [*command_help.tree()]
    assert len(trees) > 70
    for one in trees:
        assert one.context.command_path in shown
        for each in (one.command, *one.command.params):
            for text in paragraphs(getattr(each, "help", None) or ""):
                assert text.replace("`", "") in "\n".join(shown), text


@pytest.mark.parametrize(
    "text",
    ["a <b> c", "*a* DB_*", "[a](b) [c]", "__Secure a_b_c _d_", "a | b", "~a~ ~~b~~", "&amp; &", r"a\*b \|", "<!-- a"],
)
def test_marks_of_a_help_are_none_of_the_page(text: str) -> None:
    cells = ["1", "2", "3", "4", "5", text, "`a|b`"]
    row = "|".join(map(command_help.escaped, cells))
    assert read(f"|{row}|\n{'|---' * len(cells)}|\n") == [*cells[:-1], "a|b"]


def test_the_page_of_commands_is_the_same_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = commands_page("en"), commands_page("zh")
    for name, value in (("COLUMNS", "30"), ("LC_ALL", "zh_CN.UTF-8"), ("GEMGATE_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(name, value)
    assert (commands_page("en"), commands_page("zh")) == before


def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    written = site.build(ROOT, tmp_path)
    assert (tmp_path / "index.html") in written
    for page in written:
        text = page.read_text("utf-8")
        assert re.findall(r"<script[^>]*>", text) == [
            f'<script src="{"../" * (len(page.relative_to(tmp_path).parts) - 1)}search.js">'
        ]
        assert not re.search(r'(?:src|rel="stylesheet" href)="https?:', text), page
        for target in re.findall(r'<a href="([^"#:]+)(?:#[^"]*)?"', text):
            assert (page.parent / target).exists() or target.endswith((".json", ".toml", ".sh", "/")), (page, target)


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# One\n\n[two](docs/two.md)\n")
    with pytest.raises(ValueError, match=r"docs/two\.md"):
        site.build(tmp_path, tmp_path / "site")
