"""Accounts whose sessions die at random, on a virtual clock: the real registry, refreshers, pool, gateway and alerts.

Google, the database and the operator are pretended. Sessions die as docs/google-wire.md 5 tells: some by their age
(renewed or not), some of their binding, some without warning; an address is blocked now and then.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import orjson

from gemgate.accounts import Cookies, Rotated, SignInResult
from gemgate.alerts.channels import Channel
from gemgate.alerts.monitor import AlertMonitor
from gemgate.caller import Caller
from gemgate.chat import ChatRequest, Message, Text
from gemgate.errors import Blocked, GatewayError, SignedOut
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.image_delivery import ImagePipeline
from gemgate.outbound import GuardedFetcher
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.policy.session_forecast import LEAST_DEATHS
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import AccountRecord
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.registry import AccountRegistry
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup
from gemgate.ports.outbound import Posted
from gemgate.ports.upstream import Accept, Prompt, UpstreamEvent
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.testing import Facts, FakeClock, MemoryBlobs, MemoryConversations, MemoryGallery, ScriptedUpstream
from tests.simulation.account_rows import MemoryAccounts

HOUR, DAY = 3600.0, 86_400.0
CALLER = Caller(admin=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of account. usual: median life in seconds; spread: of its logarithm, 0 = without memory (exponential).

    reason: what the deaths are called. bound: the browser that its cookies name; renews: whether rotation works.
    """

    usual: float
    spread: float
    reason: str
    bound: str = ""
    renews: bool = True

    @property
    def foreseeable(self) -> bool:
        return self.spread > 0

    def draw(self, dice: random.Random) -> float:
        if not self.spread:
            return dice.expovariate(math.log(2) / self.usual)
        return self.usual * math.exp(dice.gauss(0, self.spread))


KINDS = {
    "daily": Kind(20 * HOUR, 0.2, "expired"),
    "frozen": Kind(9 * HOUR, 0.25, "expired", renews=False),
    "weekly": Kind(60 * HOUR, 0.15, "expired"),
    "bound": Kind(1.3 * HOUR, 0.25, "device_bound", bound="Chrome 148 (Windows)"),
    "revoked": Kind(9 * DAY, 0.0, "revoked"),
    "guest": Kind(7 * DAY, 0.0, "guest"),
}
MIX = ("daily",) * 7 + ("frozen",) * 4 + ("weekly",) * 3 + ("bound",) * 2 + ("revoked",) * 3 + ("guest",)


@dataclass(slots=True)
class Life:
    """One session as Google knows it. warned: a forecast alert was told of it."""

    kind: Kind
    account: str
    began: float
    ends: float
    warned: bool = False


class MortalGoogle:
    """All sessions, and when each dies."""

    def __init__(self, clock: FakeClock, dice: random.Random) -> None:
        self.clock, self.dice = clock, dice
        self.lives: dict[str, Life] = {}
        self.blocked_until: dict[str, float] = {}
        self.told: list[tuple[float, str]] = []
        self._number = itertools.count()

    def sign_in(self, account: str, kind: Kind) -> Cookies:
        psid, now = f"{account}-{next(self._number)}", self.clock.now()
        self.lives[psid] = Life(kind, account, now, now + kind.draw(self.dice))
        return Cookies(psid, "ts-0", bound=kind.bound)

    def alive(self, psid: str) -> bool:
        return self.clock.now() < self.lives[psid].ends


class MortalUpstream(ScriptedUpstream):
    """One account's way to it."""

    def __init__(self, google: MortalGoogle, address: str) -> None:
        super().__init__()
        self._google, self._address = google, address
        self._cookies: Cookies | None = None

    def _look(self, cookies: Cookies | None) -> None:
        google = self._google
        if google.clock.now() < google.blocked_until.get(self._address, 0.0):
            raise Blocked("blocked here", "封锁", code="ip_blocked").with_(reason="captcha")
        assert cookies is not None
        if not google.alive(cookies.psid):
            life = google.lives[cookies.psid]
            google.told.append((google.clock.now(), life.account))
            reason = life.kind.reason if life.kind.reason in ("revoked", "guest") else ""
            raise SignedOut("not signed in", "未登录", code="cookie_expired").with_(reason=reason)

    async def open(
        self, cookies: Cookies | None, *, accept: Accept | None = None, had_chats: bool = False
    ) -> SignInResult:
        self._look(cookies)
        self._cookies = cookies
        return await super().open(cookies, accept=accept, had_chats=had_chats)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[UpstreamEvent, None]:
        self._look(self._cookies)
        async with aclosing(super().stream(prompt)) as events:
            async for event in events:
                yield event

    async def rotate(self) -> Rotated:
        self._look(self._cookies)
        assert self._cookies is not None
        life = self._google.lives[self._cookies.psid]
        if life.kind.bound:
            return Rotated("refused", self._cookies)
        if not life.kind.renews:
            return Rotated("withheld", self._cookies)
        self._cookies = Cookies(self._cookies.psid, f"ts-{self._google.clock.now()}", bound=life.kind.bound)
        return Rotated("renewed", self._cookies)

    async def ping(self) -> SignInResult:
        self._look(self._cookies)
        return SignInResult(self.offers)


@dataclass(slots=True)
class Report:
    """What a run came to. calls: answered and failed; hopeless: failed while nobody lived.

    deaths: of foreseeable sessions, from an account's fourth on; warned: those that an alert came before.
    medians: the length of life that forecasts early in a life came to, by account.
    wrong_words: state words that were not true right after Google had said what is true.
    """

    calls: int = 0
    failed: int = 0
    hopeless: int = 0
    all_deaths: int = 0
    deaths: int = 0
    warned: int = 0
    wrong_words: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    medians: dict[str, list[float]] = field(default_factory=dict)


class World:
    """`hands_over`: the operator answers a dead session's alert after so many seconds at most."""

    def __init__(self, seed: int, *, tick: float = 60.0, hands_over: float = 1200.0) -> None:
        self.clock, self.dice = FakeClock(), random.Random(seed)
        self.google, self.facts = MortalGoogle(self.clock, self.dice), Facts()
        self.tick, self.hands_over = tick, hands_over
        self.pool = AccountPool(clock=self.clock, random=self.dice.random, patience=60)
        self.store, self.report = MemoryAccounts(self.clock.now), Report()
        self.refreshers: dict[str, SessionRefresher] = {}
        self.kinds: dict[str, Kind] = {}
        self.due: list[tuple[float, str]] = []
        self.buried: Counter[str] = Counter()
        self.registry = AccountRegistry(
            self.pool,
            self.store,
            self._build,
            owner="n",
            clock=self.clock,
            observer=self.facts,
            rotate_every=600.0,
        )
        self.registry.on_added = self._added
        self.alerts = AlertMonitor(
            self.pool, self.registry, (Channel("webhook", "https://hook"),), sender=self, node="n", clock=self.clock,
            observer=self.facts,
        )  # fmt: skip
        attachments = Attachments(GuardedFetcher(), None, max_bytes=10**6, max_pixels=10**7)
        limiter = MovingWindowLimiter(per_hour=0, model_interval=0, clock=self.clock)
        images = ImagePipeline(MemoryBlobs(), MemoryGallery(), clock=self.clock, observer=self.facts)
        conversations = Conversations(MemoryConversations(), clock=self.clock, lease_seconds=300)
        self.gateway = Gateway(
            self.pool, limiter, attachments, images, conversations, clock=self.clock, observer=self.facts
        )

    async def _build(self, setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        return Account(
            setup.name,
            MortalUpstream(self.google, address.name),
            None,
            lanes=2,
            pacer=Pacer(0),
            rules=Rules(),
            address=address,
            clock=self.clock,
            random=self.dice.random,
            observer=self.facts,
            superseded_within=0.0,
            keep=keep,
        )

    def _added(self, account: Account) -> None:
        self.refreshers[account.name] = SessionRefresher(
            account, rotate_every=600.0, clock=self.clock, random=self.dice.random, observer=self.facts
        )

    # The operator, who is told by alerts alone

    def check(self, url: str) -> None:
        return None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, read: int = 0) -> Posted:
        told = orjson.loads(body)
        account = told["account"]
        if told["event"] == "account.dies_soon":
            self._life(account).warned = True
        elif told["event"] == "account.needs_login":
            self.due.append((self.clock.now() + self.dice.uniform(60, self.hands_over), account))
        return Posted(200)

    def _life(self, account: str) -> Life:
        cookies = self.registry.account(account).cookies
        assert cookies is not None
        return self.google.lives[cookies.psid]

    async def _hand_over(self) -> None:
        now = self.clock.now()
        for at, name in [one for one in self.due if one[0] <= now]:
            self.due.remove((at, name))
            if not self.registry.account(name).is_open:
                self._bury(name)
                try:
                    cookies = self.google.sign_in(name, self.kinds[name])
                    await self.registry.replace_cookies(name, cookies, CALLER)
                except GatewayError:
                    self.due.append((now + 600, name))

    def _bury(self, name: str) -> None:
        life, report = self._life(name), self.report
        if self.google.alive(self.registry.account(name).cookies.psid):  # type: ignore[union-attr]
            return
        report.all_deaths += 1
        report.reasons[self.registry.account(name).status().reason] += 1
        if life.kind.foreseeable and self.buried[name] >= LEAST_DEATHS:
            report.deaths += 1
            report.warned += life.warned
        self.buried[name] += 1

    # Time

    async def run(self, days: float, *, names: tuple[str, ...] = MIX) -> Report:
        await self.registry.start(())
        for number, kind in enumerate(names):
            name = f"{kind}{number}"
            self.kinds[name] = KINDS[kind]
            proxy = f"http://way{number % 5}.example:1 http://way{number % 5}b.example:1"
            await self.registry.add(AccountSetup(name, proxy=proxy), CALLER)
            await self.registry.replace_cookies(name, self.google.sign_in(name, KINDS[kind]), CALLER)
        until = self.clock.now() + days * DAY
        step = 0
        while self.clock.now() < until:
            await self.clock.advance(self.tick)
            step += 1
            self.google.told.clear()
            if self.dice.random() < self.tick / DAY:
                way = f"http://way{self.dice.randrange(5)}.example:1"
                self.google.blocked_until[way] = self.clock.now() + 110 * 60
            for name in list(self.refreshers):
                await self.refreshers[name].step()
            await self._call()
            self._check_words()
            await self.alerts.step()
            await self._hand_over()
            await self.registry.renew()
            if step % 30 == 0:
                self._note_forecasts()
            self.facts.facts.clear()
        return self.report

    async def _call(self) -> None:
        report = self.report
        request = ChatRequest((Message("user", (Text("hi"),)),), None, stream=True)
        report.calls += 1
        answering = asyncio.ensure_future(self._ask(request))
        while not answering.done():
            await self.clock.advance(0.25)
        if (error := answering.result()) is not None:
            living = [one for one in self.pool.accounts if one.cookies and self.google.alive(one.cookies.psid)]
            report.failed += bool(living)
            report.hopeless += not living
            if living:
                report.wrong_words.append(f"a call failed: {error}")

    async def _ask(self, request: ChatRequest) -> GatewayError | None:
        try:
            admission = await self.gateway.admit(None, CALLER)
            async with aclosing(self.gateway.chat(request, admission)) as events:
                async for _ in events:
                    pass
        except GatewayError as error:
            return error
        return None

    def _check_words(self) -> None:
        """What Google has said since the last tick is what the state words say, within the second."""
        for _, name in self.google.told:
            state = self.registry.account(name).status().state
            if state not in ("needs_login", "blocked"):
                self.report.wrong_words.append(f"{name} is {state}, and Google said it is dead")
        for account in self.pool.accounts:
            status = account.status()
            if status.state == "needs_login" and account.cookies and self.google.alive(account.cookies.psid):
                self.report.wrong_words.append(f"{account.name} needs a login, and lives")

    def _note_forecasts(self) -> None:
        for account in self.pool.accounts:
            if not account.is_open or (found := self.registry.forecast(account)) is None or not found.deaths:
                continue
            life = self._life(account.name)
            if self.clock.now() - life.began < life.kind.usual / 4:
                self.report.medians.setdefault(account.name, []).append(self.clock.now() + found.seconds - life.began)
