"""Everything the pretended service remembers, in one place: accounts, pages, chats, files, script and record."""

from __future__ import annotations

import random
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from gemgate_simulator.accounts import Account, Accounts, Caller, Session
from gemgate_simulator.addresses import Addresses
from gemgate_simulator.chats import Chat, Chats
from gemgate_simulator.drift import Drift
from gemgate_simulator.films import Films
from gemgate_simulator.frames import PLAIN, Style
from gemgate_simulator.gallery import Gallery
from gemgate_simulator.record import Record
from gemgate_simulator.research import Researches
from gemgate_simulator.script import Script
from gemgate_simulator.studio import Studio
from gemgate_simulator.switches import Switches
from gemgate_simulator.uploads import Uploads

BUILD = "boq_assistant-bard-web-server_20261118.04_p2"
"""The build label every page carries as `cfb2h` and every request repeats as `bl`."""

_MOST_PAGES = 20_000
_MOST_NUMBERS = 10_000
_SETTLED = 5.0


class Stoppable(Protocol):
    def stop(self) -> None: ...


@dataclass(slots=True, eq=False)
class Page:
    """One load of /app: what it told the client, and what the client must repeat.

    sid: `FdrFJe`, the query's `f.sid`. token: `SNlM0e`, the form's `at`; "" for a guest.
    """

    sid: str
    token: str
    session: Session | None
    language: str
    time: float = 0.0
    build: str = BUILD
    number: int = 0
    """Which of the session's accounts it is for."""
    client: str = ""
    """The client's own session uuid, learnt from its first request."""
    _base: int = -1
    _numbers: OrderedDict[int, None] = field(default_factory=OrderedDict)
    _young: deque[tuple[float, int]] = field(default_factory=deque)
    _settled: int = -1

    @property
    def account(self) -> Account | None:
        return self.session.person(self.number) if self.session else None

    def counted(self, reqid: int) -> str:
        """Take note of a `_reqid`; a sentence when it breaks the rule.

        Never twice, and never below one that is 5 seconds past. Requests that begin together may overtake each other,
        and do so even where a client takes its numbers in order: a transport may start them in another one.
        """
        now = time.monotonic()
        if self._base < 0:
            self._base = reqid
        trouble = ""
        if reqid in self._numbers:
            trouble = f"_reqid {reqid} was sent twice in one session"
        elif reqid < self._settle(now):
            trouble = f"_reqid {reqid} is lower than one that was sent before it"
        elif (reqid - self._base) % 100_000:
            trouble = f"_reqid {reqid} is not a multiple of 100000 away from its predecessors"
        self._numbers[reqid] = None
        self._young.append((now, reqid))
        if len(self._numbers) > _MOST_NUMBERS:
            self._numbers.popitem(last=False)
        return trouble

    def _settle(self, now: float) -> int:
        while self._young and now - self._young[0][0] >= _SETTLED:
            self._settled = max(self._settled, self._young.popleft()[1])
        return self._settled


class ServiceState:
    """The state behind every endpoint; `clock` gives epoch seconds, `seed` decides every freedom of the format
    (None: none is taken).
    """

    def __init__(self, clock: Callable[[], float], seed: int | None, script: Script) -> None:
        self._clock = clock
        self.ahead = 0.0
        """Seconds the service's clock has been moved ahead of `clock`."""
        self.seed = seed
        self.script = script
        self.record = Record()
        self.accounts = Accounts(self.clock)
        self.chats = Chats()
        self.uploads = Uploads()
        self.processed: set[str] = set()
        """Files that the page's ProcessFile was called for."""
        self.gallery = Gallery(self.clock)
        self.studio = Studio()
        self.films = Films()
        self.researches = Researches(self.clock)
        self.addresses = Addresses(self.clock)
        self.ways: OrderedDict[int, str] = OrderedDict()
        """Which way a connection came, by its number; the first door is "0"."""
        self.switches = Switches()
        self.drift: Drift | None = None
        """What has changed about the wire, for whoever watches it."""
        self.reads_temporary = False
        """Whether a temporary chat can be read by its id. Not known of the real service."""
        self.carries_on = False
        """Whether an answer is finished although its client has gone, as the real service does."""
        self.telling: dict[str, Stoppable] = {}
        """Answers under way, by the id of their turn."""
        self.patience = 20
        """Requests a dead session may make before it counts as hammering."""
        self.build = BUILD
        """The build label of pages loaded from now on; requests with an older one are 405 (docs/google-wire.md 4.2)."""
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self.windows: dict[str, str] = {}
        """Owner -> the one temporary chat that is open; a new one ends it (docs/google-wire.md 9.3)."""
        self._tokens: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self._served: dict[int, int] = {}

    def outdated(self, build: str) -> bool:
        """Whether a build label is well-formed and not the one that is served now (docs/google-wire.md 4.2)."""
        return build != self.build and build.startswith(BUILD.partition("_2026")[0])

    def clock(self) -> float:
        """Epoch seconds as the service counts them."""
        return self._clock() + self.ahead

    def came(self, connection: int, way: str) -> None:
        """A connection was opened through one of the doors."""
        self.ways[connection] = way
        if len(self.ways) > _MOST_PAGES:
            self.ways.popitem(last=False)

    def dice(self, *about: str) -> random.Random:
        """Dice that fall the same way for the same seed and subject, whatever else goes on."""
        subject = "\0".join(about)
        key = hash(subject)  # prompts are long, and there are many
        turn = self._served[key] = self._served.get(key, 0) + 1
        if len(self._served) > _MOST_PAGES:
            self._served.clear()
        return random.Random(f"{self.seed}\0{turn}\0{subject}")

    def style(self, dice: random.Random) -> Style:
        """The spelling of one answer."""
        style = PLAIN if self.seed is None else Style.drawn(dice)
        if self.drift:
            style = replace(style, cuts=0)
        return replace(style, positional=True) if self.switches.positional else style

    def stores(self, name: str, *, temporary: bool) -> bool:
        """Whether a chat of this account is kept: never a temporary one, nor a guest's."""
        account = self.accounts.get(name)
        return not temporary and account is not None and account.stores and not account.guest

    def goes_on(self, chat: Chat) -> bool:
        """Whether a chat that is known can be gone on with: it was kept, or is the temporary one that is open."""
        if chat.temporary:
            return self.windows.get(chat.owner) == chat.cid
        return self.stores(chat.owner, temporary=False)

    def open_page(self, session: Session | None, number: int = 0, language: str = "") -> Page:
        """A load of /app for a living session, or for a guest. language: what it was asked to speak."""
        token = f"AK{secrets.token_urlsafe(24)}:{int(self.clock() * 1000)}"
        account = session.person(number) if session is not None else None
        tells = account is not None and account.page == "token"
        page = Page(
            sid=str(secrets.randbits(63) - (1 << 62)),
            token=token if tells else "",
            build=self.build,
            session=session,
            number=number,
            language=language or (account.language if account else "en"),
            time=self.clock(),
        )
        self._pages[page.sid] = page
        if session is not None and tells:
            self._tokens[token] = session, self.clock()
            if len(self._tokens) > _MOST_PAGES:
                self._tokens.popitem(last=False)
        if len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)
        return page

    def issued(self, token: str, caller: Caller) -> float | None:
        """When a page gave this token to the caller's session, None if none did."""
        session, at = self._tokens.get(token, (None, 0.0))
        return at if session is not None and session is caller.session else None

    def page(self, sid: str) -> Page | None:
        return self._pages.get(sid)
