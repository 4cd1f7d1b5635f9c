"""docs/proxies.md shows the files that tests run behind the real programs, and nothing else under their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "proxies.md").read_text("utf-8")


@pytest.mark.parametrize("file", sorted((ROOT / "deploy" / "proxies").iterdir()), ids=lambda file: file.name)
def test_the_page_shows_the_file_as_it_is(file: Path) -> None:
    assert file.read_text("utf-8") in re.findall(r"```\w+\n(.*?)```", PAGE, re.DOTALL)
