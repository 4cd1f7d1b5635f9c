"""Google accounts as the service knows them: sessions and their cookies, tiers and models, and who a request is from.

A session is what one sign-in makes. It lives by its rotating `__Secure-1PSIDTS`: when that is older than the account's
`lifetime`, or `expire()` was called, the session is dead and everybody who shows its cookies is a stranger.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from gemgate.accounts import PSID, PSIDCC, PSIDTS

Tier = Literal["free", "plus", "pro", "ultra"]

_KEPT = 20
"""Old values of a rotating cookie that are still recognised as this session's."""
_MOST_OWNERS = 20_000


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the account's model list (docs/gemini-webapi.md 4); `name` is what gemini_webapi makes of the category.

    extended: whether extended thinking is to be had with it (docs/google-wire.md 2.5).
    """

    id: str
    category: str
    display: str
    description: str
    number: int
    extended: bool = False

    @property
    def name(self) -> str:
        return "gemini-" + self.category.lower().replace(" ", "-")

    def row(self, renamed: Mapping[str, str] = MappingProxyType({})) -> list[object]:
        """renamed: other display names by hex id, as the service gives them from one day to the next."""
        row: list[object] = [None] * 18
        row[0], row[1], row[2], row[10] = self.id, self.category, self.description, self.category
        row[11], row[12], row[17] = renamed.get(self.id, self.display), self.description, self.number
        return row


def _models(flash: str, pro: str, lite: str) -> tuple[Model, ...]:
    return (
        Model(flash, "Flash", "3 Flash", "All-round help", 1),
        Model(pro, "Pro", "3.1 Pro", "Advanced reasoning, mathematics and code", 3, extended=True),
        Model(lite, "Flash Lite", "3.1 Flash Lite", "Fastest answers", 6),
    )


FREE_MODELS = _models("fbb127bbb056c959", "9d8ca3786ebdfbea", "cf41b0e0dd7d53e5")
PAID_MODELS = _models("56fdd199312815e2", "e6fa609c3fa255c0", "8c46e95b1a07cecc")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tier means on the wire. capacity: (value, field) as the model header carries it."""

    number: int
    models: tuple[Model, ...]
    tier_flags: tuple[int, ...]
    capability_flags: tuple[int, ...]
    capacity: tuple[int, int]


PLANS: dict[Tier, Plan] = {
    "free": Plan(1, FREE_MODELS, (), (1, 4), (1, 12)),
    "pro": Plan(2, PAID_MODELS, (8,), (1, 4, 19), (2, 12)),
    "ultra": Plan(3, PAID_MODELS, (22,), (1, 4, 19), (2, 13)),
    "plus": Plan(4, PAID_MODELS, (), (1, 4, 115), (4, 12)),
}


@dataclass(slots=True, eq=False)
class Session:
    """One sign-in. stamps: every value the rotating cookie had, with when it was issued, oldest first."""

    account: Account
    psid: str
    psidcc: str
    stamps: list[tuple[str, float]]
    dead: bool = False
    asked_at: float = float("-inf")
    """When new cookies were last asked for."""
    knocks: int = 0
    """Requests since it died."""
    revoked: bool = False
    """Whether it was ended by a new password: its page leads to the one that asks for it."""
    beside: list[Account] = field(default_factory=list)
    """Further accounts that are signed in with the same cookies, by their numbers from 1 on."""

    def person(self, number: int) -> Account | None:
        """The account at `/u/number`."""
        return next(iter([self.account, *self.beside][number : number + 1]), None)

    def cookies(self) -> dict[str, str]:
        return {PSID: self.psid, PSIDTS: self.stamps[-1][0], PSIDCC: self.psidcc}

    def rotate(self, now: float) -> str:
        """A new `__Secure-1PSIDTS`; the one before is accepted for the account's grace period."""
        self.stamps.append((_stamp(), now))
        del self.stamps[:-_KEPT]
        self.psidcc = _code()
        return self.stamps[-1][0]

    def refresh(self) -> None:
        """Only the cookie that changes with every answer is new."""
        self.psidcc = _code()

    def alive(self, stamp: str, now: float) -> bool:
        """Whether the session lives and `stamp` is a value it still accepts."""
        account = self.account
        value, issued = self.stamps[-1]
        if self.dead or (account.lifetime is not None and now - issued > account.lifetime):
            return False
        if stamp == value or (not stamp and not account.needs_stamp):
            return True
        return any(
            stamp == old and now - replaced <= account.grace for (old, _), (_, replaced) in pairwise(self.stamps)
        )


@dataclass(slots=True, eq=False)
class Account:
    """A Google identity.

    status: what `otAQ7b[14]` says. lifetime: seconds a `__Secure-1PSIDTS` lives, None for ever; grace: seconds an
    older one still counts after its replacement. needs_stamp: whether `__Secure-1PSID` alone is refused.
    used: how much of the 5-hour and of the weekly window is spent, 0..1; spends: how much one generation takes of them;
    ends: when those windows and that of credits end, epoch seconds; taken: generations by model in the first of them.
    stores: whether its chats are kept (not while
    its activity is switched off). page: what it tells: a token; none, and "" is taken for one; none, and one that an
    earlier page gave out counts for an hour. token_life: seconds that a page's token counts, None for ever. consented:
    whether the consent page was answered; without that it stands in place of the app. age_asked: the app leads to
    the page that asks for the age. rotation: with which cookies a
    new 1PSIDTS is made (docs/google-wire.md 5.4): any of the session's, 1PSID and 1PSIDTS alone, none (200 without
    it), more than the two, or never (401); asked more often than every rotate_gap seconds: 429.

    wall, file_wall: UTF-8 bytes of a prompt, and of a prompt with the text of its files, that the model reads (None =
    all): what stands beyond is dropped from the end without a word (docs/google-wire.md 1.1, 1.2). temporary_share: of
    both in temporary chats (1.4; unmeasured, so 1). window: bytes that a chat holds in all before code 1097 (1.3; how
    many is not known, so None).
    spent_by: what a spent window does: code 1037, or a lower model in silence. guest: its cookies count, but it is
    answered like a guest. phantom: its pages have tokens, and neither a status nor any chat is shown (5.3). flagged:
    its better models and its pictures' files are only for who shows more cookies than the three (5.2). nameless:
    its pages do not say whose they are (5.6). downgraded: a lower model answers for no reason that can be seen.
    unnamed: answers name no model. renamed: other display names by hex id
    (docs/google-wire.md 2.3, 2.4, 5.7).
    """

    name: str
    tier: Tier = "pro"
    status: int = 1000
    language: str = "en"
    lifetime: float | None = None
    grace: float = 300.0
    needs_stamp: bool = True
    used: tuple[float, float] = (0.12, 0.05)
    spends: tuple[float, float] = (0.0, 0.0)
    ends: list[float] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    stores: bool = True
    page: Literal["token", "empty", "old"] = "token"
    token_life: float | None = None
    consented: bool = True
    age_asked: bool = False
    rotate_gap: float = 60.0
    rotation: Literal["any", "pair", "withheld", "jar", "bound"] = "any"
    wall: int | None = 130_000
    file_wall: int | None = 160_000
    temporary_share: float = 1.0
    window: int | None = None
    spent_by: Literal["code", "downgrade"] = "code"
    guest: bool = False
    phantom: bool = False
    downgraded: bool = False
    flagged: bool = False
    nameless: bool = False
    unnamed: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    gems: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    models: tuple[Model, ...] = ()

    def __post_init__(self) -> None:
        self.models = self.models or PLANS[self.tier].models

    @property
    def expired(self) -> bool:
        """Whether no sign-in of the account counts any more."""
        return all(session.dead for session in self.sessions)

    @property
    def email(self) -> str:
        return f"{self.name}@gmail.example"

    @property
    def number(self) -> str:
        """The identity as Google counts it: 21 digits that never change."""
        return str(int(hashlib.sha256(self.name.encode()).hexdigest(), 16))[:21]

    @property
    def push_id(self) -> str:
        return "feeds/" + hashlib.sha256(b"push" + self.name.encode()).hexdigest()[:14]

    @property
    def plan(self) -> Plan:
        return PLANS[self.tier]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from. name: "" for a guest; session: the one whose cookies came, dead or alive; number: which of
    its accounts.

    alive: whether those cookies still count. trouble: a broken rule in the cookies themselves.
    blocked: its address is, and the answer has to say so. bare: it shows no cookies but the three of a session.
    """

    session: Session | None = None
    alive: bool = False
    trouble: str = ""
    blocked: bool = False
    number: int = 0
    bare: bool = False

    @property
    def account(self) -> Account | None:
        return self.session.person(self.number) if self.session else None

    @property
    def name(self) -> str:
        return self.account.name if self.account else ""


STRANGER = Caller()


class Accounts:
    """All accounts and the way from a cookie to its session; `clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._sessions: dict[str, Session] = {}
        self._owners: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def __getitem__(self, name: str) -> Account:
        try:
            return self._accounts[name]
        except KeyError:
            raise KeyError(f"there is no account {name!r}; there are {', '.join(self._accounts)}") from None

    def get(self, name: str) -> Account | None:
        """The account, None for a guest's name."""
        return self._accounts.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._accounts

    def add(self, account: Account) -> None:
        """A new account, signed in once."""
        if account.name in self._accounts:
            raise ValueError(f"there is an account {account.name!r} already")
        self._accounts[account.name] = account
        self.sign_in(account.name)

    def sign_in(self, name: str) -> Session:
        """A new session of the account, as a browser's sign-in makes it; older ones go on living."""
        account = self[name]
        session = Session(account, f"g.a000{secrets.token_urlsafe(48)}0076", _code(), [(_stamp(), self._clock())])
        account.sessions.append(session)
        self._sessions[session.psid] = session
        self._learn(session)
        return session

    def newest(self, name: str) -> Session:
        """The session whose cookies `cookies(name)` hands out: the last sign-in."""
        return self[name].sessions[-1]

    def rotate(self, session: Session) -> str:
        """Give the session a new `__Secure-1PSIDTS` and return it."""
        stamp = session.rotate(self._clock())
        self._learn(session)
        return stamp

    def expire(self, name: str) -> None:
        """Every session of the account is dead from now on; only a new sign-in helps."""
        for session in self[name].sessions:
            session.dead = True

    def revoke(self, name: str) -> None:
        """The password was changed: every session of the account is over, and the app asks for the new one."""
        for session in self[name].sessions:
            session.dead = session.revoked = True

    def supersede(self, name: str) -> None:
        """Another living client of the account has taken the session over: its values alone count from now on."""
        session = self.newest(name)
        session.stamps[:] = [(_stamp(), self._clock())]
        self._learn(session)

    def revive(self, name: str) -> None:
        """The same cookies count again, as if they were fresh."""
        for session in self[name].sessions:
            session.dead = False
            session.knocks = 0
            session.stamps[-1] = (session.stamps[-1][0], self._clock())

    def caller(self, cookies: list[tuple[str, str]], number: int = 0) -> Caller:
        """Who shows these cookies, and means the account of this number."""
        values: dict[str, str] = {}
        trouble = ""
        for name, value in cookies:
            if name in (PSID, PSIDTS, PSIDCC) and values.setdefault(name, value) != value:
                trouble = f"two different {name} cookies in one request"
        session = self._sessions.get(values.get(PSID, ""))
        if session is None:
            return Caller(trouble=trouble)
        for name in (PSIDTS, PSIDCC):
            owner = self._owners.get(values.get(name, ""))
            if owner is not None and owner.account is not session.account:
                trouble = f"cookies of two accounts mixed: {session.account.name} and {owner.account.name}"
        alive = not trouble and session.alive(values.get(PSIDTS, ""), self._clock())
        bare = {name for name, _ in cookies} <= {PSID, PSIDTS, PSIDCC}
        return Caller(session, alive, trouble, number=number, bare=bare)

    def _learn(self, session: Session) -> None:
        self._owners[session.stamps[-1][0]] = session
        self._owners[session.psidcc] = session
        while len(self._owners) > _MOST_OWNERS:
            del self._owners[next(iter(self._owners))]


def _stamp() -> str:
    return f"sidts-{secrets.token_urlsafe(52)}"


def _code() -> str:
    return f"AKEyXz{secrets.token_urlsafe(50)}"
