"""Which of the Google accounts that are signed in somewhere is meant: asked for by its address, or listed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.prompt import Prompt
from rich.table import Table

from gemgate.accounts import Cookies
from gemgate.cli.account_backend import AccountBackend, Facts
from gemgate.cli.console import err, out
from gemgate.cli.interruption import interruptible
from gemgate.cli.terminal import fail, language, reason, say
from gemgate.cookies.spec import BROWSERS
from gemgate.dialects import cookie_text
from gemgate.errors import AccountError, BadRequest, GatewayError
from gemgate.ports.accounts import AccountSetup


def spelled(place: str) -> str:
    """A source as settings spell it, from what a person types: `firefox:work` is `browser:firefox:work`."""
    kind = place.strip().partition(":")[0].partition("#")[0].lower()
    return f"browser:{place.strip()}" if kind in BROWSERS else place


def named_after(whose: str | None) -> str:
    """The name of an account that got none: the address it was chosen by, else `default`."""
    fits = whose and len(whose) <= 64 and all(char.isalnum() or char in "-_.@" for char in whose)
    return str(whose) if fits else "default"


async def the_one(backend: AccountBackend, setup: AccountSetup, cookies: Cookies | None, whose: str) -> AccountSetup:
    """The set-up with the source and number of the account that is meant. BadRequest names who is there."""
    chosen = (await backend.identities("" if cookies else setup.source, cookies, whose, setup.proxy))["chosen"]
    return replace(setup, source=chosen["source"] if not cookies else setup.source, number=chosen["number"])


async def everybody(backend: AccountBackend, places: Sequence[str], cookies: Cookies | None) -> list[Facts]:
    """Who is signed in in these places; one that cannot be read is said, unless it is the only one."""
    found: list[Facts] = []
    for place in places:
        try:
            found += (await backend.identities(place, cookies, None))["identities"]
        except (AccountError, GatewayError) as error:
            if len(places) == 1:
                raise
            err.print(error.text(language()), style="dim", highlight=False, soft_wrap=True, markup=False)
    return found


def show_identities(found: Sequence[Facts]) -> None:
    """A table for people."""
    if not found:
        err.print(say("Nobody is signed in there.", "那里没有已登录的账号。"), highlight=False)
        return
    table = Table(*say("who,source,number,account here", "身份,来源,序号,本地账号").split(","))
    for one in found:
        table.add_row(one["google"] or one["why"] or "?", one["source"], f"/u/{one['number']}", one["account"] or "")
    out.print(table)


def read_cookies(place: Path | None) -> Cookies:
    """From the file, from standard input, or asked for without showing what is typed. BadRequest for nonsense."""
    try:
        if place is not None and str(place) != "-":
            return cookie_text.read(place.read_text("utf-8-sig"))
        if not sys.stdin.isatty():
            return cookie_text.read(sys.stdin.read())
        err.print(
            say(
                "Paste the values from the cookies of gemini.google.com; nothing is shown.",
                "请粘贴 gemini.google.com 的 Cookie 值；输入内容不会显示。",
            ),
            highlight=False,
        )
        psid = _asked("__Secure-1PSID")
        if any(mark in psid for mark in "={["):
            return cookie_text.read(psid)  # a whole header or a browser extension's export
        psidts = _asked("__Secure-1PSIDTS")
        return Cookies(psid.strip(), psidts.strip())
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error)
        fail(say(f"{place} cannot be read: {why}", f"无法读取 {place}：{why}"), 2)
    except BadRequest as error:
        fail(error.text(language()), 2)


def _asked(name: str) -> str:
    """What is typed after this name, which is not shown; Ctrl-C has the terminal show again what is typed."""
    with interruptible():
        return Prompt.ask(name, console=err, password=True)
