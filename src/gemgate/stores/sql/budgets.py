"""Budgets, counted in the database: exact over all processes that share it, and over restarts.

A call is charged before it is sent, by one transaction that holds the counters' rows; when it has ended, what it came
to stands in the charge's place. A process that dies leaves its charges counted as they were taken: a budget is never
overdrawn for that. Tokens are known at the end only, so calls under way may pass their limit by what they bring.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.caller import NO_BUDGET, THINGS, Budget, Cost, Left, told
from gemgate.errors import OverBudget, RateLimited, StorageDown
from gemgate.frozen import frozen
from gemgate.lazy_import import later
from gemgate.ports.runtime import Clock
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.schema import budget_charge, budget_use, client_key

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

LEASE, BEAT = 30.0, 10.0
"""Seconds for which a call counts as in flight unless its process says so again, and between two times it does."""
SOON = 1.0
"""Seconds until another try when too many are in flight."""
PAUSES = (0.02, 0.05, 0.1)
"""Seconds between looks at what is in flight, before a call is refused for it."""
KEPT_DAYS = 62
"""Days for which counters and charges of the dead are kept."""
FLIGHT = "at_once"
_ALL = "all"


@frozen
class _Scope:
    """Whose budget: `key` or `all`, the name of its rows, and its limits."""

    kind: Literal["key", "all"]
    name: str
    budget: Budget


@frozen
class _Settlement:
    """What a run of a charge came to. again: an earlier run had taken it; mark: stands in the charge's row as its owner
    once this is counted and the charge goes on, so that it is not counted twice.
    """

    charge: str
    used: Cost
    over: bool
    again: bool
    mark: str


class SqlBudgets:
    """overall: of all calls together; each: of every key, where its own says nothing else; callers without a key are
    one together.
    """

    def __init__(self, database: Database, clock: Clock, overall: Budget = NO_BUDGET, each: Budget = NO_BUDGET) -> None:
        self._database = database
        self._clock = clock
        self.overall = overall
        self.each = each
        self._owner = secrets.token_hex(8)
        self._mine: dict[str, tuple[int, bool]] = {}
        """Charges taken here and not settled: by how many runs, and whether an earlier one had taken them."""
        self._flying: set[str] = set()
        self._ended: list[_Settlement] = []
        self._settlements = 0
        self._told = asyncio.Event()
        self._settling = asyncio.Lock()

    async def take(
        self, charge: str, tenant: str, budget: Budget | None, cost: Cost, *, at_once: bool
    ) -> tuple[Left, ...]:
        scopes = await self._scopes(tenant, budget)
        if not scopes:
            return ()
        for pause in PAUSES:
            try:
                return await self._taken(scopes, charge, tenant, cost, at_once=at_once)
            except RateLimited as error:
                if isinstance(error, OverBudget):
                    raise
            await asyncio.sleep(pause)  # whoever calls again at once may come before we know of the last one's end
        return await self._taken(scopes, charge, tenant, cost, at_once=at_once)

    async def _taken(
        self, scopes: Sequence[_Scope], charge: str, tenant: str, cost: Cost, *, at_once: bool
    ) -> tuple[Left, ...]:
        await self.written()
        async with self._database.writing() as connection:
            found = await connection.execute(select(budget_charge.c.id).where(budget_charge.c.id == charge))
            paid = found.first() is not None
            left = await self._judged(connection, scopes, Cost(0) if paid else cost, at_once=at_once)
            until = epoch_now() + LEASE if at_once else 0.0
            if paid:
                taken = update(budget_charge).where(budget_charge.c.id == charge).values(owner=self._owner, until=until)
                await connection.execute(taken)
            else:
                await self._counted(connection, [scope.name for scope in scopes], self._clock.now(), cost)
                values = {
                    "id": charge, "scope": _name(tenant), "at": self._clock.now(), "calls": cost.calls,
                    "images": cost.images, "videos": cost.videos, "owner": self._owner, "until": until,
                }  # fmt: skip
                await connection.execute(self._insert(budget_charge).values(values))
            # Before the commit: whoever is cut off in it has it to settle all the same.
            self._open(charge, again=paid)
            if at_once:
                self._flying.add(charge)
        return left

    async def check(self, tenant: str, budget: Budget, cost: Cost) -> None:
        if scopes := await self._scopes(tenant, budget):
            await self.written()
            async with self._database.writing() as connection:
                await self._judged(connection, scopes, cost, at_once=False)

    async def standing(self, keys: Mapping[str, Budget]) -> Mapping[str | None, tuple[Left, ...]]:
        await self.written()
        now = self._clock.now()
        names = {"day": _period("day", now), "month": _period("month", now)}
        flying = (
            select(budget_charge.c.scope, func.count())
            .where(budget_charge.c.until > epoch_now())
            .group_by(budget_charge.c.scope)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(select(budget_use).where(budget_use.c.period.in_(names.values())))
            used = {(row.scope, row.period): row for row in rows}
            flights = {scope: int(count) for scope, count in await connection.execute(flying)}
        flights[_ALL] = sum(flights.values())
        found: dict[str | None, tuple[Left, ...]] = {}
        for whose, scope in [
            (None, _Scope("all", _ALL, self.overall)),
            *((key, self._own(key, keys[key])) for key in keys),
        ]:
            left = [
                Left(scope.kind, f"{thing}_per_{period}", limit, max(0, limit - amount), seconds_left(period, now))
                for thing, period, limit in scope.budget.rules()
                for amount in (getattr(used.get((scope.name, names[period])), thing, 0),)
            ]
            if (most := scope.budget.limits.get(FLIGHT)) is not None:
                left.append(Left(scope.kind, FLIGHT, most, max(0, most - flights.get(scope.name, 0)), 0.0))
            found[whose] = tuple(left)
        return found

    def resume(self, charge: str) -> None:
        self._open(charge, again=self._mine.get(charge, (0, True))[1])

    def _open(self, charge: str, *, again: bool) -> None:
        self._mine[charge] = self._mine.get(charge, (0, again))[0] + 1, again

    def settle(self, charge: str, used: Cost, *, over: bool) -> None:
        if charge not in self._mine:
            return
        runs, again = self._mine[charge]
        self._settlements += 1
        mark = f"{self._owner}/{self._settlements}"
        self._ended.append(_Settlement(charge, used, over, again, mark))
        if over or runs == 1:
            del self._mine[charge]
        else:
            self._mine[charge] = runs - 1, again
        self._told.set()

    async def tend(self) -> None:
        """Write what calls came to as soon as they end, and say which are in flight; runs for ever."""
        swept = -math.inf
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT):
                        await self._told.wait()
                with contextlib.suppress(StorageDown):
                    await self.written()
                    await self._beat()
                    if self._clock.monotonic() - swept > 3_600:
                        swept = self._clock.monotonic()
                        await self._sweep()
                if self._ended:  # the database is away
                    await asyncio.sleep(1.0)
        finally:
            with contextlib.suppress(StorageDown):
                await self.written()

    async def written(self) -> None:
        """Return when all that was settled so far is counted. StorageDown: it waits on."""
        if not self._ended and not self._settling.locked():
            return
        async with self._settling:
            self._told.clear()
            ended, self._ended = self._ended, []
            if not ended:
                return
            try:
                async with self._database.writing() as connection:
                    for one in sorted(ended, key=lambda one: one.charge):
                        await self._settled(connection, one)
            except BaseException:
                self._ended = ended + self._ended
                self._told.set()
                raise
            self._flying.difference_update(one.charge for one in ended if one.charge not in self._mine)

    async def _settled(self, connection: AsyncConnection, one: _Settlement) -> None:
        """A charge that is gone or bears the mark was settled before, by a commit of which we never heard; one that
        another process has taken over is its own to settle.
        """
        query = select(budget_charge).where(budget_charge.c.id == one.charge).with_for_update()
        owner, used = budget_charge.c.owner, one.used
        taken = (
            await connection.execute(query.where(owner != one.mark if one.again else owner == self._owner))
        ).first()
        if taken is None:
            return
        mine = budget_charge.c.id == taken.id
        more = Cost(0, used.tokens)
        if one.over:
            # What earlier runs of a task made is not in `used`: then nothing is given back.
            least = Cost(0) if one.again else Cost(-taken.calls, 0, -taken.images, -taken.videos)
            more = Cost(
                max(least.calls, min(0, used.calls - taken.calls)),
                used.tokens,
                max(least.images, used.images - taken.images),
                max(least.videos, used.videos - taken.videos),
            )
            await connection.execute(delete(budget_charge).where(mine))
        else:
            await connection.execute(update(budget_charge).where(mine).values(until=0.0, owner=one.mark))
        await self._counted(connection, [_ALL, taken.scope], taken.at, more, begun=True)

    async def _scopes(self, tenant: str, budget: Budget | None) -> list[_Scope]:
        """Whose budgets a call is counted against, in the one order in which their rows are held."""
        if budget is None:
            budget = await self._budget_of(tenant)
        if not (budget or self.overall or self.each):
            return []
        scopes = [_Scope("all", _ALL, self.overall), self._own(tenant, budget)]
        return [scope for scope in scopes if scope.budget]

    def _own(self, tenant: str, budget: Budget) -> _Scope:
        return _Scope("key", _name(tenant), Budget.of({**self.each.limits, **budget.limits}) if self.each else budget)

    async def _budget_of(self, tenant: str) -> Budget:
        if not tenant:
            return NO_BUDGET
        query = select(client_key.c.budget).where(client_key.c.name == tenant)
        async with self._database.reading() as connection:
            text = (await connection.execute(query)).scalar_one_or_none()
        return Budget.parse(text or "")

    async def _judged(
        self, connection: AsyncConnection, scopes: Sequence[_Scope], cost: Cost, *, at_once: bool
    ) -> tuple[Left, ...]:
        """What will be left of each limit once it is counted. OverBudget, RateLimited for too many in flight."""
        now = self._clock.now()
        left: list[Left] = []
        for scope in scopes:
            used = await self._used(connection, scope, now)
            for thing, period, limit in scope.budget.rules():
                before, wanted = used[thing, period], int(getattr(cost, thing))
                reset = seconds_left(period, now)
                one = Left(scope.kind, f"{thing}_per_{period}", limit, max(0, limit - before - wanted), reset)
                left.append(one)
                wanted = wanted or int(thing == "tokens" and cost.calls > 0)
                if wanted and before + wanted > limit:
                    raise _used_up(one, max(0, limit - before), now)
            most = scope.budget.limits.get(FLIGHT)
            if at_once and most is not None:
                flying = await self._in_flight(connection, scope)
                left.append(Left(scope.kind, FLIGHT, most, max(0, most - flying - 1), 0.0))
                if flying >= most:
                    raise _too_many(left[-1])
        return tuple(left)

    async def _used(self, connection: AsyncConnection, scope: _Scope, now: float) -> dict[tuple[str, str], int]:
        """What is used in this day and month; until the transaction ends nobody else may count there."""
        names = {"day": _period("day", now), "month": _period("month", now)}
        if FLIGHT in scope.budget.limits:
            names[FLIGHT] = FLIGHT
        for period in sorted(names.values()):
            empty = self._insert(budget_use).values(scope=scope.name, period=period)
            await connection.execute(empty.on_conflict_do_nothing())
        mine = (budget_use.c.scope == scope.name) & budget_use.c.period.in_(names.values())
        query = select(budget_use).where(mine).order_by(budget_use.c.period).with_for_update()
        rows = {row.period: row for row in await connection.execute(query)}
        return {(thing, at): getattr(rows[names[at]], thing) for at in ("day", "month") for thing in THINGS}

    async def _in_flight(self, connection: AsyncConnection, scope: _Scope) -> int:
        flying = budget_charge.c.until > epoch_now()
        if scope.kind == "key":
            flying &= budget_charge.c.scope == scope.name
        query = select(func.count()).select_from(budget_charge).where(flying)
        return int((await connection.execute(query)).scalar_one())

    async def _counted(
        self, connection: AsyncConnection, scopes: Iterable[str], at: float, cost: Cost, *, begun: bool = False
    ) -> None:
        """Add to the counters that exist of the day and month of `at`. begun: nobody holds their rows yet."""
        more = {thing: budget_use.c[thing] + amount for thing in THINGS if (amount := getattr(cost, thing))}
        if not more:
            return
        names = [_period("day", at), _period("month", at)]
        for scope in sorted(set(scopes)):
            for period in sorted(names) if begun else names:
                one = (budget_use.c.scope == scope) & (budget_use.c.period == period)
                await connection.execute(update(budget_use).where(one).values(more))

    async def _beat(self) -> None:
        if not self._flying:
            return
        flying = (budget_charge.c.owner == self._owner) & (budget_charge.c.until > 0)
        async with self._database.writing() as connection:
            await connection.execute(update(budget_charge).where(flying).values(until=epoch_now() + LEASE))

    async def _sweep(self) -> None:
        old = self._clock.now() - KEPT_DAYS * 86_400
        over = (budget_use.c.period != FLIGHT) & (budget_use.c.period < _period("day", old))
        async with self._database.writing() as connection:
            await connection.execute(delete(budget_charge).where(budget_charge.c.at < old))
            await connection.execute(delete(budget_use).where(over))

    def _insert(self, table: Any) -> Any:
        return (sqlite_insert if self._database.is_sqlite else postgresql.insert)(table)


def seconds_left(period: str, now: float) -> float:
    """Until the day or month of UTC is over."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return (today + timedelta(days=1)).timestamp() - now
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp() - now


def _period(period: str, at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d" if period == "day" else "%Y-%m")


def _name(tenant: str) -> str:
    return f"key:{tenant}"


_WORDS = {"calls": "调用", "tokens": "token", "images": "图片", "videos": "视频", "day": "每日", "month": "每月"}


def _used_up(left: Left, remaining: int, now: float) -> OverBudget:
    thing, _, period = left.name.partition("_per_")
    wait = float(max(1, math.ceil(left.reset)))
    when = datetime.fromtimestamp(now + left.reset, UTC).strftime("%Y-%m-%d %H:%M")
    whose, whose_zh = ("of this key", "该密钥的") if left.scope == "key" else ("of all keys together", "所有密钥合计的")
    return OverBudget(
        f"The budget {whose} of {left.limit} {thing} a {period} has {remaining} left, which is not enough; "
        f"it begins anew at {when} UTC",
        f"{whose_zh}{_WORDS[period]}{_WORDS[thing]}额度 {left.limit} 剩余 {remaining}，不足以完成本次请求；"
        f"将于 {when} UTC 重置",
        retry_after=wait,
        code="insufficient_quota",
        details={"rule": left.name, "budget": told([Left(left.scope, left.name, left.limit, remaining, left.reset)])},
    )


def _too_many(left: Left) -> RateLimited:
    whose, whose_zh = ("of this key", "该密钥") if left.scope == "key" else ("of all keys together", "所有密钥合计")
    return RateLimited(
        f"{left.limit} calls {whose} are in flight, and no more may be at once; try again when one has ended",
        f"{whose_zh}同时进行的调用已达上限 {left.limit}，请在其中之一结束后重试",
        retry_after=SOON,
        code="rate_limit_exceeded",
        details={"rule": FLIGHT, "budget": told([left])},
    )
