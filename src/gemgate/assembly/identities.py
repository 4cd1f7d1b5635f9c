"""Who is signed in where: every session of a source, and in each every account behind its cookies (`/u/N`).

One set of cookies stands for all accounts that are signed in side by side; only Google's page of each number says whose
it is (docs/google-wire.md 5.6). Looking costs a page load or two for each account, and nothing is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from gemgate.accounts import Cookies, GoogleAccount
from gemgate.assembly.accounts import upstream_of
from gemgate.assembly.service import Service
from gemgate.cookies.accounts_file import MOST_NUMBER
from gemgate.cookies.signed_in import sessions_in
from gemgate.errors import AccountError, BadRequest, LocalText
from gemgate.frozen import frozen
from gemgate.pool.registry import check_proxy
from gemgate.ports.accounts import AccountSetup
from gemgate.settings import Settings

MOST_SESSIONS = 12
"""Sessions of one source that are looked at: more containers and profiles than people sign in to."""


@frozen
class Identity:
    """One account that is signed in somewhere.

    source: the cookie source that means its session alone, "" for cookies that were handed over. number: N of `/u/N`.
    google: whose it is, as far as Google said. account: the name it has here, "" for none. why: what keeps it from
    being used, empty when it can be.
    """

    source: str
    number: int
    google: GoogleAccount
    cookies: Cookies = field(repr=False)
    account: str = ""
    why: LocalText = field(default_factory=LocalText)


async def identities(
    service: Service, source: str = "", cookies: Cookies | None = None, proxy: str | None = None
) -> list[Identity]:
    """Everybody signed in in a source, or with cookies that were handed over. proxy: as of the account that it is for,
    so that its session is seen on no other way out. BadRequest, AccountError.
    """
    settings = service.settings
    check_proxy(proxy)
    if cookies is not None:
        sessions: Sequence[tuple[str, Cookies]] = [("", cookies)]
    else:
        folder = settings.accounts_path.parent
        sessions = await sessions_in(source, environment=settings.environment_cookies, folder=folder)
    names = {account.google.id: account.name for account in service.pool.accounts if account.google.id}
    found: list[Identity] = []
    for place, held in sessions[:MOST_SESSIONS]:
        found += await _behind(settings, place, held, names, AccountSetup("identity", proxy=proxy).ways[:1])
    return found


async def _behind(
    settings: Settings, source: str, cookies: Cookies, names: dict[str, str], way: Sequence[str]
) -> list[Identity]:
    """The accounts behind one set of cookies, in the order of their numbers."""
    found: list[Identity] = []
    for number in range(MOST_NUMBER + 1):
        try:
            google = await _whose(settings, cookies, number, way)
        except AccountError as error:
            if number == 0:
                found.append(Identity(source, 0, GoogleAccount(), cookies, why=LocalText(error.en, error.zh)))
            if number == 0 or error.code == "account_number":
                return found
            google = GoogleAccount()
            found.append(Identity(source, number, google, cookies, why=LocalText(error.en, error.zh)))
            continue
        if google.id and any(one.google.id == google.id for one in found):
            return found  # a number that nobody has showed an account again
        found.append(Identity(source, number, google, cookies, names.get(google.id, "")))
        if not google.id:
            return found  # nobody says whose it is, so nothing would tell the numbers apart
    return found


async def _whose(settings: Settings, cookies: Cookies, number: int, way: Sequence[str]) -> GoogleAccount:
    seen: list[GoogleAccount] = []
    upstream = await upstream_of(AccountSetup("identity", number=number, proxy="".join(way)), settings, 1)
    try:
        await upstream.open(cookies, accept=seen.append)
    finally:
        await upstream.close()
    return seen[0] if seen else GoogleAccount()


def chosen(found: Sequence[Identity], called: str = "") -> Identity:
    """The one that a person means: by its address, the part before @, or as it is shown; "" = the only one there is.

    Of one account in several profiles the newest session counts. BadRequest names who is there.
    """
    there = [one for one in found if not one.why.en]
    meant = [one for one in there if one.google.is_called(called)] if called else there
    if not found or (not there and not called):
        why = found[0].why if found else LocalText("nobody is signed in there", "那里没有已登录的账号")
        raise BadRequest(f"No account can be taken: {why.en}", f"没有可用的账号：{why.zh}", code="nobody_signed_in")
    if meant and (len(meant) == 1 or {one.google.id for one in meant} == {meant[0].google.id} != {""}):
        return meant[0]
    who = ", ".join(dict.fromkeys(str(one.google) or "?" for one in there)) or "-"
    if meant:
        en, zh = (
            f"Several accounts are meant: {who}. Say which, by its address",
            f"符合的账号不止一个：{who}。请用邮箱地址指定",
        )
    else:
        en, zh = f"Nobody of that name is signed in there; signed in: {who}", f"该账号未在那里登录；已登录的有：{who}"
    raise BadRequest(en, zh, param="google", code="which_account", details={"accounts": who})
