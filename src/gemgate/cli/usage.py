"""`gemgate usage`: what calls cost, asked of a gateway: the named one, that of this machine, or one of our own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Table

from gemgate.cli.connection import Connection, KeyOption, UrlOption, through
from gemgate.cli.console import err, out
from gemgate.cli.terminal import ConfigOption, JsonOption, say, write, write_json
from gemgate.cli.words import word
from gemgate.ports.usage import AMOUNTS, DIMENSIONS


def _known(by: str) -> str:
    for one in by.split(","):
        if one.strip() not in DIMENSIONS:
            known = ", ".join(DIMENSIONS)
            raise typer.BadParameter(say(f"{one!r} is not one of {known}.", f"{one!r} 不可用，可选 {known}。"))
    return by


def usage(
    by: Annotated[
        str,
        typer.Option(
            help="Comma separated: day, hour, key, account, model, served, dialect, kind, outcome.",
            callback=_known,
        ),
    ] = "day",
    since: Annotated[
        str, typer.Option("--from", help="First day, such as 2026-11-01. (default: 30 days)", show_default=False)
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Last day. (default: today)", show_default=False)] = "",
    of_key: Annotated[str, typer.Option(help="Only of the key with this name.", show_default=False)] = "",
    account: Annotated[str, typer.Option(help="Only of this account.", show_default=False)] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma separated values, for spreadsheets.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = "",
    key: KeyOption = "",
    config: ConfigOption = None,
) -> None:
    """What calls cost: by day, key, model, account; as a table, CSV or JSON.

    Days and hours are those of UTC. Takes the admin key: of the settings, or as --key.
    """
    wanted = {"by": by, "from": since, "to": until, "key": of_key, "account": account}
    query = urlencode({name: value for name, value in wanted.items() if value})

    async def ask(gateway: Connection) -> Any:
        if not as_csv:
            return await gateway.ask("GET", f"/api/usage?{query}")
        async with gateway.open("GET", f"/api/usage?{query}&format=csv") as answer:
            return await answer.text()

    _tell(through(ask, url, key, config, admin=True), as_json=as_json)


def _tell(answer: Any, *, as_json: bool) -> None:
    """answer: a table of comma separated values as text, or the gateway's JSON."""
    if isinstance(answer, str):
        write(answer, end="")
        return
    if as_json:
        write_json(answer)
        return
    if not answer["rows"]:
        err.print(say("No calls in these days", "这些天没有调用"), highlight=False)
        return
    out.print(_table(answer))


def _table(answer: dict[str, Any]) -> Table:
    heads = say(
        "calls,tokens in,tokens out,pictures,videos,seconds,bytes,generations,retries",
        "调用,输入 token,输出 token,图片,视频,秒,字节,生成次数,重试",
    )
    table = Table(*map(word, answer["by"]), *heads.split(","), box=None)
    for row in answer["rows"]:
        table.add_row(*(str(row[name]) for name in answer["by"]), *(_number(row[name]) for name in AMOUNTS))
    total = [say("total", "合计"), *[""] * (len(answer["by"]) - 1)] if answer["by"] else []
    table.add_row(*total, *(_number(answer["total"][name]) for name in AMOUNTS), style="bold")
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value else ""
