"""The accounts of this process: who takes the next call, who waits, and what is said when nobody can."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from gemgate.accounts import Capability, Offer
from gemgate.catalog import ModelCard
from gemgate.errors import Busy, GatewayError, ModelNotFound, NoAccount
from gemgate.member import Member, Standing
from gemgate.policy.balance import Candidate, choose
from gemgate.ports import Clock, Dice, Upstream

MAX_WAITING = 512
"""Callers that may wait for a lane; one more is told to come back."""
LOYALTY = 3.0
"""Seconds that a caller waits for the account that holds its conversation while that one is merely busy: replaying the
whole history elsewhere costs more than a short wait."""

INSISTENCE = 60.0
"""The same where the history is too long to be told elsewhere without dropping something."""

SHORTEST_THAW = 0.05
"""Seconds: clocks that measure spans and clocks that tell the time do not agree to the millisecond."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An account that could not take a call at the moment: its state word, "tried" or "no_model", and why."""

    account: str
    state: str
    why: str = ""
    why_zh: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Why this account: whom the call preferred, the only one that could, the least busy, or a fallback.

    waited: seconds for a lane; paced: seconds until the account's next start.
    """

    why: Literal["preferred", "only", "least_busy", "fallback"] = "only"
    skipped: tuple[Skipped, ...] = ()
    waited: float = 0.0
    paced: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one call on an account. `generation` tells which of its sessions it began on."""

    member: Member
    offer: Offer
    generation: int
    choice: Choice = Choice()

    @property
    def account(self) -> str:
        return self.member.name

    @property
    def upstream(self) -> Upstream:
        return self.member.upstream


@dataclass(eq=False, slots=True)
class _Waiter:
    card: ModelCard
    needs: tuple[Capability, ...]
    prefer: str | None
    avoid: frozenset[str]
    background: bool
    loyal: bool
    granted: asyncio.Future[tuple[Member, Offer]] = field(repr=False)
    loyalty: float = 0.0


class AccountPool:
    """`patience`: seconds a call waits for a lane at most; `loyalty`: the first of these for the account it prefers.

    kept_free: lanes of each account that batches leave to others, unless it has no more.
    """

    def __init__(self, *, clock: Clock, dice: Dice, patience: float = 120.0, loyalty: float = LOYALTY) -> None:
        self._clock = clock
        self._dice = dice
        self._patience = patience
        self._loyalty = min(loyalty, patience)
        self.kept_free = 1
        self._members: dict[str, Member] = {}
        self._waiting: deque[_Waiter] = deque()
        self._thaw_at = math.inf
        self._thawing: asyncio.Task[None] | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members.values())

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def member(self, name: str) -> Member | None:
        return self._members.get(name)

    def add(self, member: Member) -> None:
        self._members[member.name] = member
        member.changed = self._wake
        self._wake()

    def remove(self, name: str) -> Member | None:
        """Take an account out; calls under way keep their lease."""
        member = self._members.pop(name, None)
        self._wake()
        return member

    def answers(self, *needs: Capability) -> bool:
        """Whether a call that needs these can be answered now, or as soon as a lane is free: what /ready says."""
        return any(member.is_open and member.standing(*needs).usable for member in self.members)

    def background_lanes(self, *needs: Capability) -> int:
        """Lanes that batches may fill at the moment: all but one of each account that takes such calls."""
        able = [m for m in self.members if m.is_open and m.standing(*needs).usable]
        able = [m for m in able if not m.fallback] or able
        return sum(max(1, m.lanes - self.kept_free) for m in able)

    def offers(self) -> tuple[Offer, ...]:
        """Every model that at least one account has, each once; a fallback adds none to those it stands in for."""
        members = [member for member in self.members if not member.fallback] or self.members
        return tuple({offer.id: offer for member in members for offer in member.offers}.values())

    @asynccontextmanager
    async def lease(
        self,
        card: ModelCard,
        *,
        needs: tuple[Capability, ...] = (),
        prefer: str | None = None,
        avoid: Iterable[str] = (),
        insists: bool = False,
        background: bool = False,
    ) -> AsyncIterator[Lease]:
        """An account for one call of `card`, given back with its outcome on exit.

        needs: capabilities that the call uses, the first is the main one; else the model's own.
        prefer: the account that holds the conversation or upload. avoid: accounts that failed this call already.
        insists: waits INSISTENCE seconds for the preferred one: elsewhere the conversation could not be told whole.
        background: leaves one lane to interactive calls, and lets them go first. Raises NoAccount, Busy or
        ModelNotFound.
        """
        needs = needs or (card.capability,)
        granted: asyncio.Future[tuple[Member, Offer]] = asyncio.get_running_loop().create_future()
        loyalty = max(self._loyalty, min(INSISTENCE, self._patience)) if insists else self._loyalty
        loyalty = loyalty if prefer is not None and self._loyalty > 0 else 0.0
        waiter = _Waiter(card, needs, prefer, frozenset(avoid), background, loyalty > 0, granted, loyalty)
        asked = self._clock.monotonic()
        member, offer = await self._take(waiter)
        failure: BaseException | None = None
        try:
            waited = self._clock.monotonic() - asked
            why, skipped = self._chosen(waiter, member)
            paced = await self._paced(member)
            yield Lease(member, offer, member.generation, Choice(why, skipped, waited, paced))
        except BaseException as error:
            failure = error
            raise
        finally:
            member.left(needs, failure)
            if isinstance(failure, GatewayError):
                await member.keep.settled(member)  # the caller hears of a rest when a restart would know of it

    def _chosen(
        self, waiter: _Waiter, member: Member
    ) -> tuple[Literal["preferred", "only", "least_busy", "fallback"], tuple[Skipped, ...]]:
        """Why this account takes the call, and why each of the others could not."""
        others = [other for other in self._members.values() if other is not member]
        skipped = tuple(filter(None, (_skipped(other, waiter, member) for other in others)))
        if waiter.prefer == member.name:
            return "preferred", skipped
        if member.fallback:
            return "fallback", skipped
        return ("least_busy" if len(skipped) < len(others) else "only"), skipped

    async def _paced(self, member: Member) -> float:
        """Wait for the next start of the account and of its way out, so many seconds; who leaves gives it back."""
        now = self._clock.monotonic()
        own, shared = member.pacer.reserve(now, self._dice()), member.address.pace.reserve(now)
        wait = max(own, shared)
        try:
            if shared > self._patience:
                raise _too_fast(member.address.name, shared)
            if wait > 0:
                await self._clock.sleep(wait)
        except BaseException:
            member.pacer.cancel(now + own)
            member.address.pace.cancel()
            raise
        return max(0.0, wait)

    async def _take(self, waiter: _Waiter) -> tuple[Member, Offer]:
        if granted := self._grant(waiter):
            return granted
        self.check(waiter.card, waiter.needs, waiter.avoid)
        if len(self._waiting) >= MAX_WAITING:
            raise _too_busy(5.0)
        self._waiting.append(waiter)
        self._await_thaw()
        patience = asyncio.ensure_future(self._wear_out(waiter))
        try:
            return await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled() and not waiter.granted.exception():
                # The lane was handed over in the same moment in which the caller went away.
                waiter.granted.result()[0].left(waiter.needs, asyncio.CancelledError())
            raise
        finally:
            patience.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            self._await_thaw()

    def _await_thaw(self) -> None:
        """While somebody waits, look again when the next rest ends: nobody else tells of it."""
        now, at = self._clock.now(), math.inf
        if self._waiting:
            circuits = (c for m in self.members for c in (*m.circuits.values(), m.address.circuit))
            at = min((circuit.until for circuit in circuits if circuit.until > now), default=math.inf)
        if at == self._thaw_at:
            return
        if self._thawing is not None:
            self._thawing.cancel()
        self._thaw_at = at
        self._thawing = asyncio.ensure_future(self._thaw(at - now)) if at < math.inf else None

    async def _thaw(self, seconds: float) -> None:
        await self._clock.sleep(max(SHORTEST_THAW, seconds))
        self._thaw_at, self._thawing = math.inf, None
        self._wake()

    async def _wear_out(self, waiter: _Waiter) -> None:
        """What a waiting caller insists on gives way in time: first the account it prefers, then waiting at all."""
        left = self._patience
        if waiter.loyal:
            await self._clock.sleep(waiter.loyalty)
            left -= waiter.loyalty
            waiter.loyal = False
            self._wake()
        await self._clock.sleep(left)
        if not waiter.granted.done():
            waiter.granted.set_exception(_too_busy(10.0))

    def _grant(self, waiter: _Waiter) -> tuple[Member, Offer] | None:
        """The best account that can start the call now, entered; None when there is none.

        A fallback only when no other account can take the call, however long it waits.
        """
        if waiter.loyal and self._merely_busy(waiter):
            return None
        able = [member for member in self.members if member.name not in waiter.avoid]
        for fallback in (False, True):
            rank = [member for member in able if member.fallback is fallback]
            if granted := self._free(waiter, rank):
                return granted
            if any(_hopeful(member, waiter) for member in rank):
                return None
        return None

    def _merely_busy(self, waiter: _Waiter) -> bool:
        """Whether the account that a caller prefers could take the call but for a free lane."""
        member = self._members.get(waiter.prefer or "")
        if member is None or member.name in waiter.avoid or not waiter.card.offer(member.offers):
            return False
        return member.standing(*waiter.needs).state == "busy"

    def _free(self, waiter: _Waiter, members: Iterable[Member]) -> tuple[Member, Offer] | None:
        """The best of these accounts that has a lane for the call now, entered."""
        fits: dict[str, tuple[Member, Offer]] = {}
        for member in members:
            if not member.is_open:
                continue
            standing = member.standing(*waiter.needs)
            kept = min(self.kept_free, member.lanes - 1) if waiter.background else 0
            free = member.lanes - member.busy - kept
            if standing.state != "ready" or free <= 0:
                continue
            if offer := waiter.card.offer(member.offers):
                fits[member.name] = (member, offer)
        now = self._clock.monotonic()
        candidates = (
            Candidate(m.name, m.busy, m.weight, m.last_used, m.address.pace.wait(now), m.used_up)
            for m, _ in fits.values()
        )
        chosen = choose(candidates, waiter.prefer)
        if chosen is None:
            return None
        member, offer = fits[chosen.name]
        member.entered(*waiter.needs)
        return member, offer

    def check(self, card: ModelCard, needs: tuple[Capability, ...] = (), avoid: Iterable[str] = ()) -> None:
        """Raise NoAccount or ModelNotFound when no account can take such a call however long it waits."""
        needs = needs or (card.capability,)
        usable = [m for m in self.members if m.name not in avoid and m.standing(*needs).usable]
        if not usable:
            raise self.nobody(*needs)
        if all(m.is_open and not card.offer(m.offers) for m in usable):
            have = ", ".join(sorted({offer.name for m in usable for offer in m.offers}))
            raise ModelNotFound(
                f"No usable account has the model {card.id}. They have: {have}",
                f"当前可用账号没有模型 {card.id}。可用：{have}",
                param="model",
                code="model_not_available",
            )

    def nobody(self, *needs: Capability) -> NoAccount:
        """The error that says which accounts there are, why none is usable, and what to do."""
        standings = [(m.name, m.standing(*needs)) for m in self.members]
        if not standings:
            return NoAccount(
                "No Google account is set up. Hand over cookies: SECURE_1PSID and SECURE_1PSIDTS in the environment, "
                "POST /api/cookies, or `gemgate accounts add`",
                "尚未配置 Google 账号。请通过环境变量 SECURE_1PSID 和 SECURE_1PSIDTS、POST /api/cookies "
                "或 `gemgate accounts add` 提供 Cookie",
                code="no_account",
            )
        now = self._clock.now()
        en = "; ".join(f"{m.name}: {_words(m, needs, now, zh=False)}" for m in self.members)
        zh = "；".join(f"{m.name}：{_words(m, needs, now, zh=True)}" for m in self.members)
        thaws = [s.until for _, s in standings if s.until > now]
        quota = any(s.quota for _, s in standings)
        soonest = min((s.until for _, s in standings if s.quota), default=0) if quota else min(thaws, default=0)
        return NoAccount(
            f"No account can take this call. {en}",
            f"没有可用的账号。{zh}",
            quota=quota,
            retry_after=max(1.0, soonest - now) if soonest else None,
            code="rate_limit_exceeded" if quota else _code([s for _, s in standings]),
        )

    def _wake(self) -> None:
        """Something changed: hand lanes to those who wait, and tell those who hope in vain.

        In their order, but batches behind everybody who sits in front of a screen.
        """
        for waiter in sorted(self._waiting, key=lambda waiter: waiter.background):
            if waiter.granted.done():
                continue
            if granted := self._grant(waiter):
                self._waiting.remove(waiter)
                waiter.granted.set_result(granted)
                continue
            try:
                self.check(waiter.card, waiter.needs, waiter.avoid)
            except (NoAccount, ModelNotFound) as error:
                self._waiting.remove(waiter)
                waiter.granted.set_exception(error)
        self._await_thaw()


def _skipped(member: Member, waiter: _Waiter, chosen: Member) -> Skipped | None:
    """Why an account could not take this call, or None when it could have."""
    if member.name in waiter.avoid:
        return Skipped(member.name, "tried")
    standing = member.standing(*waiter.needs)
    if standing.state != "ready":
        return Skipped(member.name, standing.state, standing.why, standing.why_zh, standing.until)
    if not waiter.card.offer(member.offers):
        return Skipped(member.name, "no_model")
    if member.fallback and not chosen.fallback:
        return Skipped(member.name, "fallback")
    return None


def _hopeful(member: Member, waiter: _Waiter) -> bool:
    """Whether the account can take the call, if not now then as soon as it has signed in or a lane is free."""
    usable = member.standing(*waiter.needs).usable
    return usable and (not member.is_open or waiter.card.offer(member.offers) is not None)


def _too_busy(seconds: float) -> Busy:
    return Busy(
        f"Every lane is taken and too many calls wait; try again in {seconds:.0f} seconds",
        f"所有通道均被占用且排队已满，请 {seconds:.0f} 秒后重试",
        retry_after=seconds,
        code="busy",
    )


def _too_fast(address: str, seconds: float) -> Busy:
    return Busy(
        f"The address ({address}) is asked as often as Google bears it; the next call may start in {seconds:.0f} s",
        f"该出口地址（{address}）的调用频率已达 Google 可承受的上限，{seconds:.0f} 秒后可继续",
        retry_after=seconds,
        code="address_pace",
    )


def _words(member: Member, needs: tuple[Capability, ...], now: float, *, zh: bool) -> str:
    """How an account stands for a call, in words; of one that rests only in part it says in which."""
    standing = member.standing(*needs)
    state: str = standing.state
    if state == "cooling" and member.standing().state != state:
        resting = [need for need in needs if not member.circuits[need].admits(now)]
        state += f"（{'、'.join(resting)}）" if zh else f" for {', '.join(resting)}"
    why = standing.why_zh if zh else standing.why
    left = math.ceil(standing.until - now) if standing.until > now else 0
    wait = (f"，{left} 秒后恢复" if zh else f", {left} s left") if left else ""
    return f"{state} ({why}{wait})" if why or wait else state


def _code(standings: list[Standing]) -> str:
    states = {standing.state for standing in standings}
    if "needs_login" in states:
        return "cookie_expired"
    if "blocked" in states:
        return "ip_blocked"
    codes = {standing.code for standing in standings}
    return codes.pop() or "no_account" if len(codes) == 1 else "no_account"
