"""The HTML a browser or a client sees: the app, its guest form, the sign-in form, the captcha."""

from __future__ import annotations

import json
from html import escape
from urllib.parse import quote

from gemgate.accounts import PSID, PSIDCC, PSIDTS
from gemgate_simulator.accounts import Session
from gemgate_simulator.exchange import Response, page
from gemgate_simulator.state import Page
from gemgate_simulator.uploads import DEFAULT_PUSH_ID

APP = "https://gemini.google.com/app"
SIGN_IN = "https://accounts.google.com/ServiceLogin"
PASSWORD_PATH, AGE_PATH = "/v3/signin/challenge/pwd", "/age-verification"
PASSWORD, AGE = f"https://accounts.google.com{PASSWORD_PATH}", f"https://myaccount.google.com{AGE_PATH}"
_YEAR = 34_560_000

CAPTCHA = (
    "<!doctype html><html><head><title>Sorry...</title></head><body><h1>Our systems have detected unusual traffic "
    'from your computer network.</h1><form id="captcha-form"><input name="q"></form></body></html>'
)


def captcha() -> Response:
    """What Google shows to an address it distrusts: 200, and not what was asked for."""
    return page(200, CAPTCHA)


def set_cookies(session: Session) -> tuple[tuple[str, str], ...]:
    """The session's cookies as a browser receives them."""
    values = session.cookies()
    common = f"Domain=.google.com; Path=/; Max-Age={_YEAR}; Secure; HttpOnly"
    return tuple(("set-cookie", f"{name}={values[name]}; {common}; Priority=HIGH") for name in (PSID, PSIDTS, PSIDCC))


def rotated_cookies(session: Session) -> tuple[tuple[str, str], ...]:
    """What RotateCookies sets: everything but the identity."""
    return set_cookies(session)[1:]


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>"
    )


def app(opened: Page, rotate: str = "") -> Response:
    """The Gemini app: for people a line of text, for clients the keys of docs/gemini-webapi.md 3.

    rotate: seconds between rotations made by a frame of accounts.google.com, as the real page has one; "" for none.
    """
    account = opened.account
    data = {
        "cfb2h": opened.build,
        "FdrFJe": opened.sid,
        "TuX5cc": opened.language,
        "qKIAYe": account.push_id if account else DEFAULT_PUSH_ID,
        "Im6cmf": "/_/BardChatUi",
    }
    if account and not account.nameless:
        data |= {"oPEP7c": account.email, "S06Grb": account.number}
    if opened.token:
        data["SNlM0e"] = opened.token
    script = f"<script>window.WIZ_global_data = {json.dumps(data)};</script>"
    if account:
        body = f'<h1>Gemini</h1><p id="account">Signed in as {escape(account.email)}</p>{script}'
    else:
        body = f'<h1>Gemini</h1><p id="guest">Not signed in</p><a id="sign-in" href="{SIGN_IN}">Sign in</a>{script}'
    if rotate:
        frame = f"https://accounts.google.com/RotateCookiesPage?every={quote(rotate)}"
        body += f'<iframe id="rotate" src="{escape(frame)}" hidden></iframe>'
    return page(200, _document("Gemini", body))


def elsewhere() -> Response:
    """There is no account of this number: off to the first one's page."""
    return moved(APP)


def moved(to: str) -> Response:
    """Off to another page."""
    return page(302, "", "text/html", ("location", to))


def asking(path: str) -> Response:
    """A form of Google's own that only a person answers."""
    what = "Enter your password" if path == PASSWORD_PATH else "Confirm your age"
    return page(200, _document(what, f"<h1>{what}</h1>"))


def consent() -> Response:
    """What stands in place of the app until its cookie question is answered (docs/google-wire.md 5.6)."""
    form = '<form action="https://consent.google.com/save" method="post"><button>Accept all</button></form>'
    return page(200, _document("Before you continue", f"<h1>Before you continue to Google</h1>{form}"))


def rotate_page(every: str) -> Response:
    """The frame that rotates the cookies every so many seconds while the browser shows the app."""
    seconds = float(every) if every.replace(".", "", 1).isdigit() else 600.0
    script = (
        "const rotate = () => fetch('/RotateCookies', {method: 'POST', credentials: 'include',"
        " headers: {'Content-Type': 'application/json'}, body: '[000,\"-0000000000000000000\"]'});"
        f"setInterval(rotate, {max(seconds, 0.2) * 1000:.0f});"
    )
    return page(200, _document("Rotate", f"<script>{script}</script>"))


def sign_in_form(names: list[str], chosen: str) -> Response:
    """Choose an account (or have it chosen by `?account=`) and sign in with a button."""
    buttons = [
        f'<form method="post" action="/ServiceLogin"><input type="hidden" name="account" value="{escape(name)}">'
        f'<button id="sign-in-{escape(name)}" type="submit">Sign in as {escape(name)}</button></form>'
        for name in names
        if chosen in ("", name)
    ]
    return page(200, _document("Sign in", "<h1>Sign in</h1>" + "".join(buttons or ["<p>No such account.</p>"])))


def signed_in(session: Session) -> Response:
    """The form was sent: cookies, and on to the app."""
    return page(302, "", "text/html", ("location", APP), *set_cookies(session))
