"""Our rate limits towards clients: one call of a model every few seconds, so many calls an hour.

A moving window in process memory, or in Redis for several processes. The model rule is asked first, so that a call it
refuses costs nothing of the hour (docs/decisions.md 25). When Redis is away the policy decides, and every 5 s one call
tries it again while all others go on: a Redis that hangs costs nobody more than its time limit, and hardly anybody
that.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gemgate.caller import Caller, Quota
from gemgate.errors import Busy, GatewayError, RateLimited
from gemgate.frozen import frozen
from gemgate.lazy_import import later
from gemgate.ports.runtime import Clock

if TYPE_CHECKING:
    import limits
    import limits.aio.storage
    import limits.aio.strategies
    import limits.errors
else:  # only with Redis
    limits = later("limits")

WhenDown = Literal["local", "closed", "open"]

REDIS_TIMEOUT = 0.25
PROBE_EVERY = 5.0
HOUR = 3600
AT_ONCE = 8
"""Calls that ask Redis at the same time: in a burst of hundreds the time limit must measure Redis, not our queue."""


@frozen
class _Rule:
    """So many calls in so many seconds, counted under a name."""

    name: str
    amount: int
    seconds: int


class _StorageAway(Exception):
    """Redis does not answer; the text says how."""


class _Window(Protocol):
    """Where calls are counted. _StorageAway."""

    async def hit(self, rule: _Rule, *key: str) -> bool:
        """Count one call; False, and nothing counted, when the window is full."""

    async def left(self, rule: _Rule, *key: str) -> tuple[int, float]:
        """How many more may come, and the seconds until the oldest counted call leaves the window."""


class _Memory:
    """The window in this process. A client that has not called for a whole window costs no memory.

    Ours and not `limits.aio.storage.MemoryStorage`, which walks through all clients while calls come, with a change of
    thread for each (95 µs of CPU a call at 1,000 clients, ours 7; limits 5.8), runs by the wall clock, and costs a
    plain start 40 ms and 5 MB.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[int, OrderedDict[tuple[str, ...], deque[float]]] = {}

    async def hit(self, rule: _Rule, *key: str) -> bool:
        now, calls = self._clock.monotonic(), self._of(rule)
        while calls and next(iter(calls.values()))[-1] <= now - rule.seconds:
            calls.popitem(last=False)  # ordered by the last call of each
        times = self._window(calls.get((rule.name, *key)), rule)
        if len(times) >= rule.amount:
            return False
        times.append(now)
        calls[rule.name, *key] = times
        calls.move_to_end((rule.name, *key))
        return True

    async def left(self, rule: _Rule, *key: str) -> tuple[int, float]:
        times = self._window(self._of(rule).get((rule.name, *key)), rule)
        if not times:
            return rule.amount, 0.0
        oldest = times[max(0, len(times) - rule.amount)]
        return max(0, rule.amount - len(times)), oldest + rule.seconds - self._clock.monotonic()

    def _of(self, rule: _Rule) -> OrderedDict[tuple[str, ...], deque[float]]:
        """Windows of one length, so that who called last is also who leaves last."""
        return self._calls.setdefault(rule.seconds, OrderedDict())

    def _window(self, times: deque[float] | None, rule: _Rule) -> deque[float]:
        times = times if times is not None else deque()
        while times and times[0] <= self._clock.monotonic() - rule.seconds:
            times.popleft()
        return times


class _Redis:
    """The window in Redis, for all processes."""

    def __init__(self, storage: limits.aio.storage.RedisStorage, clock: Clock) -> None:
        self._clock = clock
        self._windows = limits.aio.strategies.MovingWindowRateLimiter(storage)

    async def hit(self, rule: _Rule, *key: str) -> bool:
        try:
            return await self._windows.hit(self._item(rule), rule.name, *key)
        except limits.errors.StorageError as error:
            raise _StorageAway(type(error.storage_error).__name__) from error

    async def left(self, rule: _Rule, *key: str) -> tuple[int, float]:
        try:
            stats = await self._windows.get_window_stats(self._item(rule), rule.name, *key)
        except limits.errors.StorageError as error:
            raise _StorageAway(type(error.storage_error).__name__) from error
        return stats.remaining, stats.reset_time - self._clock.now()

    def _item(self, rule: _Rule) -> limits.RateLimitItem:
        if rule.seconds == HOUR:
            return limits.RateLimitItemPerHour(rule.amount)
        return limits.RateLimitItemPerSecond(rule.amount, rule.seconds)


class MovingWindowLimiter:
    """`per_hour` calls an hour and one call of a model every `model_interval` seconds, per client; 0 = off."""

    def __init__(
        self,
        *,
        per_hour: int,
        model_interval: float,
        clock: Clock,
        redis_url: str | None = None,
        when_down: WhenDown = "local",
    ) -> None:
        self.per_hour = per_hour
        self.interval = model_interval
        self._clock = clock
        self._when_down = when_down
        self._local = _Memory(clock)
        self._shared: _Redis | None = None
        self._storage: limits.aio.storage.RedisStorage | None = None
        self._connections: Any = None
        if redis_url:
            self._storage, self._connections = _redis(redis_url)
            self._shared = _Redis(self._storage, clock)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._down_until = 0.0
        self._degraded = ""

    @property
    def degraded(self) -> str:
        """Empty, or what is amiss with the shared limits."""
        return self._degraded

    async def take(self, caller: Caller, model: str) -> Quota:
        """Count one call of `model`. RateLimited names the seconds; Busy without Redis if the policy is closed."""
        if caller.quota is not None:
            return caller.quota
        per_hour = self.per_hour if caller.per_hour is None else caller.per_hour
        hourly = _Rule("hour", per_hour, HOUR) if per_hour else None
        model_rule = _Rule("model", 1, math.ceil(self.interval)) if self.interval else None
        if not hourly and not model_rule:
            return Quota()
        if self._shared is not None:
            async with self._turns:
                if self._may_ask():
                    try:
                        quota = await self._count(self._shared, caller.client, model, model_rule, hourly)
                    except _StorageAway as error:
                        self._lost(str(error))
                    else:
                        self._found()
                        return quota
        if self._shared is not None and self._when_down == "open":
            return Quota()
        if self._shared is not None and self._when_down == "closed":
            raise Busy(
                "Limits cannot be counted at the moment because Redis is away; try again in 5 seconds",
                "Redis 暂不可用，无法计数限流，请 5 秒后重试",
                retry_after=5.0,
                code="limits_unavailable",
            )
        return await self._count(self._local, caller.client, model, model_rule, hourly)

    async def probe(self) -> None:
        """Find out whether Redis is there, so that `degraded` is true also while nobody calls. At most 0.25 s or so."""
        if self._storage is not None:
            if await self._storage.check():
                self._found()
            else:
                self._lost("no answer")

    def _may_ask(self) -> bool:
        """Whether to ask Redis now: always while it is there; while it is away, one call in a while."""
        now = self._clock.monotonic()
        if now < self._down_until:
            return False
        if self._degraded:
            self._down_until = now + PROBE_EVERY
        return True

    def _lost(self, why: str) -> None:
        self._down_until = self._clock.monotonic() + PROBE_EVERY
        self._degraded = f"Redis is away ({why}); policy: {self._when_down}"

    def _found(self) -> None:
        self._degraded, self._down_until = "", 0.0

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._connections is not None:
            await self._connections.disconnect()

    async def _count(
        self, window: _Window, client: str, model: str, model_rule: _Rule | None, hourly: _Rule | None
    ) -> Quota:
        if model_rule and not await window.hit(model_rule, client, model):
            wait = await self._wait(window, model_rule, client, model)
            raise RateLimited(
                f"The model {model} is called too often; try again in {wait:.0f} seconds",
                f"模型 {model} 调用过于频繁，请等待 {wait:.0f} 秒后重试",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": 1, "remaining": 0, "reset": wait, "rule": "model"},
            )
        if not hourly:
            return Quota()
        if not await window.hit(hourly, client):
            wait = await self._wait(window, hourly, client)
            raise RateLimited(
                f"The limit of {hourly.amount} calls an hour is used up; try again in {wait:.0f} seconds",
                f"每小时 {hourly.amount} 次调用的上限已用完，请等待 {wait:.0f} 秒后重试",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": hourly.amount, "remaining": 0, "reset": wait, "rule": "hour"},
            )
        remaining, seconds = await window.left(hourly, client)
        return Quota(hourly.amount, remaining, max(0.0, seconds))

    async def _wait(self, window: _Window, rule: _Rule, *key: str) -> float:
        """Whole seconds, at least 1, until the oldest counted call leaves the window."""
        try:
            _, seconds = await window.left(rule, *key)
        except _StorageAway:
            return float(rule.seconds)  # refused is refused, even if Redis went away in between
        return float(max(1, math.ceil(seconds)))


def _redis(url: str) -> tuple[limits.aio.storage.RedisStorage, Any]:
    """Counters in Redis, and its connections; GatewayError without the extra or for a bad URL."""
    url = url.removeprefix("async+")
    bounds = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
    try:
        from redis.asyncio import ConnectionPool  # noqa: PLC0415 - the extra `redis`

        pool: Any = ConnectionPool.from_url(url, **bounds)
    except ImportError:
        raise GatewayError(
            "REDIS_URL is set, but the driver is not installed: pip install '.[redis]' in the checkout",
            "已设置 REDIS_URL，但未安装驱动：请在源码目录中执行 pip install '.[redis]'",
            code="redis_url",
        ) from None
    except ValueError:
        raise GatewayError(
            "REDIS_URL must be redis://[:PASSWORD@]HOST:PORT/NUMBER, rediss://... or unix://PATH",
            "REDIS_URL 必须是 redis://[:密码@]主机:端口/编号、rediss://… 或 unix://路径",
            code="redis_url",
        ) from None
    storage = limits.aio.storage.RedisStorage(
        "async+redis://",
        connection_pool=pool,
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="gemgate",
    )
    return storage, pool
