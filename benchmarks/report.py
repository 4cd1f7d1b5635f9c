"""Tables and promises, printed as they come and kept for the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.machine import load_average

Cell = str | float | int | None

out = Console(width=120, highlight=False)


@dataclass(slots=True)
class Report:
    """Everything a benchmark has found out so far."""

    tables: list[dict[str, Any]] = field(default_factory=list)
    promises: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = "") -> None:
        """Print rows under columns; numbers to the right, a missing one as a dash."""
        load = load_average()
        shown = Table(box=box.SIMPLE_HEAD)
        for at, column in enumerate(columns):
            text = all(isinstance(row[at], str) for row in rows)
            shown.add_column(column, justify="left" if text else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*map(_shown, row))
        out.print(f"{title}  [dim](load average {load:.1f})[/dim]")
        out.print(shown)
        if note:
            out.print(note + "\n")
        self.tables.append({"title": title, "load": load, "columns": [*columns], "rows": [[*row] for row in rows]})

    def at_most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        self._promise(what, value, f"at most {bound:g}{unit}", met=value <= bound)

    def at_least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        self._promise(what, value, f"at least {bound:g}{unit}", met=value >= bound)

    def _promise(self, what: str, value: float, bound: str, *, met: bool) -> None:
        self.promises.append({"promise": what, "bound": bound, "measured": value, "met": met})

    def conclude(self) -> None:
        """Print the promises, met and not met."""
        rows = [[p["promise"], p["bound"], p["measured"], "met" if p["met"] else "NOT MET"] for p in self.promises]
        if rows:
            self.table("Promises", ["promise", "bound", "measured", ""], rows)

    def fail(self, section: str, error: BaseException) -> None:
        """A section went wrong: nothing was measured wrongly, something answered wrongly."""
        self.failures.append("\n".join([f"{section}: {error}", *getattr(error, "__notes__", [])]))
        out.print(self.failures[-1], markup=False)

    def say(self, text: str) -> None:
        out.print(text)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return str(cell)
