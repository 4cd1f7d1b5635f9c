"""`gemgate accounts lab`: how long sessions lived, by what kept them alive, and runs that find it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gemgate.accounts import Cookies
from gemgate.assembly.node import open_service
from gemgate.cli.account_backend import AccountBackend, Facts, resident
from gemgate.cli.account_desk import KeyOption, NodeOption, UrlOption, at_desk, say_where
from gemgate.cli.console import err, out
from gemgate.cli.lab_run import LOOK_SECONDS, Entry, LabRun, entries_of, entry, facts_of
from gemgate.cli.simulated import simulated_sessions
from gemgate.cli.survival_chart import in_terminal, svg
from gemgate.cli.terminal import ConfigOption, JsonOption, fail, language, run, say, write_json
from gemgate.cli.words import span
from gemgate.errors import BadRequest
from gemgate.policy.session_arm import Arm
from gemgate.stores.drafts import drafted
from gemgate.telemetry import set_up_logging
from gemgate.upstreams.web.logs import bridge

PictureOption = Annotated[
    Path | None, typer.Option("--svg", help="Also draw the curves into this file.", show_default=False)
]
DEMO_LIVES = (8.0, 11.0, 15.0, 20.0)
"""Seconds that the simulated sessions of each arm live when they are not rotated."""
WEEK, DEMO_HOURS = 168.0, 0.0065

app = typer.Typer(name="lab", invoke_without_command=True)


@app.callback()
def lab(
    context: typer.Context,
    picture: PictureOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    admin_key: KeyOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """How long sessions lived, by what kept them alive: survival curves, what ended them, how good forecasts were.

    Every session that signs in is recorded by itself. One that was let go (replaced, or its account removed), or that
    lives, counts as long as it was seen. Medians and curves are Kaplan and Meier's, with 95 % intervals.
    """
    if context.invoked_subcommand is not None:
        return

    async def work(backend: AccountBackend) -> None:
        facts = await backend.survival()
        if not as_json:
            say_where(backend)
        _show(facts, picture, as_json=as_json)

    at_desk(work, url, admin_key, node, config)


@app.command("run")
def run_arms(
    arms: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            help="A session and what keeps it alive: firefox[=PROFILE], chrome[=PROFILE], paired (the extension), "
            "rotated=FILE or frozen=FILE with exported cookies. May be given several times.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0.0001, help="When to stop; 168 (a week) without it.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at each session.")] = LOOK_SECONDS,
    weight: Annotated[float, typer.Option(min=0, help="Share of clients' calls that the arms take; 0 = none.")] = 0.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the accounts where they are when it ends.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Simulated sessions that live for seconds; no gateway.")] = False,
    picture: PictureOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    admin_key: KeyOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep sessions alive in several ways side by side, and watch each until it dies.

    Each is an account `lab-ARM-N` of a gateway, and takes a Google account of its own. Browsers must stay open. It
    stops after --hours, on Ctrl-C, or when all are dead and none can sign in anew; then its accounts are forgotten, and
    what still lives counts as long as it was seen.
    """
    if demo == bool(arms):
        fail(say("say which --arm, or --demo", "请指定 --arm 或 --demo"), 2)

    async def work(backend: AccountBackend, entries: list[Entry], seconds: float, gap: float) -> None:
        if not backend.lives:
            fail(
                say("no gateway runs here: gemgate serve, or --demo", "没有正在运行的网关：gemgate serve，或加 --demo")
            )
        if not as_json:
            say_where(backend)
        laboratory = LabRun(backend)
        await laboratory.run(entries, seconds, gap, keep=keep)
        _show(facts_of(laboratory, await backend.survival()), picture, as_json=as_json)
        if not laboratory.started:
            raise typer.Exit(1)

    if demo:
        set_up_logging("error", "console")
        bridge()
        seconds = (hours or DEMO_HOURS) * 3600
        run(_demonstrated(lambda backend, entries: work(backend, entries, seconds, min(every, 0.5)), weight))
        return
    try:
        entries = entries_of(arms or (), weight)
    except BadRequest as error:
        fail(error.text(language()), 2)
    at_desk(lambda backend: work(backend, entries, (hours or WEEK) * 3600, every), url, admin_key, node, config)


async def _demonstrated(work: Callable[[AccountBackend, list[Entry]], Awaitable[None]], weight: float) -> None:
    """A gateway of this process alone, whose Google is simulated: exported cookies with rotation and without."""
    exported: tuple[Arm, ...] = ("rotated", "frozen")
    async with simulated_sessions(DEMO_LIVES * len(exported)) as (settings, held), open_service(settings) as service:
        kept = [(arm, number) for arm in exported for number in range(1, len(DEMO_LIVES) + 1)]
        entries = [entry(*one, weight, Cookies.of(cookies)) for one, cookies in zip(kept, held, strict=True)]
        await work(resident(service, language()), entries)


def _show(facts: Facts, picture: Path | None, *, as_json: bool) -> None:
    """The curves: as JSON, or as a table with a line for each."""
    if picture is not None:
        with drafted(picture) as file:
            file.write(svg(facts["arms"]).encode())
    if as_json:
        write_json(facts)
        return
    if not facts["arms"]:
        none = say(
            "No session has been seen yet. `gemgate accounts add` takes cookies.",
            "还没有会话记录。请用 `gemgate accounts add` 提供 Cookie。",
        )
        err.print(none, highlight=False)
        return
    heads = say(
        "kept alive by,n,died,alive,let go,median (95 %),ended by",
        "保活方式,数量,已失效,仍有效,已放弃,中位数（95 %）,失效原因",
    )
    table = Table(*heads.split(","))
    for arm in facts["arms"]:
        median, low, high = (span(arm[key]) for key in ("median", "median_low", "median_high"))
        interval = say(f"{median} ({low} to {high})", f"{median}（{low} 至 {high}）") if arm["median"] else "-"
        ends = say(", ", "，").join(f"{one['title']} {one['deaths']}" for one in arm["ended_by"]) or "-"
        counts = [str(arm[key]) for key in ("n", "deaths", "alive", "replaced")]
        table.add_row(arm["name"], *counts, interval, ends)
    out.print(table)
    longest = max(arm["seen"] for arm in facts["arms"])
    for arm in facts["arms"]:
        out.print(f"  {in_terminal(arm, longest)}  {arm['name']}", highlight=False, soft_wrap=True, markup=False)
    axis = say(
        f"  0 to {span(longest)}; the height is the share that is alive", f"  0 至 {span(longest)}；高度为仍有效的比例"
    )
    out.print(axis, style="dim", highlight=False)
    if score := facts["score"]:
        ahead, brier, base = span(score["horizon"]), f"{score['brier']:.3f}", f"{score['base']:.3f}"
        told = say(
            f"  forecasts {ahead} ahead: Brier score {brier} over {score['asked']} (always saying the usual share: "
            f"{base}; 0 is perfect)",
            f"  提前 {ahead} 的预测：{score['asked']} 次的 Brier 分数 {brier}（始终按平均比例预测：{base}；0 为完美）",
        )
        out.print(told, highlight=False, soft_wrap=True)
    if picture is not None:
        out.print(say(f"  drawn into {picture}", f"  已绘制到 {picture}"), style="dim", highlight=False, soft_wrap=True)
