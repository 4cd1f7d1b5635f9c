"""The texts and tables of a help: what does not fit goes on in the next line, and is not cut off."""

from __future__ import annotations

from typing import Any

from rich.columns import Columns
from rich.table import Table
from rich.text import Text


def paragraphs(text: str) -> list[str]:
    """A help text as it is printed: a line for each paragraph, broken by the terminal and not by its source."""
    return [" ".join(one.split()) for one in text.split("\n\n")]


class FoldingTable(Table):
    """As the library's; a long word (Chinese has no spaces, options have long names) is folded."""

    def add_row(self, *cells: Any, **wishes: Any) -> None:
        for cell in cells:
            for text in cell.renderables if isinstance(cell, Columns) else ():
                if isinstance(text, Text):
                    text.overflow = "fold"
        super().add_row(*cells, **wishes)
        for column in self.columns:
            column.overflow = "fold"
