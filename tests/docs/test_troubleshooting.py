"""The texts that the troubleshooting pages explain are texts that gemgate says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.py")))
JOINED = re.sub(r'"\s*\n\s*f?"', "", SOURCE)
"""Texts that the source breaks over lines, in one piece."""


@pytest.mark.parametrize("name", ["troubleshooting.md", "troubleshooting.zh.md"])
def test_every_text_is_one_of_ours(name: str) -> None:
    quoted = re.findall(r"(?m)^### “(.+?)”", (ROOT / "docs" / name).read_text("utf-8"))
    assert len(quoted) >= 18
    for text in quoted:
        for part in text.split("…"):
            assert part.strip() in JOINED, text


def test_both_languages_explain_the_same_errors() -> None:
    english, chinese = (
        re.findall(r"`([a-z_]+)`", (ROOT / "docs" / name).read_text("utf-8"))
        for name in ("troubleshooting.md", "troubleshooting.zh.md")
    )
    codes = {word for word in english if word in JOINED and "_" in word}
    assert codes <= set(chinese)
