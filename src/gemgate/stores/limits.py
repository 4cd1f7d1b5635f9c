"""Our limits towards clients: one call of a model every few seconds, so many calls an hour.

A moving window in process memory, or in Redis for several processes. The model rule is asked first, so that a call it
refuses costs nothing of the hour (engines.md b). When Redis is away the policy decides; it is asked again every 5 s.
"""

from __future__ import annotations

import math
from typing import Literal

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from gemgate.errors import Busy, RateLimited
from gemgate.ports import Caller, Clock, Quota

WhenDown = Literal["local", "closed", "open"]

REDIS_TIMEOUT = 0.25
PROBE_EVERY = 5.0


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
        if redis_url:
            storage = RedisStorage(
                redis_url if redis_url.startswith("async+") else "async+" + redis_url,
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix="gemgate",
                socket_timeout=REDIS_TIMEOUT,
                socket_connect_timeout=REDIS_TIMEOUT,
            )
            self._shared = MovingWindowRateLimiter(storage)
        self._down_until = 0.0
        self._degraded = ""

    @property
    def degraded(self) -> str:
        """Empty, or what is amiss with the shared limits."""
        return self._degraded

    async def take(self, caller: Caller, model: str) -> Quota:
        """Count one call of `model`. RateLimited names the seconds; Busy without Redis if the policy is closed."""
        per_hour = self._per_hour if caller.per_hour is None else caller.per_hour
        hourly = RateLimitItemPerHour(per_hour) if per_hour else None
        model_rule = RateLimitItemPerSecond(1, self._interval) if self._interval else None
        if not hourly and not model_rule:
            return Quota()
        if self._shared is not None and self._clock.monotonic() >= self._down_until:
            try:
                quota = await self._count(self._shared, caller.client, model, model_rule, hourly)
            except StorageError as error:
                self._down_until = self._clock.monotonic() + PROBE_EVERY
                self._degraded = f"Redis is away ({type(error.storage_error).__name__}); policy: {self._when_down}"
            else:
                self._degraded = ""
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
                f"模型 {model} 调用过于频繁，请等待 {wait:.0f} 秒后重试 "
                f"(model {model} is called too often; try again in {wait:.0f} seconds)",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": 1, "remaining": 0, "reset": wait},
            )
        if not hourly:
            return Quota()
        if not await limiter.hit(hourly, "hour", client):
            wait = await self._wait(limiter, hourly, "hour", client)
            raise RateLimited(
                f"每小时 {hourly.amount} 次调用的上限已用完，请等待 {wait:.0f} 秒后重试 "
                f"(the limit of {hourly.amount} calls an hour is used up; try again in {wait:.0f} seconds)",
                retry_after=wait,
                code="rate_limit_exceeded",
                details={"limit": hourly.amount, "remaining": 0, "reset": wait},
            )
        stats = await limiter.get_window_stats(hourly, "hour", client)
        return Quota(hourly.amount, stats.remaining, max(0.0, stats.reset_time - self._clock.now()))

    async def _wait(self, limiter: MovingWindowRateLimiter, rule: RateLimitItem, *key: str) -> float:
        """Whole seconds, at least 1, until the oldest counted call leaves the window."""
        stats = await limiter.get_window_stats(rule, *key)
        return float(max(1, math.ceil(stats.reset_time - self._clock.now())))
