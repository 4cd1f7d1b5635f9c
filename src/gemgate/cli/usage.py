"""`gemgate usage`: what calls cost, read from the database itself, whether or not a gateway runs on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gemgate.assembly.storage import open_storage
from gemgate.cli.terminal import ConfigOption, JsonOption, err, load_settings, out, run, say
from gemgate.ports.usage import AMOUNTS
from gemgate.telemetry import SystemClock, usage_views


def usage(
    by: Annotated[
        str,
        typer.Option(help="Comma separated: day, hour, key, account, model, served, dialect, kind, outcome."),
    ] = "day",
    since: Annotated[
        str, typer.Option("--from", help="First day, such as 2026-11-01. [default: 30 days]", show_default=False)
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Last day. [default: today]", show_default=False)] = "",
    key: Annotated[str, typer.Option(help="Only of the key with this name.", show_default=False)] = "",
    account: Annotated[str, typer.Option(help="Only of this account.", show_default=False)] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma separated values, for spreadsheets.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What calls cost: by day, key, model, account; as a table, CSV or JSON.

    Days and hours are those of UTC.
    """
    wanted = {"by": by, "from": since, "to": until, "key": key, "account": account}
    run(_told({name: value for name, value in wanted.items() if value}, config, as_csv=as_csv, as_json=as_json))


async def _told(wanted: dict[str, str], config: Path | None, *, as_csv: bool, as_json: bool) -> None:
    settings = load_settings({}, config).settings
    asked = usage_views.question(wanted, SystemClock().now())
    async with open_storage(settings, exclusive=False) as storage:
        rows = usage_views.checked(await storage.usage.ask(asked))
    if as_csv:
        typer.echo(usage_views.to_csv(asked, rows), nl=False)
        return
    answer = usage_views.to_json(asked, rows)
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    if not rows:
        err.print(say("No calls in these days", "这些天没有调用"), highlight=False)
        return
    out.print(_table(answer))


def _table(answer: dict[str, Any]) -> Table:
    heads = say(
        "calls,tokens in,tokens out,pictures,videos,seconds,bytes,generations,retries",
        "调用,输入 token,输出 token,图片,视频,秒,字节,生成次数,重试",
    )
    table = Table(*answer["by"], *heads.split(","), box=None)
    for row in answer["rows"]:
        table.add_row(*(str(row[name]) for name in answer["by"]), *(_number(row[name]) for name in AMOUNTS))
    total = [say("total", "合计"), *[""] * (len(answer["by"]) - 1)] if answer["by"] else []
    table.add_row(*total, *(_number(answer["total"][name]) for name in AMOUNTS), style="bold")
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value else ""
