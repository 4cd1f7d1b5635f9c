"""One account at run time: its session, its standing, and the single place where it signs in again.

`standing` is the only source of an account's state word: routing, /health, /ready, the page and every error text
ask it, so they cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gemgate.accounts import CAPABILITIES, Capability, Cookies, Offer, State
from gemgate.errors import (
    AccountError,
    Blocked,
    ClientError,
    GatewayError,
    ModelGone,
    OutputInvalid,
    Refused,
    Rejected,
    SignedOut,
    Spent,
)
from gemgate.policy.breaker import Circuit, Outcome, Rules
from gemgate.policy.pacer import Pacer
from gemgate.ports import Clock, CookieSource, Dice, Fact, Observer, Upstream


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account (or one capability of it) can do now.

    usable: a call may start, now or as soon as a lane is free. quota: waiting alone helps.
    until: epoch seconds when it thaws, 0 = unknown.
    """

    state: State
    usable: bool
    why: str = ""
    why_zh: str = ""
    until: float = 0.0
    quota: bool = False


@dataclass(slots=True)
class Address:
    """The way out that accounts share (a proxy, or none): an IP block closes it for all of them."""

    name: str
    circuit: Circuit = field(default_factory=Circuit)


def outcome_of(error: BaseException | None) -> Outcome:
    """What the end of a call says about the account; the caller's own fault says that the account works."""
    match error:
        case None | ClientError() | Refused() | ModelGone() | OutputInvalid():
            return "ok"
        case Spent():
            return "limited"
        case Blocked():
            return "blocked"
        case AccountError():
            return "cancelled"  # judged by signing in again, not by the breaker
        case GatewayError():
            return "failed"
        case _:
            return "cancelled"


class Member:
    """`keep` is called with the member whenever something changed that a restart must not forget."""

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        source: CookieSource | None,
        *,
        lanes: int,
        pacer: Pacer,
        rules: Rules,
        address: Address,
        clock: Clock,
        dice: Dice,
        observer: Observer,
        weight: float = 1.0,
        keep: Callable[[Member], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.source = source
        self.lanes = lanes
        self.weight = weight
        self.pacer = pacer
        self.address = address
        self.busy = 0
        self.last_used = 0.0
        self.paused = False
        self.offers: tuple[Offer, ...] = ()
        self.cookies: Cookies | None = None
        self.circuits: dict[Capability, Circuit] = {capability: Circuit() for capability in CAPABILITIES}
        self.handles: dict[str, tuple[str, float]] = {}
        self.signed_in_at = 0.0
        self.last_error: GatewayError | None = None
        self.generation = 0
        self._state: State = "starting"
        self._rules = rules
        self._clock = clock
        self._dice = dice
        self._observer = observer
        self._keep = keep
        self._signing_in = asyncio.Lock()
        self.changed: Callable[[], None] = lambda: None

    # What it can do

    def standing(self, capability: Capability | None = None) -> Standing:
        """The account's state word and what follows from it, as a whole or for one capability."""
        if self.paused:
            return Standing("paused", False, "paused by hand", "已手动暂停")
        error = self.last_error
        if self._state == "starting":
            return Standing("starting", True, "signing in", "正在登录")
        if self._state in ("needs_login", "error"):
            en, zh = (error.en, error.zh) if error else ("not signed in", "未登录")
            return Standing(self._state, False, en, zh)
        now = self._clock.now()
        if not self.address.circuit.admits(now):
            circuit = self.address.circuit
            why = f"the address is blocked: {circuit.reason}"
            return Standing("blocked", False, why, f"地址被封锁：{circuit.reason}", circuit.until)
        shut = [self.circuits[c] for c in ([capability] if capability else CAPABILITIES)]
        if all(not circuit.admits(now) for circuit in shut):
            first = min(shut, key=lambda circuit: circuit.until)
            quota = first.reason.startswith("limit")
            return Standing("cooling", False, first.reason, first.reason, max(first.until, now), quota)
        if self.busy >= self.lanes:
            return Standing("busy", True, f"all {self.lanes} lanes taken", f"{self.lanes} 个通道均被占用")
        return Standing("ready", True)

    def cooldowns(self) -> dict[Capability, Circuit]:
        """Capabilities that are not closed."""
        now = self._clock.now()
        return {c: circuit for c, circuit in self.circuits.items() if circuit.phase(now) != "closed"}

    # How calls end for it

    def entered(self, capability: Capability) -> None:
        now = self._clock.now()
        self.busy += 1
        self.last_used = now
        self.circuits[capability] = self.circuits[capability].entered(now)
        self.address.circuit = self.address.circuit.entered(now)

    async def left(self, capability: Capability, error: BaseException | None) -> None:
        """A call is over: free the lane, move the circuits, keep what must survive."""
        self.busy -= 1
        outcome = outcome_of(error)
        now, dice = self._clock.now(), self._dice()
        before = (self.circuits[capability], self.address.circuit)
        reason = _reason(error)
        if outcome == "blocked":
            self.address.circuit = before[1].settled(outcome, now=now, dice=dice, rules=self._rules, reason=reason)
            self.circuits[capability] = before[0].settled("cancelled", now=now, dice=dice, rules=self._rules)
        else:
            resets_at = error.resets_at if isinstance(error, Spent) else None
            self.circuits[capability] = before[0].settled(
                outcome, now=now, dice=dice, rules=self._rules, reason=reason, resets_at=resets_at
            )
            reachable: Outcome = "ok" if outcome == "ok" else "cancelled"
            self.address.circuit = before[1].settled(reachable, now=now, dice=dice, rules=self._rules)
        if outcome == "ok":
            self.pacer.succeeded()
        elif outcome == "limited":
            self.pacer.limited()
        if isinstance(error, GatewayError) and outcome not in ("ok", "cancelled"):
            self.last_error = error
        if isinstance(error, Rejected):
            await self._fell("error", error)
        elif before != (self.circuits[capability], self.address.circuit):
            await self._save()
        self.changed()

    # Signing in

    async def sign_in(self, *, seen: int | None = None, cookies: Cookies | None = None) -> None:
        """Sign in, once for everybody who asks at the same time.

        seen:    the generation whose session failed; when another caller has replaced it since, nothing is done.
        cookies: new ones to try; the old session stays until they are proven. None = the source's, else the last good.
        """
        async with self._signing_in:
            if seen is not None and seen != self.generation:
                if not self.is_open and self.last_error is not None:
                    raise self.last_error
                return
            tried = cookies or (await self.source.read() if self.source else None) or self.cookies
            try:
                opened = await self.upstream.open(tried)
            except GatewayError as error:
                if cookies is None:
                    self.generation += 1
                    await self._fell("needs_login" if isinstance(error, SignedOut) else "error", error)
                raise
            self.generation += 1
            if tried is None or self.cookies is None or tried.identity != self.cookies.identity:
                self.handles = {}  # another session may be another person: what was uploaded stays with the first
            self.cookies = tried
            self.offers = opened.offers
            self.signed_in_at = self._clock.now()
            self.last_error = None
            self._become("ready")
            await self._save()
            self.changed()

    async def take_rotated(self, cookies: Cookies) -> None:
        """The session's cookies were renewed: keep them at once."""
        self.cookies = cookies
        await self._save()

    async def pause(self, paused: bool) -> None:
        self.paused = paused
        await self._save()
        self.changed()

    async def reset(self, capability: Capability | None = None) -> None:
        """Close circuits by hand: one capability, or all and the address."""
        for name in [capability] if capability else CAPABILITIES:
            self.circuits[name] = Circuit()
        if capability is None:
            self.address.circuit = Circuit()
        await self._save()
        self.changed()

    async def signed_out(self, error: GatewayError) -> None:
        """A check found the session dead."""
        self.generation += 1
        await self._fell("needs_login", error)

    @property
    def identity(self) -> str:
        """Tells Google sessions apart: what one identity began, another cannot continue."""
        return self.cookies.identity if self.cookies else ""

    @property
    def is_open(self) -> bool:
        return self._state not in ("starting", "needs_login", "error")

    async def _fell(self, state: State, error: GatewayError) -> None:
        self.last_error = error
        self._become(state)
        await self._save()
        self.changed()

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state = state
            why = self.last_error.en if self.last_error else ""
            self._observer.note(Fact("account.state", data={"account": self.name, "state": state, "why": why}))

    async def _save(self) -> None:
        if self._keep is not None:
            await self._keep(self)


def _reason(error: BaseException | None) -> str:
    if isinstance(error, Spent):
        return "limit: " + error.en
    return error.en if isinstance(error, GatewayError) else ""
