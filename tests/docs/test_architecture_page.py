"""docs/architecture.md says of each library that we depend on why it is here, and of no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_library_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name, those in extras.items() if name != "all" for one in those)]
    ours = {re.match(r"[\w-]+", one)[0] for one in wanted}  # type: ignore[index]
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## Libraries")[2]
    rows = re.findall(r"(?m)^\| ([a-z][^|]+) \|", table)
    told = {re.match(r"[\w-]+", one)[0] for row in rows for one in row.split(", ") if row != "library"}  # type: ignore[index]
    families = {name for name in ours if not name.startswith("opentelemetry")} | {"opentelemetry"}
    assert told == families
