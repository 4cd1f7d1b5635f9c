"""How the use of a session ends: each end told apart, with what a person does about it. Pure.

Google says little (docs/google-wire.md 4.2, 5.3 to 5.7): where a page led, a number for the account, a renewal that it
refuses. `seen` reads one look; `explained` adds what was known of the session before it died.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from gemgate.accounts import Renewal
from gemgate.errors import GatewayError, LocalText, NotThisAccount, SignedOut
from gemgate.frozen import frozen

Reason = Literal[
    "no_cookies",
    "expired",
    "superseded",
    "revoked",
    "device_bound",
    "guest",
    "another_identity",
    "account_number",
    "consent",
    "age_check",
    "terms",
    "rejected",
    "untrusted",
    "region",
    "captcha",
    "ip_block",
]
"""One word for each end. The state word says who must act; this says on what."""
StateWord = Literal["needs_login", "error", "blocked"]
Place = Literal["sign_in", "app", "google", "network"]
"""Where a person acts: a browser that signs in, or the app as it is; a page of Google's; the network."""


@frozen
class End:
    """state: the word the account then has. title: what happened; remedy: what to do. page: Google's page for it."""

    state: StateWord
    title: LocalText
    remedy: LocalText
    place: Place = "sign_in"
    page: str = "https://gemini.google.com/app"


_ANEW = LocalText("sign in again and hand over fresh cookies", "请重新登录并提供新的 Cookie")
_WAIT = LocalText(
    "it is tried again by itself when the rest is over; another proxy helps at once",
    "休息结束后会自动重试；更换代理可立即恢复",
)
ENDS: dict[Reason, End] = {
    "no_cookies": End(
        "needs_login",
        LocalText("there are no cookies to sign in with", "没有可用于登录的 Cookie"),
        LocalText("sign in to the app in a browser and hand over its cookies", "请在浏览器中登录并提供其 Cookie"),
    ),
    "expired": End("needs_login", LocalText("the session has ended", "会话已失效"), _ANEW),
    "superseded": End(
        "needs_login",
        LocalText("another client has taken the session over", "会话已被其他客户端接管"),
        LocalText(
            "close the browser tab that uses this account, then sign in for gemgate alone",
            "请关闭使用该账号的浏览器标签页，再为 gemgate 单独登录",
        ),
    ),
    "revoked": End(
        "needs_login",
        LocalText(
            "Google asks for the password again: it was changed, or all sessions were signed out",
            "Google 要求重新输入密码：密码已更改，或所有会话已被注销",
        ),
        LocalText(
            "if it was not you, look at the account's security page; then sign in again and hand over fresh cookies",
            "若非本人操作，请检查账号安全页面；然后重新登录并提供新的 Cookie",
        ),
        page="https://myaccount.google.com/security",
    ),
    "device_bound": End(
        "needs_login",
        LocalText("the session was bound to its browser's device", "会话绑定在浏览器所在的设备上"),
        LocalText(
            "sign in with Firefox, pair the browser, or let a live browser be the source",
            "请改用 Firefox 登录、配对浏览器，或使用运行中的浏览器作为来源",
        ),
    ),
    "guest": End(
        "needs_login",
        LocalText("Google answers these cookies as it answers a guest", "Google 将这些 Cookie 视为访客"),
        _ANEW,
    ),
    "another_identity": End(
        "needs_login",
        LocalText("the cookies are another Google account's", "Cookie 属于另一个 Google 账号"),
        LocalText(
            "sign in to the right account, or give these a name of their own", "请登录正确的账号，或另起账号名称"
        ),
    ),
    "account_number": End(
        "needs_login",
        LocalText("these cookies have no account of this number", "这些 Cookie 中没有该编号的账号"),
        LocalText("sign in to it in that browser, or change `number`", "请在该浏览器中登录它，或修改 number"),
    ),
    "consent": End(
        "needs_login",
        LocalText("Google wants its cookie question answered", "Google 要求先确认 Cookie 许可"),
        LocalText(
            "open the app in the browser, choose, and hand over the cookies again, SOCS among them",
            "请在浏览器打开应用并作出选择，然后重新提供 Cookie（包括 SOCS）",
        ),
        "app",
    ),
    "age_check": End(
        "error",
        LocalText("Google wants the age, or a guardian's approval", "Google 要求确认年龄或由监护人批准"),
        LocalText("confirm the age on the account's page", "请在账号页面确认年龄"),
        "google",
        "https://myaccount.google.com/age-verification",
    ),
    "terms": End(
        "error",
        LocalText("Google wants its terms accepted", "Google 要求接受服务条款"),
        LocalText("open the app in the browser and accept them", "请在浏览器打开应用并接受"),
        "app",
    ),
    "rejected": End(
        "error",
        LocalText("Google does not let this account use the app", "Google 不允许该账号使用此应用"),
        LocalText("open the app in the browser and read what it says", "请在浏览器打开应用查看提示"),
        "app",
    ),
    "untrusted": End(
        "error",
        LocalText("the account did not pass Google's checks", "该账号未通过 Google 的安全检查"),
        LocalText("follow what the account's security page asks for", "请按账号安全页面的提示操作"),
        "google",
        "https://myaccount.google.com/security",
    ),
    "region": End(
        "blocked",
        LocalText(
            "Google does not offer the app at this address or in its country", "Google 不在该地址或其所在国家提供此应用"
        ),
        LocalText("give the account a proxy in another country", "请为该账号设置其他国家的代理"),
        "network",
    ),
    "captcha": End(
        "blocked",
        LocalText("Google wants a captcha solved by this address", "Google 要求该地址完成人机验证"),
        LocalText(
            "solve it in a browser that uses the same address, then reset; or wait for the end of the rest",
            "请在使用同一地址的浏览器中完成验证后点击重置，或等待休息结束",
        ),
        "app",
    ),
    "ip_block": End("blocked", LocalText("Google blocks this address", "Google 封锁了该地址"), _WAIT, "network"),
}
_OF_STATUS: dict[int, Reason] = {
    1016: "guest",
    1021: "rejected",
    1033: "untrusted",
    1040: "terms",
    1042: "terms",
    1054: "age_check",
    1057: "age_check",
    1060: "region",
}
_OF_CODE: dict[str, Reason] = {
    "cookie_expired": "expired",
    "consent_required": "consent",
    "account_number": "account_number",
    "another_google_account": "another_identity",
    "session_in_use": "another_identity",
    "ip_blocked": "ip_block",
    "account_rejected": "rejected",
}
"""What an error's code says by itself, where nothing finer was seen."""
_CAPTCHA = re.compile(r"captcha|unusual traffic|/sorry/", re.IGNORECASE)
_APP = "WIZ_global_data"
"""What the app's own page has, a guest's too: whatever scripts it loads, no captcha stands in its place."""
_PASSWORD = re.compile(r"/(?:signin/)?(?:v\d/)?(?:signin/)?(?:challenge|rejected|confirm)", re.IGNORECASE)
_AGE = re.compile(r"age-?verification|/signin/.{0,20}\bage\b", re.IGNORECASE)
LOOKS_AT = 200_000
"""Characters of a page that are read: a captcha and a form of consent stand at its beginning."""


@frozen
class Sign:
    """What one look at Google showed. All of it may be missing.

    http: the status, 0 = none. url: where the page was found in the end, or where it sends to. page: its text. status:
    the account's own number (`otAQ7b`), 0 = not told. named: whether the page had the account's token or name, which
    the page of cookies that are dead never has.
    """

    http: int = 0
    url: str = ""
    page: str = ""
    status: int = 0
    named: bool = False


def seen(sign: Sign) -> Reason | None:
    """The end that a look shows; None when it shows none. The address comes first: behind it nothing is told."""
    page, host = sign.page[:LOOKS_AT], _host(sign.url)
    if "/sorry/" in sign.url or (_CAPTCHA.search(page) and _APP not in page):
        return "captcha"
    if sign.http == 429:
        return "ip_block"
    if host == "consent.google.com" or "consent.google.com/save" in page:
        return "consent"
    if _AGE.search(sign.url) and host.endswith(".google.com"):
        return "age_check"
    if host == "accounts.google.com":
        return "revoked" if _PASSWORD.search(urlsplit(sign.url).path) else "expired"
    if sign.http in (401, 403):
        return "expired"
    if sign.status == 1016 and not sign.named:
        return "expired"
    return _OF_STATUS.get(sign.status)


INFERRED: tuple[str, ...] = ("", "expired", "superseded", "device_bound")
SHOWN: tuple[str, ...] = ("revoked", "guest", "consent")
"""Words for a death of which nothing better is known, and those that a later look at its page may put there."""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@frozen
class Past:
    """What was known of a session when it died. renewed_ago: seconds since it was last renewed or signed in, -1 =
    never seen alive, or dead and explained. bound: the browser it is bound to, as far as its source says. renewal: what
    the last one came to. told: what is said of the account already, which stays when it is only found dead once more.
    """

    renewed_ago: float = -1.0
    bound: str = ""
    renewal: Renewal | None = None
    told: GatewayError | None = None


def explained(error: GatewayError, past: Past, superseded_within: float) -> GatewayError:
    """The same refusal with its likely reason, where Google said nothing finer than that the session is dead.

    A session that is bound (its browser was named, or its renewal refused) died of that; else one that was renewed less
    than `superseded_within` seconds before was most likely taken over: left alone it lives longer (5.3).
    """
    if not isinstance(error, SignedOut) or isinstance(error, NotThisAccount) or of(error) != "expired":
        return error
    if past.renewed_ago < 0:
        finer = of(past.told)
        again = past.told is not None and finer not in (None, "expired") and ENDS[finer].state == "needs_login"
        return past.told if again and past.told is not None else error
    if past.bound or past.renewal == "refused":
        whose = f" ({past.bound})" if past.bound else ""
        return error.with_(
            en=f"{error.en}. Its renewals do not count outside the browser it began in{whose}: most likely Google has "
            "bound it to that device. Sign in with Firefox, or let a live browser be the source",
            zh=f"{error.zh}。该会话在原浏览器{whose}之外无法续期，很可能已绑定到设备。"
            "请改用 Firefox 登录，或使用运行中的浏览器作为来源",
            reason="device_bound",
        )
    if past.renewed_ago >= superseded_within:
        return error
    minutes = max(1, round(past.renewed_ago / 60))
    return error.with_(
        en=f"{error.en}. It was renewed {minutes} min ago, and one left alone lives longer: most likely another living "
        "client of the account (an open browser tab) has taken it over. Close that one, and sign in for gemgate alone",
        zh=f"{error.zh}。该会话 {minutes} 分钟前刚续期过，单独使用时不会这么快失效：很可能被同一账号的其他客户端"
        "（打开着的浏览器标签页）接管。请关闭它，并为 gemgate 单独登录",
        reason="superseded",
    )


def of(error: GatewayError | None) -> Reason | None:
    """The end that an error tells of: its own word, else what its code says; None for what ends no session."""
    if error is None:
        return None
    return of_word(error.reason) or _OF_CODE.get(error.code or "")


def of_rest(reason: str) -> Reason:
    """The end that the stored reason of an address's circuit begins with; an address that rests is blocked."""
    return of_word(reason.partition(":")[0]) or "ip_block"


def of_word(word: str) -> Reason | None:
    """The end of this name; None for a word that is none."""
    return next((reason for reason in ENDS if reason == word), None)
