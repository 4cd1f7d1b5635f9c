"""Commands about browsers as the place where accounts are signed in: who is there, and pairing one with an account."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gemgate.cli.account_backend import AccountBackend, Facts
from gemgate.cli.account_choice import everybody, read_cookies, show_identities, spelled
from gemgate.cli.account_desk import NameArgument, on_accounts, say_where
from gemgate.cli.console import err, marked, out
from gemgate.cli.terminal import JsonOption, say, write_json
from gemgate.ports.accounts import AccountSetup


@on_accounts
async def who(
    backend: AccountBackend,
    place: Annotated[
        str | None, typer.Argument(help="firefox, chrome, firefox:PROFILE, file:PATH. (default: all browsers)")
    ] = None,
    cookies: Annotated[
        Path | None, typer.Option("--cookies", help="File with cookies, in any form; - reads standard input.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List who is signed in: every profile, container and account (/u/N) of a browser, or behind cookies."""
    held = read_cookies(cookies) if cookies is not None else None
    places = [""] if held else [spelled(place)] if place else [f"browser:{one}" for one in ("firefox", "chrome")]
    if not as_json:
        say_where(backend)
    with err.status(say("looking who is signed in …", "正在查看已登录的账号…")):
        found = await everybody(backend, places, held)
    if as_json:
        write_json({"identities": found})
    else:
        show_identities(found)


@on_accounts
async def pair(
    backend: AccountBackend,
    name: NameArgument,
    as_json: JsonOption = False,
) -> None:
    """Show a code for the browser extension: it counts once, for ten minutes, and only lets it push cookies.

    An account that is not there yet is set up: the first push signs it in.
    """
    if not as_json:
        say_where(backend)
    if name not in {facts["name"] for facts in await backend.all()}:
        await backend.set_up(AccountSetup(name))  # its first push signs it in
    _show_code(await backend.pair(name), as_json=as_json)


def _show_code(facts: Facts, *, as_json: bool) -> None:
    if as_json:
        write_json(facts)
        return
    until = time.strftime("%H:%M:%S", time.localtime(facts["expires_at"]))
    words = say("[bold]{}[/bold]  for {}, until {}", "[bold]{}[/bold]  用于 {}，{} 前有效")
    out.print(marked(words, facts["code"], facts["account"], until), highlight=False)
    gateway = facts["gateway"]
    told = say(
        f"Type it into the extension, with the gateway's address: {gateway}", f"请在扩展中输入它以及网关地址：{gateway}"
    )
    err.print(told, highlight=False, soft_wrap=True)
