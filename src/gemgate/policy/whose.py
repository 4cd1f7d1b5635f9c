"""Whether cookies are the account's they are given to: one name is one Google account (docs/google-wire.md 5.6).

The chats, files, limits and walls that are kept under a name are one person's; with the cookies of another they would
be told to the wrong one. Google's page names the account. Only where it does not, and nobody has looked at what came,
does the cookie SAPISID count: a session of the same sign-in keeps it.
"""

from __future__ import annotations

from gemgate.accounts import Cookies, GoogleAccount
from gemgate.errors import NotThisAccount

_SIGN = "SAPISID"


def foreign(
    name: str,
    known: GoogleAccount,
    found: GoogleAccount,
    *,
    before: Cookies | None,
    given: Cookies,
    watched: bool,
) -> NotThisAccount | None:
    """Why these cookies are not those of the account `name`; None when they may be.

    known, found: whose the account is, and whose the cookies are, as far as Google said. before: what it signed in with
    until now. watched: nobody handed the cookies over, they were found in the account's source.
    """
    if known.id and found.id:
        return _another(name, known, found) if known.id != found.id else None
    old, new = (_sapisid(cookies) for cookies in (before, given))
    if watched and old and new and old != new:
        return NotThisAccount(
            f"The source of the account {name} now holds the cookies of another sign-in, and Google does not say whose "
            f"they are: if they are this account's, hand them over by hand; if not, give them a name of their own",
            f"账号 {name} 的 Cookie 来源中出现了另一次登录的 Cookie，而 Google 未说明其所属账号：若确为该账号，"
            "请手动提供；否则请为其另起账号名称",
            code="another_google_account",
        )
    return None


def taken(holder: str, found: GoogleAccount) -> NotThisAccount:
    """The Google account has a name here already."""
    return NotThisAccount(
        f"This Google account ({found}) is already the account {holder}: sign in to another one, or use that one",
        f"该 Google 账号（{found}）已是账号 {holder}：请登录另一个 Google 账号，或直接使用该账号",
        code="session_in_use",
    )


def _another(name: str, known: GoogleAccount, found: GoogleAccount) -> NotThisAccount:
    alike = str(known) == str(found)
    mine, theirs = (f"{one} #{one.id[:4]}" if alike else str(one) for one in (known, found))
    return NotThisAccount(
        f"These are the cookies of {theirs}, and the account {name} is {mine}: give them a name of their own, or "
        f"remove the account {name} first",
        f"这些 Cookie 属于 {theirs}，而账号 {name} 是 {mine}：请为其另起账号名称，或先删除账号 {name}",
        code="another_google_account",
    )


def _sapisid(cookies: Cookies | None) -> str:
    return next((one.value for one in cookies.others if one.name == _SIGN), "") if cookies else ""
