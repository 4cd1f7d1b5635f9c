"""What is shown on a terminal in colours, tables and bars: its library is not loaded where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gemgate.cli.terminal import plain, say

PIPE_WIDTH = 100_000
"""Columns of a table that goes to a file or another program; it takes what it needs of them."""


class Terminal(Console):
    """A console on which no text is markup, and no text holds what a terminal obeys: text from outside is everywhere,
    in names, errors and answers. What we colour ourselves is `marked`. Nothing of a table is cut, so that it can be
    copied.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False)

    def render_str(self, text: str, **wishes: Any) -> Text:
        return super().render_str(plain(text), **wishes)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Whatever it comes from (strings, tables, bars, lines of ours with texts of others), of each piece what is no
        word of the library's to the terminal is `plain`.
        """
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else plain(text), style, control)

    def print(self, *objects: Any, **wishes: Any) -> None:
        """As the library's; tables keep their first column (ids, names) whole, and in a pipe every row on one line. One
        that is too wide for the terminal is told row by row.
        """
        tables = [one for one in objects if isinstance(one, Table)]
        for table in tables:
            for number, column in enumerate(table.columns):
                column.no_wrap, column.overflow, column.min_width = number == 0, "fold", cell_len(str(column.header))
        before = self._width
        if tables and not self.is_terminal:
            self._width = PIPE_WIDTH
        try:
            for one in objects if tables else ():
                if isinstance(one, Table) and self.measure(one).minimum < self._needed(one):
                    self._print_rows(one)
                else:
                    super().print(one, **wishes)
            if not tables:
                super().print(*objects, **wishes)
        finally:
            self._width = before

    def _needed(self, table: Table) -> int:
        """Columns that it takes so that no word of it is broken."""
        return self.measure(table, options=self.options.update(width=PIPE_WIDTH)).minimum

    def _print_rows(self, table: Table) -> None:
        """Each row: its name, and below it every fact with its heading."""
        heads = [str(column.header) for column in table.columns]
        for name, *facts in zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True):
            super().print(name, highlight=False, soft_wrap=True)
            told = [
                say(f"{head}: {fact}", f"{head}：{fact}") for head, fact in zip(heads[1:], facts, strict=True) if fact
            ]
            super().print(Padding("  ".join(told), (0, 0, 0, 2)), highlight=False)


out = Terminal()
err = Terminal(stderr=True)


def quoted(text: object) -> str:
    """The same, inside a line that has markup of ours: brackets of others are no markup."""
    return escape(plain(str(text)))


def marked(markup: str, *texts: object) -> Text:
    """A line with markup of ours and texts of others in its `{}`."""
    return Text.from_markup(markup.format(*(quoted(text) for text in texts)))


class MoreColumn(ProgressColumn):
    """What a task says beside its bar, `more`: a line with markup of ours."""

    def render(self, task: Task) -> Text:
        more: Text = task.fields["more"]
        return more


def progress(*columns: ProgressColumn, quiet: bool = False, stays: bool = False) -> Progress:
    """A bar while something lasts; nothing where stderr is no terminal. stays: its last look is left there.

    Descriptions are no markup; what a bar says in colours is in a `MoreColumn`.
    """
    for column in columns:
        if isinstance(column, TextColumn):
            column.markup = False
    return Progress(*columns, console=err, disable=quiet or not err.is_terminal, transient=not stays)


def counted_progress(*more: ProgressColumn, quiet: bool = False, stays: bool = False) -> Progress:
    """The bar of what is made in a number: what is done, how many of them, and how long it has taken."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return progress(*columns, *more, quiet=quiet, stays=stays)
