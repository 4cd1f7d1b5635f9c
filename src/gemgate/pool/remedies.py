"""What a person does about an account that cannot go on: one sentence, and the one place to click."""

from __future__ import annotations

from typing import Literal

from gemgate.errors import NO_TEXT, LocalText
from gemgate.frozen import frozen
from gemgate.policy import session_end
from gemgate.policy.session_end import ENDS, Reason
from gemgate.pool.account import Account

SIGN_IN = "https://accounts.google.com/ServiceLogin?continue="
APP = "https://gemini.google.com"


@frozen
class AccountRemedy:
    """reason: how the session or address ended. text: what to do. url: where, "" = nowhere to click; opens: what that
    is: the account's own desktop, or a page of Google's for the browser that is signed in.
    """

    reason: Reason
    title: LocalText
    text: LocalText = NO_TEXT
    url: str = ""
    opens: Literal["", "desktop", "google"] = ""


def remedy_of(account: Account, desktop: str) -> AccountRemedy | None:
    """None while nobody has to do anything. desktop: where the account's browser is reached, "" = nowhere."""
    reason = session_end.of_word(account.status().reason)
    if reason is None:
        return None
    end = ENDS[reason]
    if end.place == "network":
        return AccountRemedy(reason, end.title, end.remedy)
    if desktop:
        return AccountRemedy(reason, end.title, end.remedy, desktop, "desktop")
    app = f"{APP}/u/{account.number}/app" if account.number else f"{APP}/app"
    url = {"app": app, "google": end.page}.get(end.place, SIGN_IN + app)
    return AccountRemedy(reason, end.title, end.remedy, end.page if reason == "revoked" else url, "google")
