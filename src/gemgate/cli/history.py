"""`gemgate history`: the accounts' own chats at Google, over the API of a gateway that has ACCOUNT_HISTORY on.

Accounts are gone through one after the other, so that the gateway of a fleet and a single one are the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import orjson
import typer
from rich.table import Table

from gemgate.cli.connection import Connection, UrlOption, through
from gemgate.cli.console import err, out
from gemgate.cli.terminal import ConfigOption, JsonOption, confirmed, fail, language, say, write, write_json
from gemgate.dialects import account_history as shapes
from gemgate.errors import ClientError, Unreachable
from gemgate.stores.drafts import drafted

history = typer.Typer(
    name="history",
    help="The accounts' own chats at Google, where ACCOUNT_HISTORY opens them: list, search, show, export, change.",
    no_args_is_help=True,
)

ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help="Such as c_60bfcf0a; see `gemgate history list`.")]
AccountOption = Annotated[
    str, typer.Option("--account", "-a", help="The account. (default: all, or the only one)", show_default=False)
]
KeyOption = Annotated[
    str,
    typer.Option("--admin-key", help="The gateway's admin key. Better set ADMIN_KEY.", show_default=False),
]
PAGE = 100


@history.command("list")
def list_chats(
    account: AccountOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many of each account.")] = 50,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """The chats of one account or of all: pinned ones, then the others, last changed first."""

    async def page(gateway: Connection, name: str, cursor: str) -> Any:
        query = urlencode({"limit": min(limit, PAGE), "cursor": cursor})
        return await gateway.ask("GET", f"{_path(name)}?{query}")

    _told(_through(lambda gateway: _gathered(gateway, account, limit, page), url, key, config), as_json=as_json)


@history.command()
def search(
    words: Annotated[
        str, typer.Argument(help="What is looked for, in titles and, where Google can, in what was said.")
    ],
    account: AccountOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many of each account.")] = 50,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Chats in which words are found: by Google's own search, or by their titles where it has none."""
    if not words.strip():
        fail(say("say what to look for", "请输入要搜索的内容"), 2)

    async def page(gateway: Connection, name: str, cursor: str) -> Any:
        body = {"query": words, "limit": PAGE, "cursor": cursor}
        return await gateway.ask("POST", f"{_path(name)}/search", json.dumps(body).encode())

    _told(_through(lambda gateway: _gathered(gateway, account, limit, page), url, key, config), as_json=as_json)


@history.command()
def show(
    chat: ChatArgument,
    account: AccountOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=5000, help="The last so many turns.")] = 20,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What was said in a chat, as Markdown."""

    async def work(gateway: Connection) -> dict[str, Any]:
        where = _path(await _account(gateway, account), chat)
        told: dict[str, Any] = {}
        turns: list[Any] = []
        cursor = ""
        while len(turns) < limit:
            query = urlencode({"limit": min(limit - len(turns), PAGE), "cursor": cursor})
            told = await gateway.ask("GET", f"{where}?{query}")
            turns += told["turns"]
            cursor = told["next"] or ""
            if not cursor:
                break
        return {**told, "cut": bool(cursor), "turns": turns[::-1]}

    told = _through(work, url, key, config)
    if as_json:
        write_json(told)
        return
    write(shapes.write_markdown(told, chinese=language() == "zh"), end="")


@history.command()
def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of Markdown files, or the JSON Lines file to write.")
    ] = Path("history"),
    form: Annotated[Literal["markdown", "jsonl"], typer.Option("--format", help="markdown or jsonl.")] = "markdown",
    account: AccountOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="So many of each account.")] = 10_000,
    cursor: Annotated[
        str, typer.Option("--cursor", help="Where an export of one account stopped.", show_default=False)
    ] = "",
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write chats down: a Markdown file for each in a folder of its account, or all of them in one file of JSON lines.

    Google is asked in the pace of prompts, ten calls a minute after a burst: a thousand chats take hours.
    """
    if cursor and not account:
        fail(say("--cursor goes with --account", "--cursor 需与 --account 一起使用"), 2)
    target = output.with_suffix(".jsonl") if form == "jsonl" and not output.suffix else output

    async def work(gateway: Connection) -> dict[str, Any]:
        names = await _accounts(gateway, account)
        if form == "markdown":
            return await _written(gateway, names, limit, cursor, lambda chat: _file(target, chat))
        target.parent.mkdir(parents=True, exist_ok=True)
        with drafted(target, 0o600) as file:
            return await _written(gateway, names, limit, cursor, lambda chat: _line(file, chat))

    done = _through(work, url, key, config)
    if as_json:
        write_json({"output": str(target), **done})
        return
    en, zh = f"{done['chats']} chats written to {target}", f"已写入 {done['chats']} 个对话到 {target}"
    out.print(say(en, zh), highlight=False, soft_wrap=True)
    for one in done["missing"]:
        err.print(f"{one['account']} {one['id'] or ''}: {one['error']}", highlight=False, soft_wrap=True)
    for name, place in done["next"].items():
        again = f"--account {name} --cursor {place}"
        err.print(say(f"{name} has more: {again}", f"{name} 还有更多：{again}"), highlight=False, soft_wrap=True)
    if done["missing"]:
        raise typer.Exit(1)


@history.command()
def rename(
    chat: ChatArgument,
    title: Annotated[str, typer.Argument(help="Its new title.")],
    account: AccountOption = "",
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give a chat another title."""
    _change(chat, {"title": title}, account, url, key, config, as_json=as_json)


@history.command()
def pin(
    chat: ChatArgument,
    account: AccountOption = "",
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Pin a chat above the others."""
    _change(chat, {"pinned": True}, account, url, key, config, as_json=as_json)


@history.command()
def unpin(
    chat: ChatArgument,
    account: AccountOption = "",
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take a pinned chat down."""
    _change(chat, {"pinned": False}, account, url, key, config, as_json=as_json)


@history.command()
def delete(
    chat: ChatArgument,
    account: AccountOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Delete at Google, for good, a chat that this gateway has made. Any other is refused."""
    if not yes:
        confirmed(say(f"Delete {chat} at Google, for good?", f"确定要在 Google 永久删除 {chat}？"))

    async def work(gateway: Connection) -> Any:
        return await gateway.ask("DELETE", _path(await _account(gateway, account), chat))

    told = _through(work, url, key, config)
    if as_json:
        write_json(told)
        return
    out.print(say(f"{chat} deleted", f"已删除 {chat}"), highlight=False)


def _change(
    chat: str, change: dict[str, Any], account: str, url: str, key: str, config: Path | None, *, as_json: bool
) -> None:
    async def work(gateway: Connection) -> Any:
        return await gateway.ask("PATCH", _path(await _account(gateway, account), chat), json.dumps(change).encode())

    told = _through(work, url, key, config)
    if as_json:
        write_json(told)
        return
    if told["confirmed"] is False:
        fail(say("Google took the change and does not show it", "Google 接受了修改，但并未显示"))
    en, zh = f"{chat} changed", f"{chat} 已修改"
    if told["confirmed"] is None:
        en, zh = f"{en}; Google does not say whether it shows it", f"{zh}；Google 未说明是否生效"
    out.print(say(en, zh), highlight=False)


def _through(work: Callable[[Connection], Any], url: str, key: str, config: Path | None) -> Any:
    return through(work, url, key, config, resident=True, admin=True)


async def _accounts(gateway: Connection, account: str) -> list[str]:
    """The one that is named, or all that keep chats."""
    if account:
        return [account]
    told = await gateway.ask("GET", "/api/accounts")
    names = [str(row["name"]) for row in told["accounts"] if row["kind"] == "web"]
    if not names:
        raise ClientError("There is no account that keeps chats", "没有保存对话的账号")
    return names


async def _account(gateway: Connection, account: str) -> str:
    """The one that is named, or the only one."""
    names = await _accounts(gateway, account)
    if len(names) > 1:
        listed = ", ".join(names)
        raise ClientError(f"Say whose chat it is with --account: {listed}", f"请用 --account 指定账号：{listed}")
    return names[0]


async def _gathered(
    gateway: Connection, account: str, limit: int, page: Callable[[Connection, str, str], Any]
) -> dict[str, Any]:
    """Rows of each account, page by page; an account that cannot be asked does not hide the others."""
    rows: list[Any] = []
    problems: dict[str, str] = {}
    more = False
    for name in await _accounts(gateway, account):
        own: list[Any] = []
        cursor = ""
        try:
            while len(own) < limit:
                told = await page(gateway, name, cursor)
                own += told["data"]
                cursor = told["next"] or ""
                if not cursor:
                    break
        except (ClientError, Unreachable) as error:
            if account:
                raise
            problems[name] = error.text(language())
        more |= bool(cursor)
        rows += own[:limit]
    return {"data": rows, "problems": problems, "more": more}


def _told(found: dict[str, Any], *, as_json: bool) -> None:
    """The chats, and which accounts could not be asked, each reason once; 1 when there are such."""
    if as_json:
        write_json(found)
    elif not found["data"] and not found["problems"]:
        err.print(say("No chats", "没有对话"), highlight=False)
    elif found["data"]:
        heads = say("chat,account,title,last turn,by", "对话,账号,标题,最后更新,来源")
        table = Table(*heads.split(","), box=None)
        for row in found["data"]:
            moment = row["updated_at"]
            when = datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""
            title = row["title"] if row["open"] else say("(of another key)", "（属于其他密钥）")
            mark = "* " if row["pinned"] else ""
            table.add_row(row["id"], row["account"], f"{mark}{title}", when, row["key"] or row["made_by"] or "")
        out.print(table)
    if not as_json:
        for why in dict.fromkeys(found["problems"].values()):
            names = say(", ", "、").join(name for name, one in found["problems"].items() if one == why)
            err.print(say(f"{names}: {why}", f"{names}：{why}"), highlight=False, soft_wrap=True)
        if found["more"]:
            err.print(say("There are more; --limit shows them", "还有更多，可用 --limit 显示"), highlight=False)
    if found["problems"]:
        raise typer.Exit(1)


async def _written(
    gateway: Connection, names: list[str], limit: int, cursor: str, write: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Export each account, a chat in memory at a time."""
    chats = 0
    missing: list[Any] = []
    following: dict[str, str] = {}
    for name in names:
        query = urlencode({"format": "jsonl", "limit": limit, "cursor": cursor})
        ended = False
        async with aclosing(gateway.lines(f"{_path(name)}/export?{query}")) as lines:
            async for line in lines:
                if not line:  # white space while a chat is read
                    continue
                told = orjson.loads(line)
                if told.get("end"):
                    ended = True
                    if told["next"]:
                        following[name] = told["next"]
                elif "error" in told:
                    missing.append(told)
                else:
                    write(told)
                    chats += 1
        if not ended:
            why = say("the export was broken off", "导出中断")
            missing.append({"account": name, "id": None, "error": why})
    return {"chats": chats, "missing": missing, "next": following}


def _file(folder: Path, chat: dict[str, Any]) -> None:
    path = folder / shapes.safe(chat["account"]) / shapes.file_name(chat)
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path, 0o600) as file:
        file.write(shapes.write_markdown(chat, chinese=language() == "zh").encode())


def _line(file: Any, chat: dict[str, Any]) -> None:
    file.write(orjson.dumps(chat) + b"\n")


def _path(account: str, chat: str = "") -> str:
    return f"/api/history/{quote(account, safe='')}" + (f"/{quote(chat, safe='')}" if chat else "")
