"""`gemgate accounts`: add, list, test, pause, remove. Cookies come from a prompt, a file or standard input, and never
from the command line, which every program on the machine can read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gemgate.accounts import Capability
from gemgate.cli.account_backend import AccountBackend, Facts, rekeyed
from gemgate.cli.account_browsers import pair, who
from gemgate.cli.account_choice import named_after, read_cookies, spelled, the_one
from gemgate.cli.account_desk import (
    KeyOption,
    NameArgument,
    NodeOption,
    UrlOption,
    at_desk,
    on_accounts,
    say_where,
)
from gemgate.cli.console import err, marked, out
from gemgate.cli.lives import app as lab
from gemgate.cli.terminal import (
    ConfigOption,
    JsonOption,
    confirmed,
    fail,
    language,
    load_settings,
    run,
    say,
    write_json,
)
from gemgate.cli.words import span, word
from gemgate.errors import GatewayError, LocalText, NotFound
from gemgate.ports.accounts import AccountSetup

SIGNING_IN = 60.0
"""Seconds that an account which was just added is watched while it signs in."""
_GOOD = ("ready", "busy")
_NONE = LocalText(
    "No account yet. `gemgate accounts add` takes cookies.", "还没有账号。请用 `gemgate accounts add` 提供 Cookie。"
)

app = typer.Typer(
    name="accounts",
    help="Google accounts: over the API of the gateway that runs, else on its database.",
    no_args_is_help=True,
)


@app.command("list")
@on_accounts
async def list_accounts(
    backend: AccountBackend,
    as_json: JsonOption = False,
) -> None:
    """All accounts: state, lanes, what cools, how long the session will live."""
    found = await backend.all()
    if as_json:
        write_json({"where": backend.where, "accounts": found})
        return
    say_where(backend)
    if not found:
        err.print(_NONE.for_(language()), highlight=False)
        return
    heads = say("account,state,rests,whose,lanes,source,reads,session", "账号,状态,冷却,身份,通道,来源,可读,会话")
    table = Table(*heads.split(","), box=None)
    for facts in found:
        lanes = f"{facts['lanes']['busy']}/{facts['lanes']['max']}"
        source = (facts["source"] or say("by hand", "手动提供")) + (f" /u/{facts['number']}" if facts["number"] else "")
        whose, reads = facts["google"] or "", _size(facts["reads"])
        state, session = word(facts["state"]) + _left(facts["seconds_left"]), facts["forecast"] or "-"
        table.add_row(facts["name"], state, _rests(facts), whose, lanes, source, reads, session)
    out.print(table)
    for facts in found:
        for line in _sentences(facts):
            out.print(_named(facts["name"], line), style="dim", highlight=False, soft_wrap=True)


@app.command()
def add(
    name: Annotated[
        str | None, typer.Argument(help="The account's name; without it the only one, or `default`.")
    ] = None,
    cookies: Annotated[
        Path | None,
        typer.Option("--cookies", help="File with cookies (JSON, cookies.txt, a header line); - reads standard input."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="file:PATH, browser:firefox[:PROFILE] or browser:chrome[:PROFILE]: read from then on."
        ),
    ] = None,
    browser: Annotated[
        str | None,
        typer.Option("--from", help="firefox, chrome, firefox:PROFILE, …: a browser that stays open, or any --source."),
    ] = None,
    whose: Annotated[
        str | None,
        typer.Option("--as", help="Whose account, where several are signed in: its address (someone@gmail.com)."),
    ] = None,
    proxy: Annotated[str | None, typer.Option("--proxy", help="The account's own way to Google.")] = None,
    lanes: Annotated[int | None, typer.Option("--lanes", min=1, max=256, help="Calls at once.")] = None,
    weight: Annotated[float | None, typer.Option("--weight", min=0, help="Share beside other accounts.")] = None,
    number: Annotated[
        int | None,
        typer.Option("--number", min=0, max=9, help="Which account of its cookies: N of gemini.google.com/u/N."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate/--no-rotate", help="Whether its cookies are renewed by the gateway.")
    ] = True,
    desktop: Annotated[
        str | None, typer.Option("--desktop", help="Where a person reaches its browser, for links: https://…")
    ] = None,
    speaks: Annotated[str | None, typer.Option("--language", help="What Google is asked to speak, such as en.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    admin_key: KeyOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """Add an account, or give new cookies to one. They are verified before the old ones are dropped.

    gemgate accounts add --from firefox --as someone@gmail.com takes the one meant of all that are signed in there.
    Without any of them cookies are asked for, or read from standard input: pbpaste | gemgate accounts add
    """
    choose = browser is not None or whose is not None
    source = spelled(browser) if browser is not None else source
    wanted = read_cookies(cookies) if cookies is not None or source is None else None
    is_new = (
        choose
        or not rotate
        or any(value is not None for value in (source, proxy, lanes, weight, number, speaks, desktop))
    )
    if source is not None and url is None:
        source = _from_here(source)
    setup = AccountSetup(
        name or named_after(whose),
        "web",
        source or "",
        proxy,
        lanes,
        1.0 if weight is None else weight,
        number=number or 0,
        language=speaks or "",
        desktop=desktop or "",
        rotate=rotate,
    )

    async def work(backend: AccountBackend) -> None:
        if not as_json:
            say_where(backend)
        nonlocal setup
        taken = setup.name
        if choose and number is None:
            with err.status(say("looking who is signed in …", "正在查看已登录的账号…")):
                setup = await the_one(backend, setup, wanted, whose or "")
        with err.status(say("signing in …", "正在登录…")):
            if is_new:
                taken = (await backend.set_up(setup, wanted))["name"]
            elif wanted is not None:
                taken = await backend.replace_cookies(name, wanted)
        _report(await _signed_in(backend, taken), as_json=as_json)

    at_desk(work, url, admin_key, node, config)


@app.command()
@on_accounts
async def show(
    backend: AccountBackend,
    name: NameArgument,
    as_json: JsonOption = False,
) -> None:
    """One account, and who did what with it."""
    facts = await backend.one(name)
    if as_json:
        write_json(facts)
        return
    say_where(backend)
    out.print(_named(facts["name"], _state(facts)), highlight=False, soft_wrap=True)
    names, address = ", ".join(facts["models"]) or "-", facts["address"]
    models = say(f"models: {names}", f"模型：{names}")
    address = say(f"address {address}", f"出口地址：{address}")
    for line in [*_details(facts), _seat(facts), _reads(facts), address, models]:
        out.print(f"  {line}", highlight=False, soft_wrap=True)
    for line in facts["audit"]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["at"]))
        done = f"  {at}  {line['actor']}  {word(line['action'])}  {_detail(line['detail'])}"
        out.print(done, style="dim", highlight=False, soft_wrap=True)


def _detail(told: str) -> str:
    """What the audit adds to a deed: a word of the API, or a session's short name."""
    kind, _, name = told.partition(" ")
    return say(told, f"会话 {name}") if kind == "session" and name else word(told)


@app.command("test")
@on_accounts
async def ask_google(
    backend: AccountBackend,
    name: Annotated[str | None, typer.Argument(help="The account's name; without it all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask Google whether the cookies are good. Leaves with 1 when an account does not answer."""
    names = [name] if name else [facts["name"] for facts in await backend.all()]
    if not names:
        fail(_NONE.for_(language()))
    if not as_json:
        say_where(backend)
    rows: list[Facts] = []
    for one in names:
        with err.status(marked(say("asking Google about {} …", "正在向 Google 验证 {}…"), one)):
            facts, why = await _tested(backend, one)
        rows.append({"name": one, "ok": not why, "why": why, "state": facts.get("state")})
        if not as_json:
            out.print(
                marked(say("[red]{}: {}[/red]", "[red]{}：{}[/red]"), one, why) if why else _named(one, _state(facts)),
                highlight=False,
                soft_wrap=True,
            )
    if as_json:
        write_json(rows[0] if name else rows)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


async def _tested(backend: AccountBackend, name: str) -> tuple[Facts, str]:
    """The account after a test, and why it failed."""
    try:
        facts = await backend.run_action(name, "test")
    except NotFound:
        raise
    except GatewayError as error:
        return {}, error.text(language())
    return facts, "" if facts["state"] in _GOOD else _state(facts)


@app.command("measure")
@on_accounts
async def find_walls(
    backend: AccountBackend,
    name: NameArgument,
    as_json: JsonOption = False,
) -> None:
    """Find out how much of a prompt the account reads, with at most six prompts, and remember it."""
    if not as_json:
        say_where(backend)
    with err.status(marked(say("asking {} what stands at the end of long prompts …", "正在用长提示词测试 {}…"), name)):
        facts = await backend.measure(name)
    if as_json:
        write_json(facts)
    else:
        out.print(_named(name, _reads(facts)), highlight=False, soft_wrap=True)


def _size(reads: Facts) -> str:
    """The same for a table: kB of a prompt, and with files; ~ for what is assumed."""
    mark = "~" if reads["known_by"] == "assumed" else ""
    sizes = (reads["bytes"], reads["with_files_bytes"])
    return f"{mark}{'/'.join(f'{size // 1000}' if size else '∞' for size in sizes)} kB"


def _seat(facts: Facts) -> str:
    """Which account of its cookies, and what it speaks, in a line."""
    number, tongue = facts["number"], facts["language"]
    speaks, speaks_zh = (f", asked to speak {tongue}", f"，语言 {tongue}") if tongue else ("", "")
    return say(f"account number {number} of its cookies{speaks}", f"Cookie 中的第 {number} 号账号{speaks_zh}")


def _reads(facts: Facts) -> str:
    """How much of a prompt an account reads, in a line."""
    reads = facts["reads"]
    if reads["bytes"] is None:
        return say("reads prompts of any length", "可读取任意长度的提示词")
    plain, with_files = f"{reads['bytes']:,}", reads["with_files_bytes"]
    both, both_zh = (f"{with_files:,}", f"{with_files:,} 字节") if with_files else ("any number of", "不限")
    line = say(f"reads {plain} bytes of a prompt, {both} with files", f"可读取提示词 {plain} 字节，连同文件 {both_zh}")
    if reads["known_by"] == "set":
        return line + say(" (as it is set up)", "（按设置）")
    if reads["measured_at"] is None:
        return line + say(
            " (assumed; `gemgate accounts measure` finds out)", "（假定值；`gemgate accounts measure` 可实测）"
        )
    day = time.strftime("%Y-%m-%d", time.localtime(reads["measured_at"]))
    tier, within = reads["measured_tier"], f"{reads['resolution_bytes']:,}"
    return line + say(
        f" (measured {day}, tier {tier}, within {within} bytes)", f"（{day} 实测，档位 {tier}，误差 {within} 字节以内）"
    )


def _acting(action: str, about: str) -> Callable[..., None]:
    async def command(backend: AccountBackend, name: NameArgument, as_json: JsonOption = False) -> None:
        if not as_json:
            say_where(backend)
        _report(await backend.run_action(name, action), as_json=as_json, must_be_ready=action == "refresh")

    command.__doc__ = about
    return on_accounts(command)


app.command("who")(who)
app.command("pair")(pair)
app.add_typer(lab)
app.command("refresh")(_acting("refresh", "Read the cookies from their source once more and sign in anew."))
app.command("pause")(_acting("pause", "Give an account no new calls; what runs ends. It stays so over a restart."))
app.command("resume")(_acting("resume", "Take back `pause`."))


@app.command()
@on_accounts
async def reset(
    backend: AccountBackend,
    name: NameArgument,
    capability: Annotated[
        Capability | None, typer.Option("--capability", help="Only of this; without it all.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """End a cool-down by hand. Google's limit stays what it is; an audit line says who did it."""
    if not as_json:
        say_where(backend)
    _report(await backend.run_action(name, "reset", capability), as_json=as_json)


@app.command()
@on_accounts
async def remove(
    backend: AccountBackend,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget an account with its cookies. Calls under way end as they do."""
    if not yes:
        confirmed(say(f"Forget the account {name} and its cookies?", f"删除账号 {name} 及其 Cookie？"))
    say_where(backend)
    await backend.remove(name)
    out.print(say(f"{name} is forgotten", f"已删除 {name}"), highlight=False)


@app.command()
def rekey(config: ConfigOption = None) -> None:
    """Seal all stored cookies with a new key: a fresh one in the key file, or the first of COOKIE_KEYS.

    No gateway may run meanwhile. Older keys stay where they are, because older backups need them.
    """
    result = run(rekeyed(load_settings(config=config).settings))
    done = say(
        f"sealed anew with {result.key.en}: {result.changed} secret(s)",
        f"已用 {result.key.zh}重新加密 {result.changed} 项",
    )
    out.print(done, highlight=False, soft_wrap=True)
    if names := ", ".join(result.locked):
        fail(
            say(
                f"these accounts were sealed with a key that is not there: {names}. Add that key behind the first one "
                "and run this again, or hand over their cookies anew",
                f"以下账号用已不存在的密钥加密：{names}。请把该密钥加在第一个之后再运行一次，或重新提供它们的 Cookie",
            )
        )
    out.print(result.hint.for_(language()), style="dim", highlight=False, soft_wrap=True)


async def _signed_in(backend: AccountBackend, name: str) -> Facts:
    """The account once it is known whether its cookies are good."""
    over = time.monotonic() + SIGNING_IN
    facts = await backend.one(name)
    with err.status(say("signing in …", "正在登录…")):
        while facts["state"] == "starting" and facts["source"] and time.monotonic() < over and backend.lives:
            await asyncio.sleep(0.3)
            facts = await backend.one(name)
    return facts


def _from_here(source: str) -> str:
    """A relative file means the folder where the command is typed, not the gateway's."""
    kind, _, place = source.partition(":")
    return f"file:{Path(place).expanduser().absolute()}" if kind == "file" and place else source


def _report(facts: Facts, *, as_json: bool, must_be_ready: bool = False) -> None:
    if as_json:
        write_json(facts)
    else:
        out.print(_named(facts["name"], _state(facts)), highlight=False, soft_wrap=True)
        if facts["notice"]:
            err.print(facts["notice"], style="yellow", highlight=False, soft_wrap=True, markup=False)
    if facts["state"] in ("needs_login", "error") or (must_be_ready and facts["state"] not in _GOOD):
        raise typer.Exit(1)


def _state(facts: Facts) -> str:
    return f"{word(facts['state'])}{_left(facts['seconds_left'])}{_because(facts['why'])}"


def _because(why: str | None) -> str:
    """A reason as a sentence of its own: it has brackets itself."""
    return say(f". {why}", f"。{why}") if why else ""


def _named(name: str, line: str) -> str:
    return say(f"{name}: {line}", f"{name}：{line}")


def _left(seconds: float | None) -> str:
    """Such as ", 57 min left"; nothing without seconds."""
    if not seconds:
        return ""
    left = span(seconds, whole=True)
    return say(f", {left} left", f"，剩余 {left}")


def _rests(facts: Facts) -> str:
    """What cools, each kind of call with its time: "pro 57 min, image next call probes"."""
    return say(", ", "、").join(
        f"{word(one['capability'])} {span(one['seconds_left'], whole=True) if one['phase'] == 'open' else _probes()}"
        for one in facts["cooldowns"]
    )


def _probes() -> str:
    return say("next call probes", "下次调用试探")


def _sentences(facts: Facts) -> list[str]:
    """Why it stands as it does, each sentence once however many kinds of calls it holds for."""
    last = _last_error(facts)
    found = [facts["why"], *(one["reason"] for one in facts["cooldowns"]), facts["notice"]]
    return list(dict.fromkeys(line for line in [*found, "" if facts["last_error"] in found else last] if line))


def _to_do(facts: Facts) -> list[str]:
    """What a person does about an account whose session or address has ended, and where."""
    remedy = facts.get("remedy")
    if not remedy:
        return []
    said = say(f"{facts['reason']}: {remedy['title']}; {remedy['text']}", f"{remedy['title']}；{remedy['text']}")
    return [said, say(f"open {remedy['url']}", f"请打开 {remedy['url']}")] if remedy["url"] else [said]


def _details(facts: Facts) -> list[str]:
    lines = _to_do(facts)
    lines += [
        _named(
            word(one["capability"]),
            (say("cools", "冷却中") + _left(one["seconds_left"]) if one["phase"] == "open" else _probes())
            + _because(one["reason"]),
        )
        for one in facts["cooldowns"]
    ]
    if facts["notice"]:
        lines.append(facts["notice"])
    if facts["last_error"] and facts["last_error"] != facts["why"]:
        lines.append(_last_error(facts))
    return lines


def _last_error(facts: Facts) -> str:
    last = facts["last_error"]
    return say(f"last error: {last}", f"最近的错误：{last}") if last else ""
