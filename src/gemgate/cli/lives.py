"""`gemgate accounts lab`: how long sessions lived, by what kept them alive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gemgate.cli.account_backend import AccountBackend
from gemgate.cli.account_desk import KeyOption, NodeOption, UrlOption, at_desk, print_json, say_where
from gemgate.cli.survival_chart import in_terminal, span, svg
from gemgate.cli.terminal import ConfigOption, JsonOption, err, out


def lab(
    picture: Annotated[
        Path | None, typer.Option("--svg", help="Also draw the curves into this file.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    admin_key: KeyOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """How long sessions lived, by what kept them alive: survival curves, what ended them, how good forecasts were.

    Every session that signs in is recorded by itself. One that was replaced, or that lives, counts as long as it was
    seen. Medians and curves are Kaplan and Meier's, with 95 % intervals.
    """

    async def work(backend: AccountBackend) -> None:
        facts = await backend.survival()
        if picture is not None:
            picture.write_text(svg(facts["arms"]), "utf-8")
        if as_json:
            print_json(facts)
            return
        say_where(backend)
        if not facts["arms"]:
            err.print("No session has been seen yet. `gemgate accounts add` takes cookies.", highlight=False)
            return
        table = Table("kept alive by", "n", "died", "alive", "replaced", "median (95 %)", "ended by")
        for arm in facts["arms"]:
            interval = f"{span(arm['median'])} ({span(arm['median_low'])} to {span(arm['median_high'])})"
            ends = ", ".join(f"{one['reason']} {one['deaths']}" for one in arm["ended_by"]) or "-"
            counts = [str(arm[key]) for key in ("n", "deaths", "alive", "replaced")]
            table.add_row(arm["name"], *counts, interval, ends)
        out.print(table)
        longest = max(arm["seen"] for arm in facts["arms"])
        for arm in facts["arms"]:
            out.print(f"  {in_terminal(arm, longest)}  {arm['name']}", highlight=False, soft_wrap=True, markup=False)
        out.print(f"  0 to {span(longest)}; the height is the share that is alive", style="dim", highlight=False)
        if score := facts["score"]:
            out.print(
                f"  forecasts {span(score['horizon'])} ahead: Brier score {score['brier']:.3f} over {score['asked']} "
                f"(always saying the usual share: {score['base']:.3f}; 0 is perfect)",
                highlight=False,
                soft_wrap=True,
            )
        if picture is not None:
            out.print(f"  drawn into {picture}", style="dim", highlight=False, soft_wrap=True)

    at_desk(work, url, admin_key, node, config)
