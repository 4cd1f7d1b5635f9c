"""The addresses that requests come from: how often each may ask, and what one that asked too often is shown.

docs/google-wire.md 4.2, 4.3. A block is the address's, whatever account the cookies are of; it begins with the call
that was one too many and says nothing of quotas. Nothing is counted until `most` is set: how many are too many is known
from one source only.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from gemgate_simulator.exchange import Response, page

Form = Literal["redirect", "captcha", "page", "code", "plain"]
"""redirect: 302 to google.com/sorry, which answers 429; captcha: 429 at once; page: 200 with "unusual traffic" in it;
code: 1060 in the stream, and as the account's status; plain: 429 with nothing in it."""
FORMS: tuple[Form, ...] = get_args(Form)

SORRY_HOST, SORRY_PATH = "www.google.com", "/sorry/index"
_NOTICE = (
    "<!doctype html><html><head><title>https://gemini.google.com/app</title></head><body>"
    "<div>Our systems have detected unusual traffic from your computer network. This page checks to see if it's really "
    "you sending the requests, and not a robot.</div>"
    '<form id="captcha-form" action="index" method="post"><input name="q"></form></body></html>'
)


@dataclass(slots=True)
class Addresses:
    """most: prompts in `per` seconds that an address may send, 0 = any number; blocked for `seconds` after that.

    asked: requests that came from an address while it was blocked.
    """

    clock: Callable[[], float]
    most: int = 0
    per: float = 60.0
    seconds: float = 7200.0
    form: Form = "redirect"
    asked: Counter[str] = field(default_factory=Counter)
    _until: dict[str, tuple[float, Form]] = field(default_factory=dict)
    _calls: dict[str, deque[float]] = field(default_factory=dict)

    def block(self, way: str, seconds: float, form: Form) -> None:
        """From now on, for so many seconds."""
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}; one of {', '.join(FORMS)}")
        self._until[way] = (self.clock() + seconds, form)

    def free(self, way: str) -> None:
        self._until.pop(way, None)

    def met(self, way: str, *, prompt: bool) -> Form | None:
        """A request came this way; how it is turned away, None when it passes. prompt: whether it counts."""
        now = self.clock()
        until, form = self._until.get(way, (0.0, self.form))
        if now < until:
            self.asked[way] += 1
            return form
        if not prompt or not self.most:
            return None
        calls = self._calls.setdefault(way, deque())
        calls.append(now)
        while calls[0] <= now - self.per:
            calls.popleft()
        if len(calls) <= self.most:
            return None
        calls.clear()
        self.block(way, self.seconds, self.form)
        return self.form


def turned_away(form: Form) -> Response | None:
    """What goes out in place of an answer; None where the answer itself says it."""
    match form:
        case "redirect":
            return page(302, "", "text/html", ("location", f"https://{SORRY_HOST}{SORRY_PATH}?continue=x&q=y"))
        case "captcha":
            return sorry()
        case "page":
            return page(200, _NOTICE)
        case "plain":
            return page(429, "", "text/plain")
        case "code":
            return None


def sorry() -> Response:
    """The page behind the redirect, and in its place where nobody is redirected."""
    return page(429, _NOTICE)
