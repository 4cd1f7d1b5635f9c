"""What the pages on installing tell a reader to type: the same in both languages, and typed here or by other tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("install.md", "install.zh.md")
OF_TOOLS = (
    "uvx --from . gemgate demo",
    "uv tool install .",
    "uv tool install --reinstall .",
    "gemgate service restart",
)
"""Of uv and of systemd: tests/integration/test_release.py and test_first_steps.py run what they lead to."""
ASKS = "gemgate init"


def typed(page: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", text)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_both_languages_say_the_same_commands() -> None:
    first, second = (typed(page) for page in PAGES)
    assert first == second
    english, chinese = (set(re.findall(r"`([a-z][^`\n]*)`", (DOCS / page).read_text("utf-8"))) for page in PAGES)
    assert english == chinese


@pytest.mark.parametrize(
    "line", [line for line in typed(PAGES[0]) if line not in OF_TOOLS and line != ASKS], ids=lambda line: line
)
def test_a_line_does_what_the_page_says(line: str, tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-ec", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
