"""`gemgate accounts`: add, list, test, pause, remove. Cookies come from a prompt, a file or standard input, and never
from the command line, which every program on the machine can read.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

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
    print_json,
    say_where,
)
from gemgate.cli.lives import app as lab
from gemgate.cli.terminal import ConfigOption, JsonOption, err, fail, language, load_settings, marked, out, run
from gemgate.errors import GatewayError, NotFound
from gemgate.ports.accounts import AccountSetup

SIGNING_IN = 60.0
"""Seconds that an account which was just added is watched while it signs in."""
_GOOD = ("ready", "busy")
_PHASES = {"open": "cools", "half_open": "the next call probes"}

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
        print_json({"where": backend.where, "accounts": found})
        return
    say_where(backend)
    if not found:
        err.print("No account yet. `gemgate accounts add` takes cookies.", highlight=False)
        return
    table = Table("account", "state", "rests", "whose", "lanes", "source", "reads", "session", box=None)
    for facts in found:
        lanes = f"{facts['lanes']['busy']}/{facts['lanes']['max']}"
        source = (facts["source"] or "by hand") + (f" /u/{facts['number']}" if facts["number"] else "")
        whose, reads = facts["google"] or "", _size(facts["reads"])
        state, session = facts["state"] + _left(facts["seconds_left"]), facts["forecast"] or "-"
        table.add_row(facts["name"], state, _rests(facts), whose, lanes, source, reads, session)
    out.print(table)
    for facts in found:
        for line in _sentences(facts):
            out.print(f"{facts['name']}: {line}", style="dim", highlight=False, soft_wrap=True)


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
            with err.status("looking who is signed in …"):
                setup = await the_one(backend, setup, wanted, whose or "")
        if is_new:
            await backend.set_up(setup)
        if wanted is not None:
            with err.status("signing in …"):
                taken = await backend.replace_cookies(setup.name if is_new else name, wanted)
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
        print_json(facts)
        return
    say_where(backend)
    out.print(f"{facts['name']}: {_state(facts)}", highlight=False, soft_wrap=True)
    models = f"models: {', '.join(facts['models']) or '-'}"
    for line in [*_details(facts), _seat(facts), _reads(facts), f"address {facts['address']}", models]:
        out.print(f"  {line}", highlight=False, soft_wrap=True)
    for line in facts["audit"]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["at"]))
        out.print(f"  {at}  {line['actor']}  {line['action']}  {line['detail']}", style="dim", highlight=False)


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
        fail("there is no account yet; `gemgate accounts add` takes cookies")
    if not as_json:
        say_where(backend)
    bad = 0
    for one in names:
        with err.status(marked("asking Google about {} …", one)):
            facts, why = await _tested(backend, one)
        bad += bool(why)
        if as_json:
            print_json({"name": one, "ok": not why, "why": why, "state": facts.get("state")})
        else:
            out.print(
                marked("[red]{}: {}[/red]", one, why) if why else f"{one}: {_state(facts)}",
                highlight=False,
                soft_wrap=True,
            )
    if bad:
        raise typer.Exit(1)


async def _tested(backend: AccountBackend, name: str) -> tuple[Facts, str]:
    """The account after a test, and why it failed."""
    try:
        facts = await backend.run_action(name, "test")
    except NotFound:
        raise
    except GatewayError as error:
        return {}, error.text(language())
    return facts, "" if facts["state"] in _GOOD else f"{facts['state']} ({facts['why']})"


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
    with err.status(marked("asking {} what stands at the end of long prompts …", name)):
        facts = await backend.measure(name)
    if as_json:
        print_json(facts)
    else:
        out.print(f"{name}: {_reads(facts)}", highlight=False, soft_wrap=True)


def _size(reads: Facts) -> str:
    """The same for a table: kB of a prompt, and with files; ~ for what is assumed."""
    mark = "~" if reads["known_by"] == "assumed" else ""
    sizes = (reads["bytes"], reads["with_files_bytes"])
    return f"{mark}{'/'.join(f'{size // 1000}' if size else '∞' for size in sizes)} kB"


def _seat(facts: Facts) -> str:
    """Which account of its cookies, and what it speaks, in a line."""
    speaks = f", asked to speak {facts['language']}" if facts["language"] else ""
    return f"account number {facts['number']} of its cookies{speaks}"


def _reads(facts: Facts) -> str:
    """How much of a prompt an account reads, in a line."""
    reads = facts["reads"]
    if reads["bytes"] is None:
        return "reads prompts of any length"
    both = f"{reads['with_files_bytes']:,}" if reads["with_files_bytes"] else "any number of"
    line = f"reads {reads['bytes']:,} bytes of a prompt, {both} with files"
    if reads["known_by"] == "set":
        return f"{line} (as it is set up)"
    if reads["measured_at"] is None:
        return f"{line} (assumed; `gemgate accounts measure` finds out)"
    day = time.strftime("%Y-%m-%d", time.localtime(reads["measured_at"]))
    return f"{line} (measured {day}, tier {reads['measured_tier']}, within {reads['resolution_bytes']:,} bytes)"


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
        str | None, typer.Option("--capability", help="text, pro, image or upload; without it all.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """End a cool-down by hand. Google's limit stays what it is; an audit line says who did it."""
    if capability is not None and capability not in get_args(Capability):
        fail(f"--capability is one of {', '.join(get_args(Capability))}", 2)
    chosen: Capability | None = capability  # type: ignore[assignment]
    if not as_json:
        say_where(backend)
    _report(await backend.run_action(name, "reset", chosen), as_json=as_json)


@app.command()
@on_accounts
async def remove(
    backend: AccountBackend,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget an account with its cookies. Calls under way end as they do."""
    if not yes:
        if not sys.stdin.isatty():
            fail("say --yes to remove an account without being asked", 2)
        typer.confirm(f"Forget the account {name} and its cookies?", abort=True)
    say_where(backend)
    await backend.remove(name)
    out.print(f"{name} is forgotten", highlight=False)


@app.command()
def rekey(config: ConfigOption = None) -> None:
    """Seal all stored cookies with a new key: a fresh one in the key file, or the first of COOKIE_KEYS.

    No gateway may run meanwhile. Older keys stay where they are, because older backups need them.
    """
    result = run(rekeyed(load_settings(config=config).settings))
    out.print(f"sealed anew with {result.key}: {result.changed} secret(s)", highlight=False, soft_wrap=True)
    if result.locked:
        fail(
            f"these accounts were sealed with a key that is not there: {', '.join(result.locked)}. Add that key behind "
            "the first one and run this again, or hand over their cookies anew"
        )
    out.print(result.hint, style="dim", highlight=False, soft_wrap=True)


async def _signed_in(backend: AccountBackend, name: str) -> Facts:
    """The account once it is known whether its cookies are good."""
    over = time.monotonic() + SIGNING_IN
    facts = await backend.one(name)
    with err.status("signing in …"):
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
        print_json(facts)
    else:
        out.print(f"{facts['name']}: {_state(facts)}", highlight=False, soft_wrap=True)
        if facts["notice"]:
            err.print(facts["notice"], style="yellow", highlight=False, soft_wrap=True, markup=False)
    if facts["state"] in ("needs_login", "error") or (must_be_ready and facts["state"] not in _GOOD):
        raise typer.Exit(1)


def _state(facts: Facts) -> str:
    why = f" ({facts['why']})" if facts["why"] else ""
    return f"{facts['state']}{why}{_left(facts['seconds_left'])}"


def _left(seconds: float | None) -> str:
    """Such as ", 57 min left", in the unit that a person would take; nothing without seconds."""
    if not seconds:
        return ""
    for size, per, unit in ((172_800, 86_400, "d"), (7200, 3600, "h"), (120, 60, "min")):
        if seconds >= size:
            return f", {math.ceil(seconds / per)} {unit} left"
    return f", {math.ceil(seconds)} s left"


def _rests(facts: Facts) -> str:
    """What cools, each kind of call with its time: "pro 57 min, image next call probes"."""
    return ", ".join(
        f"{one['capability']} {_left(one['seconds_left'])[2:].removesuffix(' left')}"
        if one["phase"] == "open"
        else f"{one['capability']} {_PHASES.get(one['phase'], one['phase'])}"
        for one in facts["cooldowns"]
    )


def _sentences(facts: Facts) -> list[str]:
    """Why it stands as it does, each sentence once however many kinds of calls it holds for."""
    last = facts["last_error"] and f"last error: {facts['last_error']}"
    found = [facts["why"], *(one["reason"] for one in facts["cooldowns"]), facts["notice"]]
    return list(dict.fromkeys(line for line in [*found, "" if facts["last_error"] in found else last] if line))


def _to_do(facts: Facts) -> list[str]:
    """What a person does about an account whose session or address has ended, and where."""
    remedy = facts.get("remedy")
    if not remedy:
        return []
    said = f"{facts['reason']}: {remedy['title']}; {remedy['text']}"
    return [said, f"open {remedy['url']}"] if remedy["url"] else [said]


def _details(facts: Facts) -> list[str]:
    lines = _to_do(facts)
    lines += [
        f"{one['capability']}: {_PHASES[one['phase']]}{_left(one['seconds_left'])} ({one['reason']})"
        for one in facts["cooldowns"]
    ]
    if facts["notice"]:
        lines.append(facts["notice"])
    if facts["last_error"] and facts["last_error"] != facts["why"]:
        lines.append(f"last error: {facts['last_error']}")
    return lines
