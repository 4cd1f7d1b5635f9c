"""Chinese texts that stand beside the code in a `chinese.toml`, read only when somebody asks for Chinese."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def chinese(package: str) -> dict[str, str]:
    """The Chinese texts of a package of ours: by name, or by the English text where that has no name."""
    return tomllib.loads(files(package).joinpath("chinese.toml").read_text("utf-8"))
