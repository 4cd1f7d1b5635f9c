"""The pages that are written from the code are up to date, and the site is built without a broken link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.docs import __main__ as docs
from tools.docs import site
from tools.docs.pages import PAGES, settings_page

ROOT = Path(__file__).parents[2]


def test_the_written_pages_say_what_the_code_says() -> None:
    assert docs.main(["check"]) == 0


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(PAGES, "settings.md", lambda: settings_page() + "changed")
    assert docs.main(["check"]) == 1
    assert "settings.md" in capsys.readouterr().out


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
