"""Every route that a page names with its method is one of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemgate.web.routes import all_operations

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*.md")]
OTHERS = {"gemini-webapi.md", "google-wire.md", "client-contracts.md"}
"""Pages that speak of services of others, too."""
ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]+)[^`]*`")


def pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^}]*\\\}", r"[^?]+", re.escape(path)))


OURS = [(one.method, pattern(one.path)) for one in all_operations()]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OTHERS], ids=lambda page: page.name)
def test_routes_are_there(page: Path) -> None:
    for method, path in ROUTE.findall(page.read_text("utf-8")):
        named = path.replace("…", "x").rstrip("/.")
        assert any(method == ours and like.fullmatch(named) for ours, like in OURS), f"{method} {path}"
