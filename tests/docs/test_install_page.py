"""What the page on installing tells a reader to type is typed here, or by other tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
OF_TOOLS = (
    "uvx --from . gemgate demo",
    "uv tool install .",
    "uv tool install --reinstall .",
    "gemgate service restart",
)
"""Of uv and of systemd: tests/integration/test_release.py and test_first_steps.py run what they lead to."""
ASKS = "gemgate init"


def typed() -> list[str]:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE.read_text("utf-8"))
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in typed() if line not in OF_TOOLS and line != ASKS], ids=str)
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
