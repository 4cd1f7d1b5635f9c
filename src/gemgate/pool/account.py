"""One account at run time: its session, its status, and the single place where it signs in again.

`status` is the only source of an account's state word: routing, /health, /ready, the page and every error text
ask it, so they cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Literal, cast

from gemgate.accounts import (
    ACTION,
    CAPABILITIES,
    AccountModel,
    Capability,
    Cookies,
    GoogleAccount,
    Known,
    MeasuredWalls,
    Renewal,
    SignInResult,
    State,
    UsageWindow,
    Walls,
    number_of,
    person,
)
from gemgate.errors import (
    AccountError,
    Blocked,
    GatewayError,
    NotThisAccount,
    Rejected,
    SignedOut,
    Spent,
)
from gemgate.policy import superseded_session, whose
from gemgate.policy.circuit_breaker import Circuit, Outcome, Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.record import AccountRecord, InMemoryRecord
from gemgate.pool.status import AccountStatus, Egress, outcome_of
from gemgate.ports.cookies import CookieSource
from gemgate.ports.runtime import Clock, Observer, Random, TelemetryEvent
from gemgate.ports.upstream import Upstream

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
    number, language: which of the accounts of its cookies, and what it speaks (docs/google-wire.md 5.6).
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
        self.pacer = pacer
        self.egress = address
        self.busy = 0
        self.last_used = 0.0
        self.paused = False
        self.models: tuple[AccountModel, ...] = ()
        self.tier = ""
        self.cookies: Cookies | None = None
        self.circuits: dict[Capability, Circuit] = {capability: Circuit() for capability in CAPABILITIES}
        self.handles: dict[str, tuple[str, float]] = {}
        self.assumed = walls
        self._stated = stated
        self._superseded_within = superseded_within
        self.measured: MeasuredWalls | None = None
        self.known = Known()
        self.usage: tuple[UsageWindow, ...] = ()
        self.usage_at = 0.0
        self.signed_in_at = 0.0
        self.renewed_at = 0.0
        self.unkept = -1
        """The generation whose session was looked at because Google kept no chat of it."""
        self.renewal: Renewal | None = None
        """What came of the last rotation."""
        self._last_error: GatewayError | None = None
        self.session_epoch = 0
        self.record: AccountRecord = keep or InMemoryRecord()
        self.changed: Callable[[], None] = lambda: None
        self._state: State = "starting"
        self._rules = rules
        self._clock = clock
        self._random = random
        self._observer = observer
        self._signing_in = asyncio.Lock()

    @property
    def last_error(self) -> GatewayError | None:
        """A copy, which holds nothing of the call that met it."""
        return self._last_error

    @last_error.setter
    def last_error(self, error: GatewayError | None) -> None:
        self._last_error = copy(error)

    def status(self, *needs: Capability) -> AccountStatus:
        """The account's state word and what follows from it: as a whole, or for a call that needs these."""
        if self.paused:
            return AccountStatus("paused", False, "paused by hand", "已手动暂停")
        if not self.weight:
            return AccountStatus("paused", False, "its weight is 0", "权重为 0")
        if self._state == "starting":
            return self._blocked() or AccountStatus("starting", True, "signing in", "正在登录")
        if not self.is_open:
            error = self.last_error
            en, zh = (error.plain("en"), error.plain("zh")) if error else ("not signed in", "未登录")
            return AccountStatus(self._state, False, en, zh, code=(error.code or "") if error else "")
        now = self._clock.now()
        if (blocked := self._blocked()) is not None:
            return blocked
        if (shut := self._open_circuit(needs, now)) is not None:
            quota = shut.reason.startswith((_LIMIT, _LOWERED))
            zh = "已达到使用上限" if quota else "连续失败，暂停使用"
            if shut.reason.startswith(_LOWERED):
                zh = "Google 改用较低的模型作答，暂停使用"
            return AccountStatus("cooling", False, shut.reason, zh, max(shut.until, now), quota)
        if self.busy >= self.lanes:
            return AccountStatus("busy", True, f"all {self.lanes} lanes taken", f"{self.lanes} 个通道均被占用")
        return AccountStatus("ready", True)

    def _blocked(self) -> AccountStatus | None:
        """How an account stands whose way out rests; None while calls may go that way."""
        now, way = self._clock.now(), self.egress.circuit
        if way.admits(now):
            return None
        why = f"address blocked: {way.reason}"
        return AccountStatus(
            "blocked", False, why, "本机地址被 Google 暂时封锁", max(way.until, now), code="ip_blocked"
        )

    def _open_circuit(self, needs: Sequence[Capability], now: float) -> Circuit | None:
        """The circuit that keeps a call out: the last to thaw of its needs; without needs, if nothing is left to do."""
        circuits = [self.circuits[c] for c in needs or MAKING]
        shut = [circuit for circuit in circuits if not circuit.admits(now)]
        if not shut or (not needs and len(shut) < len(circuits)):
            return None
        return (max if needs else min)(shut, key=lambda circuit: circuit.until)

    def cooldowns(self) -> dict[Capability, Circuit]:
        """Capabilities that are not closed."""
        now = self._clock.now()
        return {c: circuit for c, circuit in self.circuits.items() if circuit.phase(now) != "closed"}

    def call_started(self, *needs: Capability) -> None:
        """A call that needs these capabilities begins."""
        now = self._clock.now()
        self.busy += 1
        self.last_used = now
        for need in needs:
            self.circuits[need] = self.circuits[need].entered(now)
        self.egress.circuit = self.egress.circuit.entered(now)

    def call_ended(self, needs: Sequence[Capability], error: BaseException | None) -> None:
        """A call is over: free the lane and move the circuits. An error is held against the capability it names."""
        self.busy -= 1
        outcome = outcome_of(error)
        before = (dict(self.circuits), self.egress.circuit)
        blamed = getattr(error, "capability", "") or needs[0]
        reason = _reason(error)
        resets_at = error.resets_at if isinstance(error, Spent) else None
        for need in needs:
            own: Outcome = outcome if outcome == "ok" or need == blamed else "cancelled"
            if outcome == "blocked":
                own = "cancelled"
            self.circuits[need] = self._moved(self.circuits[need], own, reason, resets_at)
        way: Outcome = outcome if outcome in ("ok", "blocked") else "cancelled"
        self.egress.circuit = self._moved(self.egress.circuit, way, reason, None)
        if outcome == "ok":
            self.pacer.succeeded()
        elif outcome == "limited":
            self.pacer.limited()
        self._note_circuits(*before)
        if isinstance(error, Spent | Blocked) and error.retry_after is None:
            circuit = self.egress.circuit if isinstance(error, Blocked) else self.circuits[cast("Capability", blamed)]
            error.retry_after = max(1.0, circuit.until - self._clock.now()) if circuit.until else None
        if isinstance(error, GatewayError) and outcome not in ("ok", "cancelled"):
            self.last_error = error
        if isinstance(error, Rejected):
            self._fail("error", error)
        elif before != (self.circuits, self.egress.circuit):
            self.record.save_soon(self)
        self.changed()

    def _moved(self, circuit: Circuit, outcome: Outcome, reason: str, resets_at: float | None) -> Circuit:
        return circuit.settled(
            outcome,
            now=self._clock.now(),
            random=self._random(),
            rules=self._rules,
            reason=reason,
            resets_at=resets_at,
        )

    def _note_circuits(self, circuits: Mapping[Capability, Circuit], way: Circuit) -> None:
        """Facts of the circuits that opened or closed since they were like this."""
        for capability, before in circuits.items():
            if (now := self.circuits[capability]).until != before.until:
                self._observer.emit(
                    TelemetryEvent(
                        "account.circuit", data={"account": self.name, "capability": capability, **circuit_data(now)}
                    )
                )
        if (now := self.egress.circuit).until != way.until:
            self._observer.emit(
                TelemetryEvent("address.circuit", data={"address": self.egress.name, **circuit_data(now)})
            )

    async def sign_in(
        self, *, seen: int | None = None, cookies: Cookies | None = None, from_source: bool = False
    ) -> None:
        """Sign in, once for everybody who asks at the same time.

        seen:    the generation whose session failed; when another caller has replaced it since, nothing is done.
        cookies: new ones to try, and only them; the old session stays until they are proven.
        from_source: whether those were read from the account's source.
        """
        async with self._signing_in:
            if seen is not None and seen != self.session_epoch:
                if not self.is_open and self.last_error is not None:
                    raise copy(self.last_error)
                return
            try:
                with self._probing():
                    fresh = cookies if from_source else None
                    if cookies is None and self.source is not None:
                        fresh = await self.source.read()
                    await self._try([cookies] if cookies else self.record.candidates(self, fresh), fresh)
            except Blocked as error:
                self.last_error = error  # of the address: the account stays what it is
                self.changed()
                raise
            except GatewayError as error:
                if cookies is not None:
                    raise
                explained = self._explained(error)
                self.session_epoch += 1
                self._fail("needs_login" if isinstance(explained, SignedOut) else "error", explained)
                raise explained from None

    @contextmanager
    def _probing(self) -> Iterator[None]:
        """A sign-in goes out, unless the address rests: then one of all who wait for its end is the probe."""
        if (blocked := self._blocked()) is not None:
            left = max(1.0, blocked.until - self._clock.now())
            raise Blocked(blocked.why, blocked.why_zh, retry_after=left, code="ip_blocked")
        circuits, before = dict(self.circuits), self.egress.circuit
        self.egress.circuit = before.entered(self._clock.now())
        outcome: Outcome = "cancelled"
        reason = ""
        try:
            yield
            outcome = "ok"
        except AccountError:
            outcome = "ok"  # Google has looked at the cookies, so it lets the address through
            raise
        except Blocked as error:
            outcome, reason = "blocked", error.plain()
            raise
        finally:
            self.egress.circuit = self._moved(self.egress.circuit, outcome, reason, None)
            self._note_circuits(circuits, before)
            if self.egress.circuit != before:
                self.record.save_soon(self)
                self.changed()

    async def _try(self, candidates: Sequence[Cookies], fresh: Cookies | None) -> None:
        """Sign in with the first of these that Google takes; the last refusal when it takes none."""
        refused: SignedOut | None = None
        foreign: SignedOut | None = None
        tries: list[Cookies | None] = [*candidates] or [None]
        for tried in tries:
            try:
                opened = await self._open(tried, watched=tried == fresh)
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
                self.handles = {}  # another session may be another person: what was uploaded stays with the first
            self.cookies = tried
            self.models = opened.models
            self.tier = opened.tier or self.tier
            self.signed_in_at = self.renewed_at = self._clock.now()
            self.last_error = foreign  # what the source holds is another's: the account goes on, and says so
            self._set_state("ready")
            self.changed()  # who waits for a lane does not wait for our database
            if tried is not None:
                await self.record.cookies_accepted(self, tried, fresh if tried == fresh else None)
            self.record.save_soon(self)
            return
        assert refused is not None
        missing = self.source.missing if self.source is not None and not candidates else ""
        raise no_cookies_error(missing) if missing else refused

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
            if google.id and (holder := self.record.holder(self, google)):
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
        same = number_of(self.known.seat) == self.number
        return self.known if same else Known()

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

    def told_left(self, left: Sequence[UsageWindow]) -> None:
        """Google said behind an answer how much of the account's actions is used."""
        if left:
            names = {window.name for window in left}
            self.usage = (*(window for window in self.usage if window.name not in names), *left)
            self.usage_at = self._clock.now()

    @property
    def used_up(self) -> bool:
        """Whether Google says that all of some action is used until a reset that is still to come. Which calls that
        would touch is not known, so nothing is refused for it: others are asked first (docs/google-wire.md 6.1).
        """
        now = self._clock.now()
        actions = (window for window in self.usage if window.name.startswith(ACTION))
        return any(window.used >= 1 and (window.resets_at or 0) > now for window in actions)

    def refused(self, error: SignedOut) -> None:
        """What the source holds is not taken; the account goes on with what it has, and says so."""
        self.last_error = error
        self.record.save_soon(self)
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

    def reads_more_than(self, other: Account) -> bool:
        """Whether a prompt that is too long for the other account may fit here."""
        mine, theirs = self.walls, other.walls
        return bool(theirs.plain and (not mine.plain or mine.plain > theirs.plain)) or bool(
            theirs.with_files and (not mine.with_files or mine.with_files > theirs.with_files)
        )

    def lower_prompt_limit(self, capability: Capability, why: str, resets_at: float | None) -> None:
        """Google serves less than this capability promises: it rests until the reset, nothing else does."""
        before = (dict(self.circuits), self.egress.circuit)
        self.circuits[capability] = self._moved(self.circuits[capability], "limited", _LOWERED + why, resets_at)
        self._note_circuits(*before)
        self.record.save_soon(self)
        self.changed()

    async def take_rotated(self, cookies: Cookies) -> None:
        """The session's cookies were renewed: keep them at once."""
        self.cookies = cookies
        self.renewed_at = self._clock.now()
        await self.record.cookies_accepted(self, cookies, None)
        await self.record.cookies_renewed(self, cookies)

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.record.save_soon(self)
        self.changed()

    def reset(self, capability: Capability | None = None) -> None:
        """Close circuits by hand: one capability, or all and the address."""
        before = (dict(self.circuits), self.egress.circuit)
        for name in [capability] if capability else CAPABILITIES:
            self.circuits[name] = Circuit()
        if capability is None:
            self.egress.circuit = Circuit()
        self._note_circuits(*before)
        self.record.save_soon(self)
        self.changed()

    def signed_out(self, error: GatewayError) -> None:
        """A check found the session dead."""
        self.session_epoch += 1
        self._fail("needs_login", self._explained(error))

    def unwell(self, error: GatewayError) -> None:
        """A check found that the session, which is not dead, cannot be used for now."""
        self.session_epoch += 1
        self._fail("error", error)

    def _explained(self, error: GatewayError) -> GatewayError:
        """A session's death with its likely reason, once."""
        age = self._clock.now() - self.renewed_at if self.renewed_at else -1.0
        told = superseded_session.explained(error, age, self._superseded_within)
        if told is not error:
            self.renewed_at = 0.0
        return told

    @property
    def identity(self) -> str:
        """Tells Google sessions apart: what one identity began, another cannot continue."""
        return person(self.cookies, self.number) if self.cookies else ""

    @property
    def is_open(self) -> bool:
        return self._state not in ("starting", "needs_login", "error")

    @property
    def stored_state(self) -> State:
        """The word a store keeps: without what is only of the moment."""
        return "paused" if self.paused else self._state

    def _fail(self, state: State, error: GatewayError) -> None:
        self.last_error = error
        self._set_state(state)
        self.record.save_soon(self)
        self.changed()

    def _set_state(self, state: State) -> None:
        if state != self._state:
            before, self._state = self._state, state
            why = self.last_error.plain() if self.last_error else ""
            data: dict[str, str | int | float | bool | None] = {
                "account": self.name,
                "state": state,
                "before": before,
                "why": why,
            }
            self._observer.emit(TelemetryEvent("account.state", data=data))


MAKING: tuple[Capability, ...] = ("text", "pro", "image")
_LIMIT, _LOWERED = "limit: ", "lower model: "


def circuit_data(circuit: Circuit) -> dict[str, str | int | float | bool | None]:
    return {"open": bool(circuit.until), "until": circuit.until or None, "why": circuit.reason}


def _reason(error: BaseException | None) -> str:
    if isinstance(error, Spent):
        return _LIMIT + error.plain()
    return error.plain() if isinstance(error, GatewayError) else ""


def no_cookies_error(why: str) -> SignedOut:
    return SignedOut(
        f"There are no cookies to sign in with: {why}",
        f"没有可用于登录的 Cookie：{why}",
        code="cookie_expired",
    )
