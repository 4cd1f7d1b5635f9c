"""The accounts of this process: who takes the next call, who waits, and what is said when nobody can."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from gemgate.accounts import CAPABILITY_WORDS, STATE_WORDS, AccountModel, Capability, Standstill
from gemgate.catalog import ModelCard
from gemgate.errors import NO_TEXT, Busy, GatewayError, LocalText, ModelNotFound, NoAccount
from gemgate.frozen import frozen
from gemgate.policy.account_choice import Candidate, choose
from gemgate.pool.account import Account
from gemgate.pool.status import AccountStatus
from gemgate.ports.runtime import Clock, Random
from gemgate.ports.upstream import Upstream

MAX_WAITING = 512
"""Callers that may wait for a lane; one more is told to come back."""
AFFINITY_WAIT = 3.0
"""Seconds that a caller waits for the account that holds its conversation while that one is merely busy: replaying the
whole history elsewhere costs more than a short wait."""

INSISTENT_WAIT = 60.0
"""The same where the history is too long to be told elsewhere without dropping something."""

MIN_THAW = 0.05
"""Seconds: clocks that measure spans and clocks that tell the time do not agree to the millisecond."""


@frozen
class Skipped:
    """An account that could not take a call at the moment: its state word, "tried" or "no_model", and why."""

    account: str
    state: str
    why: LocalText = NO_TEXT
    until: float = 0.0


@frozen
class LeaseReason:
    """Why this account: whom the call preferred, the only one that could, the least busy, or a fallback.

    waited: seconds for a lane; paced: seconds until the account's next start.
    """

    why: Literal["preferred", "only", "least_busy", "fallback"] = "only"
    skipped: tuple[Skipped, ...] = ()
    waited: float = 0.0
    paced: float = 0.0


@frozen
class Lease:
    """The right to run one call on an account. `generation` tells which of its sessions it began on."""

    account: Account
    model: AccountModel
    session_epoch: int
    choice: LeaseReason = LeaseReason()

    @property
    def account_name(self) -> str:
        return self.account.name

    @property
    def upstream(self) -> Upstream:
        return self.account.upstream


@dataclass(eq=False, slots=True)
class _Waiter:
    card: ModelCard
    needs: tuple[Capability, ...]
    prefer: str | None
    avoid: frozenset[str]
    background: bool
    holds_out: bool
    affinity_wait: float
    granted: asyncio.Future[tuple[Account, AccountModel]] = field(init=False, repr=False)


class AccountPool:
    """`patience`: seconds a call waits for a lane at most; `loyalty`: the first of these for the account it prefers.

    kept_free: lanes of each account that batches leave to others, unless it has no more. reserve: the share of Google's
    windows that they leave to them.
    """

    def __init__(
        self, *, clock: Clock, random: Random, patience: float = 120.0, loyalty: float = AFFINITY_WAIT
    ) -> None:
        self._clock = clock
        self._random = random
        self._max_wait = patience
        self._loyalty = min(loyalty, patience)
        self.kept_free = 1
        self.reserve = 0.0
        self._accounts: dict[str, Account] = {}
        self._waiting: deque[_Waiter] = deque()
        self._thaw_at = math.inf
        self._thawing: asyncio.Task[None] | None = None

    @property
    def accounts(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def account(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def add(self, account: Account) -> None:
        self._accounts[account.name] = account
        account.changed = self._wake
        self._wake()

    def remove(self, name: str) -> Account | None:
        """Take an account out; calls under way keep their lease."""
        account = self._accounts.pop(name, None)
        self._wake()
        return account

    def answers(self, *needs: Capability) -> bool:
        """Whether a call that needs these can be answered now, or as soon as a lane is free: what /ready says."""
        return any(account.is_open and account.status(*needs).usable for account in self.accounts)

    def background_lanes(self, *needs: Capability) -> int:
        """Lanes that batches may fill at the moment: all but one of each account that takes such calls of theirs."""
        return sum(self.lanes_for_batches(account) for account in self.able(*needs, background=True))

    def lanes_for_batches(self, account: Account) -> int:
        return max(1, account.lanes - self.kept_free)

    def all_lanes(self, *needs: Capability) -> int:
        """Lanes of the accounts that take such calls at the moment."""
        return sum(account.lanes for account in self.able(*needs))

    def is_usable(self, *needs: Capability) -> bool:
        """Whether an account takes such calls, at the moment or as soon as it is signed in."""
        return any(account.status(*needs).usable for account in self.accounts)

    def able(self, *needs: Capability, background: bool = False) -> list[Account]:
        """The accounts that take such calls at the moment; a fallback only where there is no other.

        background: of a batch, which leaves the reserve alone, and takes no fallback in its place.
        """
        usable = [account for account in self.accounts if account.is_open and account.status(*needs).usable]
        able = [account for account in usable if not account.fallback] or usable
        return [one for one in able if not (background and one.kept_back(needs, self.reserve))]

    def _status(self, account: Account, needs: tuple[Capability, ...], *, background: bool) -> AccountStatus:
        """How an account stands for a call, a batch's or another one."""
        status = account.status(*needs)
        if not background or not status.usable or not account.is_open:
            return status
        return account.kept_back(needs, self.reserve) or status

    def models(self) -> tuple[AccountModel, ...]:
        """Every model that at least one account has, each once; a fallback adds none to those it stands in for."""
        return tuple(self.each_model())

    def each_model(self) -> Iterator[AccountModel]:
        """The same one by one: whoever asks for none of them collects none."""
        accounts = [account for account in self.accounts if not account.fallback] or self.accounts
        yield from {model.id: model for account in accounts for model in account.models}.values()

    def lease(
        self,
        card: ModelCard,
        *,
        needs: tuple[Capability, ...] = (),
        prefer: str | None = None,
        avoid: Iterable[str] = (),
        insists: bool = False,
        background: bool = False,
    ) -> AbstractAsyncContextManager[Lease]:
        """An account for one call of `card`, given back with its outcome on exit.

        needs: capabilities that the call uses, the first is the main one; else the model's own.
        prefer: the account that holds the conversation or upload. avoid: accounts that failed this call already.
        insists: waits INSISTENCE seconds for the preferred one: elsewhere the conversation could not be told whole.
        background: leaves one lane to interactive calls, and lets them go first. Raises NoAccount, Busy or
        ModelNotFound.
        """
        needs = needs or (card.capability,)
        loyalty = max(self._loyalty, min(INSISTENT_WAIT, self._max_wait)) if insists else self._loyalty
        loyalty = loyalty if prefer is not None and self._loyalty > 0 else 0.0
        return _Leased(self, _Waiter(card, needs, prefer, frozenset(avoid), background, loyalty > 0, loyalty))

    async def begin(self, waiter: _Waiter) -> Lease:
        """A lane on an account, when its pace allows the call."""
        asked = self._clock.monotonic()
        account, model = await self._take(waiter)
        try:
            waited = self._clock.monotonic() - asked
            why, skipped = self._chosen(waiter, account)
            paced = await self.paced(account)
            return Lease(account, model, account.session_epoch, LeaseReason(why, skipped, waited, paced))
        except BaseException as error:
            await self.end(account, waiter.needs, error)
            raise

    async def end(self, account: Account, needs: Sequence[Capability], error: BaseException | None) -> None:
        """Give a lane back. Raises an error anew that is to say when the call may be tried again."""
        wait = account.call_ended(needs, error)
        if isinstance(error, GatewayError):
            await account.record.wait_saved()  # the caller hears of a rest when a restart would know of it
            if wait is not None:
                raise error.with_(retry_after=wait) from None

    def _chosen(
        self, waiter: _Waiter, account: Account
    ) -> tuple[Literal["preferred", "only", "least_busy", "fallback"], tuple[Skipped, ...]]:
        """Why this account takes the call, and why each of the others could not."""
        others = [other for other in self._accounts.values() if other is not account]
        skipped = tuple(filter(None, (_skipped(other, waiter, account) for other in others)))
        if waiter.prefer == account.name:
            return "preferred", skipped
        if account.fallback:
            return "fallback", skipped
        return ("least_busy" if len(skipped) < len(others) else "only"), skipped

    async def paced(self, account: Account) -> float:
        """Wait for the next start of the account and of its way out, so many seconds; who leaves gives it back."""
        now = self._clock.monotonic()
        own, shared = account.pacer.reserve(now, self._random()), account.egress.pace.reserve(now)
        wait = max(own, shared)
        try:
            if shared > self._max_wait:
                raise _too_fast(account.egress.name, shared)
            if wait > 0:
                await self._clock.sleep(wait)
        except BaseException:
            account.pacer.cancel(now + own)
            account.egress.pace.cancel()
            raise
        return max(0.0, wait)

    async def _take(self, waiter: _Waiter) -> tuple[Account, AccountModel]:
        if granted := self._grant(waiter):
            return granted
        self.check(waiter.card, waiter.needs, waiter.avoid, background=waiter.background)
        if len(self._waiting) >= MAX_WAITING:
            raise _too_busy(5.0)
        waiter.granted = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._schedule_wake()
        patience = asyncio.ensure_future(self._expire_waiter(waiter))
        try:
            return await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled() and not waiter.granted.exception():
                # The lane was handed over in the same moment in which the caller went away.
                waiter.granted.result()[0].call_ended(waiter.needs, asyncio.CancelledError())
            raise
        finally:
            patience.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            self._schedule_wake()

    def _schedule_wake(self) -> None:
        """While somebody waits, look again when the next rest ends: nobody else tells of it."""
        now, at = self._clock.now(), math.inf
        if self._waiting:
            circuits = (c for m in self.accounts for c in (*m.circuits.values(), m.egress.circuit))
            at = min((circuit.until for circuit in circuits if circuit.until > now), default=math.inf)
        if at == self._thaw_at:
            return
        if self._thawing is not None:
            self._thawing.cancel()
        self._thaw_at = at
        self._thawing = asyncio.ensure_future(self._wake_after(at - now)) if at < math.inf else None

    async def _wake_after(self, seconds: float) -> None:
        await self._clock.sleep(max(MIN_THAW, seconds))
        self._thaw_at, self._thawing = math.inf, None
        self._wake()

    async def _expire_waiter(self, waiter: _Waiter) -> None:
        """What a waiting caller insists on gives way in time: first the account it prefers, then waiting at all."""
        left = self._max_wait
        if waiter.holds_out:
            await self._clock.sleep(waiter.affinity_wait)
            left -= waiter.affinity_wait
            waiter.holds_out = False
            self._wake()
        await self._clock.sleep(left)
        if not waiter.granted.done():
            waiter.granted.set_exception(_too_busy(10.0))

    def _grant(self, waiter: _Waiter) -> tuple[Account, AccountModel] | None:
        """The best account that can start the call now, entered; None when there is none.

        A fallback only when no other account can take the call, however long it waits.
        """
        if waiter.holds_out and self._merely_busy(waiter):
            return None
        able = [account for account in self.accounts if account.name not in waiter.avoid]
        for fallback in (False, True):
            rank = [account for account in able if account.fallback is fallback]
            if granted := self._free(waiter, rank):
                return granted
            if any(_feasible(account, waiter) for account in rank):
                return None
        return None

    def _merely_busy(self, waiter: _Waiter) -> bool:
        """Whether the account that a caller prefers could take the call but for a free lane."""
        account = self._accounts.get(waiter.prefer or "")
        if account is None or account.name in waiter.avoid or not account.offer(waiter.card):
            return False
        return account.status(*waiter.needs).state == "busy"

    def _free(self, waiter: _Waiter, accounts: Iterable[Account]) -> tuple[Account, AccountModel] | None:
        """The best of these accounts that has a lane for the call now, entered."""
        fits: dict[str, tuple[Account, AccountModel]] = {}
        for account in accounts:
            if not account.is_open:
                continue
            status = self._status(account, waiter.needs, background=waiter.background)
            kept = min(self.kept_free, account.lanes - 1) if waiter.background else 0
            free = account.lanes - account.busy - kept
            if status.state != "ready" or free <= 0:
                continue
            if model := account.offer(waiter.card):
                fits[account.name] = (account, model)
        name = next(iter(fits), None)
        if len(fits) > 1:  # what is left of an account counts only beside another one
            now = self._clock.monotonic()
            candidates = (
                Candidate(m.name, m.busy, m.weight, m.last_used, m.egress.pace.wait(now), m.left_for(waiter.needs))
                for m, _ in fits.values()
            )
            chosen = choose(candidates, waiter.prefer)
            name = chosen.name if chosen else None
        if name is None:
            return None
        account, model = fits[name]
        account.call_started(*waiter.needs)
        return account, model

    def check(
        self,
        card: ModelCard,
        needs: tuple[Capability, ...] = (),
        avoid: Iterable[str] = (),
        *,
        background: bool = False,
    ) -> None:
        """Raise NoAccount or ModelNotFound when no account can take such a call however long it waits."""
        needs = needs or (card.capability,)
        usable = [m for m in self.accounts if m.name not in avoid and m.status(*needs).usable]
        if background:
            first = [account for account in usable if not account.fallback] or usable
            usable = [one for one in first if self._status(one, needs, background=True).usable]
        if not usable:
            raise self.no_account_error(*needs, background=background)
        if all(m.is_open and not m.offer(card) for m in usable):
            have = ", ".join(sorted({model.name for m in usable for model in m.models}))
            raise ModelNotFound(
                f"No usable account has the model {card.id}. They have: {have}",
                f"当前可用账号没有模型 {card.id}。可用：{have}",
                param="model",
                code="model_not_available",
            )

    def standstill(self, *needs: Capability, background: bool = False) -> Standstill:
        """Why no account can take such a call, and whether only a person changes that."""
        why = self.no_account_error(*needs, background=background)
        return Standstill(why, why.needs_person)

    def no_account_error(self, *needs: Capability, background: bool = False) -> NoAccount:
        """The error that says which accounts there are, why none is usable, and what to do. background: for a batch."""
        statuses = [(m, self._status(m, needs, background=background)) for m in self.accounts]
        if not statuses:
            return NoAccount(
                "No Google account is set up. Hand over cookies: SECURE_1PSID and SECURE_1PSIDTS in the environment, "
                "POST /api/cookies, or `gemgate accounts add`",
                "尚未配置 Google 账号。请通过环境变量 SECURE_1PSID 和 SECURE_1PSIDTS、POST /api/cookies "
                "或 `gemgate accounts add` 提供 Cookie",
                code="no_account",
                needs_person=True,
            )
        now = self._clock.now()
        en = "; ".join(f"{m.name}: {_words(m, status, needs, now, zh=False)}" for m, status in statuses)
        zh = "；".join(f"{m.name}：{_words(m, status, needs, now, zh=True)}" for m, status in statuses)
        thaws = [s.until for _, s in statuses if s.until > now]
        quota = any(s.quota for _, s in statuses)
        soonest = min((s.until for _, s in statuses if s.quota), default=0) if quota else min(thaws, default=0)
        return NoAccount(
            f"No account can take this call. {en}",
            f"没有可用的账号。{zh}",
            quota=quota,
            needs_person=all(s.state in ("needs_login", "paused") for _, s in statuses),
            retry_after=max(1.0, soonest - now) if soonest else None,
            code="rate_limit_exceeded" if quota else _code([s for _, s in statuses]),
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
                self.check(waiter.card, waiter.needs, waiter.avoid, background=waiter.background)
            except (NoAccount, ModelNotFound) as error:
                self._waiting.remove(waiter)
                waiter.granted.set_exception(error)
        self._schedule_wake()


@dataclass(eq=False, slots=True)
class _Leased:
    """A call's lane, from when it is there until the call is over."""

    pool: AccountPool
    waiter: _Waiter
    account: Account = field(init=False)

    async def __aenter__(self) -> Lease:
        lease = await self.pool.begin(self.waiter)
        self.account = lease.account
        return lease

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.pool.end(self.account, self.waiter.needs, error)


def _skipped(account: Account, waiter: _Waiter, chosen: Account) -> Skipped | None:
    """Why an account could not take this call, or None when it could have."""
    if account.name in waiter.avoid:
        return Skipped(account.name, "tried")
    status = account.status(*waiter.needs)
    if status.state != "ready":
        return Skipped(account.name, status.state, status.why, status.until)
    if not account.offer(waiter.card):
        return Skipped(account.name, "no_model")
    if account.fallback and not chosen.fallback:
        return Skipped(account.name, "fallback")
    return None


def _feasible(account: Account, waiter: _Waiter) -> bool:
    """Whether the account can take the call, if not now then as soon as it has signed in or a lane is free."""
    usable = account.status(*waiter.needs).usable
    return usable and (not account.is_open or account.offer(waiter.card) is not None)


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


def _words(account: Account, status: AccountStatus, needs: tuple[Capability, ...], now: float, *, zh: bool) -> str:
    """How an account stands for a call, in words; of one that rests only in part it says in which."""
    state = STATE_WORDS[status.state].for_("zh" if zh else "en")
    resting = [need for need in needs if not account.circuits[need].admits(now)]
    if status.state == "cooling" and resting and account.status().state != status.state:
        named = "、".join(CAPABILITY_WORDS[need].zh for need in resting)
        state += f"（{named}）" if zh else f" for {', '.join(resting)}"
    why = status.why.zh if zh else status.why.en
    left = math.ceil(status.until - now) if status.until > now else 0
    wait = (f"，{left} 秒后恢复" if zh else f", {left} s left") if left else ""
    if not (why or wait):
        return state
    return f"{state}（{why}{wait}）" if zh else f"{state} ({why}{wait})"


def _code(statuses: list[AccountStatus]) -> str:
    states = {status.state for status in statuses}
    if "needs_login" in states:
        return "cookie_expired"
    if "blocked" in states:
        return "ip_blocked"
    codes = {status.code for status in statuses}
    return codes.pop() or "no_account" if len(codes) == 1 else "no_account"
