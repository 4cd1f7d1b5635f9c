"""CONTRIBUTING's picture of the floors is the one that import-linter checks, and nobody draws a second one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import gemgate

ROOT = Path(__file__).parents[2]
FLOORS = ("entry points", "composition root", "application", "adapters", "pure functions", "ports", "values")


def drawn() -> list[tuple[str, str]]:
    """Each row of the picture: its floor, and its modules as the linter writes them."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    picture = re.search(r"(?s)## The floors.*?```\n(.*?)```", text)
    assert picture
    floor, rows = "", []
    for line in picture[1].splitlines():
        label, modules = line[:22].strip(), line[22:].strip()
        floor = label or floor
        rows.append((floor, modules))
    return rows


def test_the_picture_is_the_linters() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert [modules for _, modules in drawn()] == layers, "draw in CONTRIBUTING.md what pyproject.toml checks"


def test_each_floor_has_its_name_and_they_stand_in_their_order() -> None:
    assert list(dict.fromkeys(floor for floor, _ in drawn())) == list(FLOORS)


def test_every_module_has_its_place() -> None:
    names = {path.stem for path in Path(gemgate.__file__).parent.iterdir() if path.suffix in {"", ".py"}}
    placed = {name for _, modules in drawn() for name in modules.split(" | ")}
    assert names - {"__init__", "__pycache__"} - {"py"} == placed


def test_other_pages_link_to_it() -> None:
    for page in ("docs/architecture.md", "docs/adr/0001-floors.md"):
        text = (ROOT / page).read_text("utf-8")
        assert "CONTRIBUTING.md#the-floors" in text, page
        assert "gateway  " not in text, f"{page} draws a picture of its own"
