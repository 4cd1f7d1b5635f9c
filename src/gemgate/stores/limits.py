"""Our limits towards clients: one call of a model every few seconds, so many calls an hour.

A moving window in process memory, or in Redis for several processes. The model rule is asked first, so that a call it
refuses costs nothing of the hour (engines.md b). When Redis is away the policy decides, and every 5 s one call tries it
again while all others go on: a Redis that hangs costs nobody more than its time limit, and hardly anybody that.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Literal

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from gemgate.errors import Busy, GatewayError, RateLimited
from gemgate.ports import Caller, Clock, Quota

WhenDown = Literal["local", "closed", "open"]

REDIS_TIMEOUT = 0.25
PROBE_EVERY = 5.0
AT_ONCE = 8
"""Calls that ask Redis at the same time: in a burst of hundreds the time limit must measure Redis, not our queue."""


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
        self._per_hour = per_hour
        self._interval = math.ceil(model_interval)
        self._clock = clock
        self._when_down = when_down
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared: MovingWindowRateLimiter | None = None
        self._storage: RedisStorage | None = None
        self._connections: Any = None
        if redis_url:
            self._storage, self._connections = _redis(redis_url)
            self._shared = MovingWindowRateLimiter(self._storage)
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
        per_hour = self._per_hour if caller.per_hour is None else caller.per_hour
        hourly = RateLimitItemPerHour(per_hour) if per_hour else None
        model_rule = RateLimitItemPerSecond(1, self._interval) if self._interval else None
        if not hourly and not model_rule:
            return Quota()
        if self._shared is not None:
            async with self._turns:
                if self._may_ask():
                    try:
                        quota = await self._count(self._shared, caller.client, model, model_rule, hourly)
                    except StorageError as error:
                        self._lost(type(error.storage_error).__name__)
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
        self,
        limiter: MovingWindowRateLimiter,
        client: str,
        model: str,
        model_rule: RateLimitItem | None,
        hourly: RateLimitItem | None,
    ) -> Quota:
        if model_rule and not await limiter.hit(model_rule, "model", client, model):
            wait = await self._wait(limiter, model_rule, "model", client, model)
            raise RateLimited(
                f"The model {model} is called too often; try again in {wait:.0f} seconds",
                f"模型 {model} 调用过于频繁，请等待 {wait:.0f} 秒后重试",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": 1, "remaining": 0, "reset": wait, "rule": "model"},
            )
        if not hourly:
            return Quota()
        if not await limiter.hit(hourly, "hour", client):
            wait = await self._wait(limiter, hourly, "hour", client)
            raise RateLimited(
                f"The limit of {hourly.amount} calls an hour is used up; try again in {wait:.0f} seconds",
                f"每小时 {hourly.amount} 次调用的上限已用完，请等待 {wait:.0f} 秒后重试",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": hourly.amount, "remaining": 0, "reset": wait, "rule": "hour"},
            )
        stats = await limiter.get_window_stats(hourly, "hour", client)
        return Quota(hourly.amount, stats.remaining, max(0.0, stats.reset_time - self._clock.now()))

    async def _wait(self, limiter: MovingWindowRateLimiter, rule: RateLimitItem, *key: str) -> float:
        """Whole seconds, at least 1, until the oldest counted call leaves the window."""
        try:
            stats = await limiter.get_window_stats(rule, *key)
        except StorageError:
            return float(rule.get_expiry())  # refused is refused, even if Redis went away in between
        return float(max(1, math.ceil(stats.reset_time - self._clock.now())))


def _redis(url: str) -> tuple[RedisStorage, Any]:
    """Counters in Redis, and its connections; GatewayError without the extra or for a bad URL."""
    url = url.removeprefix("async+")
    bounds = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
    try:
        from redis.asyncio import ConnectionPool  # noqa: PLC0415 - the extra `redis`

        pool: Any = ConnectionPool.from_url(url, **bounds)
    except ImportError:
        raise GatewayError(
            "REDIS_URL is set, but the driver is not installed: pip install 'gemgate[redis]'",
            "已设置 REDIS_URL，但未安装驱动：pip install 'gemgate[redis]'",
            code="redis_url",
        ) from None
    except ValueError:
        raise GatewayError(
            "REDIS_URL must be redis://[:PASSWORD@]HOST:PORT/NUMBER, rediss://... or unix://PATH",
            "REDIS_URL 必须是 redis://[:密码@]主机:端口/编号、rediss://… 或 unix://路径",
            code="redis_url",
        ) from None
    storage = RedisStorage(
        "async+redis://",
        connection_pool=pool,
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="gemgate",
    )
    return storage, pool
