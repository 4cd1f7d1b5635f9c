"""`python -m benchmarks [NAME ...] [--json FILE]`: run the named benchmarks, or all of them.

A benchmark is a module of this package with a `main()` that prints its tables; what it returns goes into the file.
`chat:streams` runs one section of a benchmark that has some.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

NAMES = ("chat", "batches", "hop", "imaging", "before", "floor", "instructions")


def _present() -> list[str]:
    return [name for name in NAMES if importlib.util.find_spec(f"benchmarks.{name}")]


def _run(module: str, sections: list[str]) -> Any:
    run = importlib.import_module(f"benchmarks.{module}").main
    return run(sections) if sections else run()


def main() -> None:
    """Run what was asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; none: all of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    asked = parser.parse_args()
    chosen: dict[str, list[str]] = {}
    for name in asked.names or _present():
        module, _, section = name.partition(":")
        if module not in _present():
            parser.error(f"there is no benchmark {module}; there are: {', '.join(_present())}")
        chosen.setdefault(module, []).extend([section] if section else [])
    figures = {module: _run(module, sections) for module, sections in chosen.items()}
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if any(found and found.get("failures") for found in figures.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
