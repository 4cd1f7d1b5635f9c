"""Bodies that work, one of each operation, from the examples of the documentation: the OpenAPI document shows them.

Tests run every one of them against a gateway (`tests/docs/test_examples.py`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def told() -> dict[str, Any]:
    """`example`: the rows of examples.toml in the order in which they can be run; `values`: what stands for ids."""
    return tomllib.loads(files("gemgate.web").joinpath("examples.toml").read_text("utf-8"))


def filled(thing: Any, values: Mapping[str, str]) -> Any:
    """The same with values in the places of their `{name}`s; names without a value stay."""
    if isinstance(thing, str):
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), thing)
    if isinstance(thing, list):
        return [filled(one, values) for one in thing]
    if isinstance(thing, dict):
        return {name: filled(one, values) for name, one in thing.items()}
    return thing


def bodies() -> dict[str, Any]:
    """Operation -> the first body that is told of it, a form's too."""
    found: dict[str, Any] = {}
    everything = told()
    for row in everything["example"]:
        if body := row.get("body") or row.get("form"):
            found.setdefault(row["operation"], filled(body, everything["values"]))
    return found
