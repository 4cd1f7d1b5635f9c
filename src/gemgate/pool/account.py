"""One account at run time: its session, its status, and the single place where it signs in again.

`status` is the only source of an account's state word: routing, /health, /ready, the page and every error text
ask it, so they cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, cast

from gemgate.accounts import (
    AccountModel,
    Capability,
    Cookies,
    GoogleAccount,
    Known,
    MeasuredWalls,
    Renewal,
    SignInResult,
    State,
    Walls,
    number_of,
    person,
)
from gemgate.catalog import ModelCard
from gemgate.errors import (
    NO_TEXT,
    AccountError,
    Blocked,
    GatewayError,
    LocalText,
    NotThisAccount,
    Rejected,
    SignedOut,
    Spent,
)
from gemgate.policy import session_end, whose
from gemgate.policy.circuit_breaker import Circuit, Outcome, Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.circuits import AccountCircuits
from gemgate.pool.record import AccountRecord, InMemoryRecord, from_stored
from gemgate.pool.status import (
    NOT_TAKEN,
    READY,
    AccountStatus,
    Egress,
    PairedBrowser,
    blocked_way,
    in_reserve,
    no_cookies_error,
    not_taken,
    outcome_of,
    reason_of,
    resting,
)
from gemgate.pool.uploads import UploadedFiles
from gemgate.pool.usage import AccountUsage
from gemgate.ports.accounts import StoredAccount
from gemgate.ports.cookies import CookieSource
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent
from gemgate.ports.upstream import SentFile, Upload, Upstream

_ANYTHING = Walls()
CHATS_KNOWN_SECONDS = 86_400.0
"""How long an account that had chats is expected to show some. Not for ever: people delete theirs."""
CHATS_NOTED_SECONDS = 3_600.0
"""How much older what is stored may be."""


class Account:
    """`lanes`: calls at once. `weight`: its share beside other accounts, 0 = none.

    fallback: takes a call only while no other account can.
    walls: how much of a prompt it is known, or assumed, to read. measured: what they come from, if they were measured;
    stated: what the operator says of this account, which counts before both.
    number, language, rotate: as of its set-up (`ports.accounts.AccountSetup`).
    """

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        source: CookieSource | None,
        *,
        lanes: int,
        pacer: Pacer,
        rules: Rules,
        address: Egress,
        clock: Clock,
        random: Random,
        observer: Observer,
        weight: float = 1.0,
        fallback: bool = False,
        walls: Walls = _ANYTHING,
        stated: tuple[int | None, int | None] = (None, None),
        number: int = 0,
        language: str = "",
        rotate: bool = True,
        superseded_within: float = 0.0,
        keep: AccountRecord | None = None,
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.source = source
        self.lanes = lanes
        self.weight = weight
        self.fallback = fallback
        self.number = number
        self.language = language
        self.rotate = rotate
        self.pacer = pacer
        self.egress = address
        self.busy = 0
        self.last_used = 0.0
        self.paused = False
        self.handed = False
        """Cookies are being handed over: they are tried first, and until then it starts."""
        self.models: tuple[AccountModel, ...] = ()
        self.cookies: Cookies | None = None
        self.not_taken: AccountError | None = None
        """Why it has none, where some were handed over and refused."""
        self.breakers = AccountCircuits(name, address, rules=rules, clock=clock, random=random, observer=observer)
        self._uploads = UploadedFiles(upstream, clock)
        self.assumed = walls
        self._stated = stated
        self._superseded_within = superseded_within
        self.measured: MeasuredWalls | None = None
        self.known = Known()
        self.usage = AccountUsage(name)
        self.signed_in_at = self.renewed_at = 0.0
        self.browser = PairedBrowser()
        self._verified_epoch = -1
        self.renewal: Renewal | None = None  # what came of the last rotation of this session
        self.last_error: GatewayError | None = None
        self.session_epoch = 0
        self.record: AccountRecord = keep or InMemoryRecord()
        self.record.attach(self)
        self.changed: Callable[[], None] = lambda: None
        self._state: State = "starting"
        self._offers: dict[ModelCard, AccountModel | None] = {}
        self._offers_of: tuple[AccountModel, ...] = ()
        self._identity: tuple[Cookies | None, str] = None, ""
        self._clock = clock
        self._observer = observer
        self._signing_in = asyncio.Lock()

    def restore(self, stored: StoredAccount) -> None:
        """Go on as it is stored."""
        self.paused = stored.paused
        self.measured = stored.walls
        self.known = stored.known
        self.cookies = stored.cookies
        self.breakers.by_capability |= {
            capability: from_stored(circuit) for capability, circuit in stored.circuits.items()
        }
        if stored.cookies is None and stored.error_en.startswith(NOT_TAKEN):
            kind, code = (Rejected, "account_rejected") if stored.state == "error" else (SignedOut, "cookie_expired")
            self.not_taken = kind(stored.error_en, stored.error_zh, code=code)
        if stored.trouble is not None:
            self.signed_out(stored.trouble, self.session_epoch)

    def learn_walls(self, walls: MeasuredWalls) -> None:
        """How much of a prompt it reads was measured."""
        self.measured = walls

    async def upload(self, upload: Upload) -> SentFile:
        """A file at Google, for this account."""
        return await self._uploads.upload(upload)

    def forget_uploads(self) -> None:
        """Google does not know the files any more."""
        self._uploads.forget()

    def needs_verifying(self, epoch: int) -> bool:
        """Whether this session is to be looked at because Google kept no chat of it: once tells enough."""
        due, self._verified_epoch = self._verified_epoch != epoch, epoch
        return due

    def offer(self, card: ModelCard) -> AccountModel | None:
        """Its own model behind a card, None when it lacks it; looked up once for each list of its models."""
        if self._offers_of is not self.models:
            self._offers, self._offers_of = {}, self.models
        try:
            return self._offers[card]
        except KeyError:
            return self._offers.setdefault(card, card.offer(self.models))

    def status(self, *needs: Capability) -> AccountStatus:
        """The account's state word and what follows from it: as a whole, or for a call that needs these."""
        if self.paused:
            return AccountStatus("paused", False, LocalText("paused by hand", "已手动暂停"))
        now = self._clock.now()
        if self._state == "starting":
            return self._blocked(now) or AccountStatus(
                "starting", bool(self.weight), LocalText("signing in", "正在登录")
            )
        if not self.is_open:
            error = self.last_error
            why = LocalText(error.plain("en"), error.plain("zh")) if error else LocalText("not signed in", "未登录")
            code, reason = (error.code or "") if error else "", session_end.of(error) or ""
            return AccountStatus(self._state, False, why, code=code, reason=reason)
        if not self.weight:
            return AccountStatus("paused", False, LocalText("its weight is 0", "权重为 0"))
        if (blocked := self._blocked(now)) is not None:
            return blocked
        if (shut := self.breakers.keeping_out(needs, now)) is not None:
            return resting(shut, now)
        if self.busy >= self.lanes:
            return AccountStatus(
                "busy", True, LocalText(f"all {self.lanes} lanes taken", f"{self.lanes} 个通道均被占用")
            )
        return READY

    def _blocked(self, now: float) -> AccountStatus | None:
        """How an account stands whose way out rests; None while calls may go that way."""
        way = self.egress.circuit
        return None if way.admits(now) else blocked_way(way, now)

    @property
    def circuits(self) -> dict[Capability, Circuit]:
        """Its circuit breakers."""
        return self.breakers.by_capability

    def cooldowns(self) -> dict[Capability, Circuit]:
        """Capabilities that are not closed."""
        return self.breakers.not_closed()

    def call_started(self, *needs: Capability) -> None:
        """A call that needs these capabilities begins."""
        now = self._clock.now()
        self.busy += 1
        self.last_used = now
        self.breakers.started(needs, now)

    def call_ended(self, needs: Sequence[Capability], error: BaseException | None) -> float | None:
        """A call is over: free the lane and move the circuits. An error is held against the capability it names.

        How many seconds the call may be tried again after, where the error opened a circuit and does not say it.
        """
        self.busy -= 1
        outcome = outcome_of(error)
        blamed = getattr(error, "capability", "") or needs[0]
        resets_at = error.resets_at if isinstance(error, Spent) else None
        if isinstance(error, Spent):
            self.usage.refused()
        moved = self.breakers.ended(needs, blamed, outcome, reason_of(error), resets_at)
        if outcome == "ok":
            self.pacer.succeeded()
            self.usage.answered(needs[0])
        elif outcome == "limited":
            self.pacer.limited()
        if isinstance(error, GatewayError) and outcome not in ("ok", "cancelled"):
            self.last_error = error.with_()
        wait: float | None = None
        if isinstance(error, Spent | Blocked) and error.retry_after is None:
            circuit = self.egress.circuit if isinstance(error, Blocked) else self.circuits[cast("Capability", blamed)]
            wait = max(1.0, circuit.until - self._clock.now()) if circuit.until else None
        if isinstance(error, Rejected):
            self._fail("error", error)
        elif moved:
            self.record.save_soon()
        self.changed()
        return wait

    async def sign_in(
        self,
        *,
        seen: int | None = None,
        cookies: Cookies | None = None,
        from_source: bool = False,
        unseen: bool = False,
    ) -> None:
        """Sign in, once for everybody who asks at the same time.

        seen:    the generation whose session failed; when another caller has replaced it since, nothing is done.
        cookies: new ones to try, and only them; the old session stays until they are proven.
        from_source: whether those were read from the account's source. unseen: whether nobody looked whose they are.
        """
        async with self._signing_in:
            if seen is not None and seen != self.session_epoch:
                if not self.is_open and self.last_error is not None:
                    raise self.last_error.with_()
                return
            try:
                with self.going_out():
                    fresh = cookies if from_source else None
                    if cookies is None and self.source is not None:
                        fresh = await self.source.read()
                    await self._try([cookies] if cookies else self.record.candidates(fresh), fresh, unseen=unseen)
            except Blocked as error:
                self.last_error = error.with_()  # of the address: the account stays what it is
                self.changed()
                raise
            except GatewayError as error:
                if cookies is not None:
                    if self.cookies is None and isinstance(error, AccountError):
                        self.not_taken = not_taken(error, self._clock.now())
                        self.session_epoch += 1
                        self._fail(_ended(error), self.not_taken)
                    raise
                explained = self._explained(error)
                self.session_epoch += 1
                self._fail(_ended(explained), explained)
                raise explained from None

    @contextmanager
    def going_out(self) -> Iterator[None]:
        """A sign-in, or a call beside prompts. Blocked while the address rests; the first one then is its probe."""
        now = self._clock.now()
        if (blocked := self._blocked(now)) is not None:
            left = max(1.0, blocked.until - now)
            raise Blocked(blocked.why.en, blocked.why.zh, retry_after=left, code="ip_blocked")
        before = self.egress.circuit
        self.breakers.way_started(now)
        outcome: Outcome = "cancelled"
        reason = ""
        try:
            yield
            outcome = "ok"
        except AccountError:
            outcome = "ok"  # Google has looked at the cookies, so it lets the address through
            raise
        except Blocked as error:
            outcome, reason = "blocked", reason_of(error)
            raise
        finally:
            if self.breakers.way_ended(before, outcome, reason):
                self.record.save_soon()
                self.changed()

    async def _try(self, candidates: Sequence[Cookies], fresh: Cookies | None, *, unseen: bool) -> None:
        """Sign in with the first of these that Google takes; the last refusal when it takes none."""
        refused: SignedOut | None = None
        foreign: SignedOut | None = None
        tries: list[Cookies | None] = [*candidates] or [None]
        for tried in tries:
            try:
                opened = await self._open(tried, watched=unseen or tried == fresh)
            except SignedOut as error:
                refused = error
                foreign = error if isinstance(error, NotThisAccount) else foreign
                if tried is not None and tried == fresh:
                    self._observer.emit(
                        TelemetryEvent("cookies.not_taken", data={"account": self.name, "why": error.en})
                    )
                continue
            self.session_epoch += 1
            if tried is None or self.cookies is None or tried.identity != self.cookies.identity:
                self._uploads.forget()  # another session may be another person: what was uploaded stays with the first
                self.renewal = None
            self.cookies, self.not_taken = tried, None
            self.models = opened.models
            self.signed_in_at = self.renewed_at = self._clock.now()
            # What the source holds is another's: the account goes on, and says so.
            self.last_error = foreign and foreign.with_()
            self._set_state("ready")
            self.changed()  # who waits for a lane does not wait for our database
            if tried is not None:
                await self.record.cookies_accepted(tried, fresh if tried == fresh else None)
            self.record.save_soon()
            return
        assert refused is not None
        if not candidates and self.not_taken is not None:
            raise self.not_taken.with_()
        missing = self.source.missing if self.source is not None and not candidates else NO_TEXT
        raise no_cookies_error(missing) if missing.en else refused.with_()

    async def _open(self, cookies: Cookies | None, *, watched: bool) -> SignInResult:
        """Open a session. Google is asked whose it is when that is not known of it (docs/google-wire.md 5.6)."""
        seat = person(cookies, self.number) if cookies else ""
        known = self._known_here()
        had_chats = self._clock.now() - known.chats_at < CHATS_KNOWN_SECONDS

        def accept(google: GoogleAccount) -> None:
            assert cookies is not None
            before = self.cookies
            if error := whose.foreign(self.name, known.google, google, before=before, given=cookies, watched=watched):
                raise error
            if google.id and (holder := self.record.holder(google)):
                raise whose.taken(holder, google)
            same = not known.seat or bool(google.id and known.google.id)
            self.known = Known(google if google.id else known.google, seat, known.chats_at if same else 0.0)

        asks = cookies is not None and (seat != known.seat or not known.google.id)
        opened = await self.upstream.open(cookies, accept=accept if asks else None, had_chats=had_chats)
        if opened.has_chats:
            self.saw_chats()
        return opened

    def _known_here(self) -> Known:
        """What is known of the account at its number; another number of the same cookies is another account."""
        return self.known if number_of(self.known.seat) == self.number else Known()

    @property
    def google(self) -> GoogleAccount:
        """Whose it is, as far as Google said."""
        return self._known_here().google

    def saw_chats(self) -> None:
        """Chats of the account are there: a session that shows none of them is not to be believed. It is written down
        with the next renewal of the session, or whatever else is.
        """
        now = self._clock.now()
        if self.upstream.kind == "web" and now - self.known.chats_at > CHATS_NOTED_SECONDS:
            self.known = replace(self.known, chats_at=now)

    def kept_back(self, needs: Sequence[Capability], reserve: float) -> AccountStatus | None:
        """How it stands for a batch that would take of the reserve; None while there is more than that left."""
        now = self._clock.now()
        held = self.usage.held(needs, self.busy, reserve, now)
        return None if held is None else in_reserve(held.window.name, held.left, held.window.resets_at or 0.0)

    def left_for(self, needs: Sequence[Capability]) -> float | None:
        """The share that is left of what binds such calls, None where nothing is known. Nothing is refused for it:
        others are asked first.
        """
        return standing.left if (standing := self.usage.binding(needs, self._clock.now())) else None

    def refused(self, error: SignedOut) -> None:
        """What the source holds is not taken; the account goes on with what it has, and says so."""
        self.last_error = error.with_()
        self.record.save_soon()
        self.changed()

    @property
    def walls(self) -> Walls:
        """What of a prompt is read: as the operator says of this account, else as measured on it, else as assumed."""
        known = self.measured or self.assumed
        plain, both = self._stated
        return Walls(
            known.plain if plain is None else plain,
            known.with_files if both is None else both,
            self.assumed.temporary_share,
        )

    @property
    def walls_known_by(self) -> Literal["set", "measured", "assumed"]:
        """Where the size of a plain prompt comes from."""
        if self._stated[0] is not None:
            return "set"
        return "measured" if self.measured else "assumed"

    def lower_prompt_limit(self, capability: Capability, why: str, resets_at: float | None) -> None:
        """Google serves less than this capability promises: it rests until the reset, nothing else does."""
        self.breakers.lower(capability, why, resets_at)
        self.record.save_soon()
        self.changed()

    async def take_rotated(self, cookies: Cookies, held: Cookies | None, epoch: int) -> None:
        """The cookies `held` were renewed: keep the new ones at once. epoch: the generation that they were renewed in.

        Who signed in meanwhile did so with those before, and does it again; if others were handed over, they count.
        """
        async with self._signing_in:
            if self.cookies != held:
                return
            self.cookies, anew = cookies, epoch != self.session_epoch
            self.renewed_at = self._clock.now()
        await self.record.cookies_accepted(cookies, None)
        if anew:
            await self.sign_in(cookies=cookies)
        await self.record.cookies_renewed(cookies)

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.record.save_soon()
        self.changed()

    def reset(self, capability: Capability | None = None) -> None:
        """Close circuits by hand: one capability, or all and the address."""
        self.breakers.reset(capability)
        self.record.save_soon()
        self.changed()

    def signed_out(self, error: GatewayError, epoch: int) -> bool:
        """A check found the session of this generation dead; False if another one has signed in since."""
        if counts := epoch == self.session_epoch:
            self.session_epoch += 1
            self._fail("needs_login", self._explained(error))
        return counts

    def unwell(self, error: GatewayError, epoch: int) -> None:
        """The same of a session that is not dead, and cannot be used for now."""
        if epoch == self.session_epoch:
            self.session_epoch += 1
            self._fail("error", error)

    def _explained(self, error: GatewayError) -> GatewayError:
        """A session's death with its likely reason, once."""
        age = self._clock.now() - self.renewed_at if self.renewed_at else -1.0
        past = session_end.Past(age, self.cookies.bound if self.cookies else "", self.renewal, self.last_error)
        explained = session_end.explained(error, past, self._superseded_within)
        if explained is not error:
            self.renewed_at = 0.0
        return explained

    @property
    def identity(self) -> str:
        """Tells Google sessions apart: what one identity began, another cannot continue."""
        if self._identity[0] is not self.cookies:
            self._identity = self.cookies, person(self.cookies, self.number) if self.cookies else ""
        return self._identity[1]

    @property
    def is_open(self) -> bool:
        return self._state not in ("starting", "needs_login", "error")

    @property
    def stored_state(self) -> State:
        """The word a store keeps: without what is only of the moment."""
        return "paused" if self.paused else self._state

    def _fail(self, state: State, error: GatewayError) -> None:
        self.last_error = error.with_()
        self._set_state(state)
        self.record.save_soon()
        self.changed()

    def _set_state(self, state: State) -> None:
        if state != self._state:
            before, self._state = self._state, state
            why = self.last_error.plain() if self.last_error else ""
            reason = session_end.of(self.last_error) or "" if state in ("needs_login", "error") else ""
            data: dict[str, str | int | float | bool | None] = {"account": self.name, "state": state, "before": before}
            data |= {"why": why, "reason": reason}
            self._observer.emit(TelemetryEvent("account.state", data=data))


def _ended(error: GatewayError) -> State:
    """The word of an account that such an error keeps from signing in."""
    return "needs_login" if isinstance(error, SignedOut) else "error"
