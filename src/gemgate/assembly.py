"""The only file that knows everybody: builds a gateway from settings, runs its background loops, takes it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from gemgate import telemetry
from gemgate.cookies.env import FixedSource
from gemgate.gateway import Gateway
from gemgate.keepalive import Keeper
from gemgate.member import Address, Member
from gemgate.policy.breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool import AccountPool
from gemgate.ports import Clock, Deadlines, Dice, Observer
from gemgate.settings import Settings
from gemgate.stores.limits import MovingWindowLimiter
from gemgate.telemetry import LogLines, Metrics, Observers, RecentRequests, SystemClock
from gemgate.upstreams.web import WebUpstream


async def supervise(name: str, loop: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a background loop for ever: what it did not foresee is logged, and it starts again after a while."""
    pause = 1.0
    while True:
        began = clock.monotonic()
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the one place that may
            structlog.stdlib.get_logger("gemgate").exception("loop.failed", loop=name)
        pause = 1.0 if clock.monotonic() - began > 60 else min(60.0, pause * 2)
        await clock.sleep(pause)


@dataclass(slots=True)
class Service:
    """A running gateway with what its doors need beside it."""

    settings: Settings
    gateway: Gateway
    pool: AccountPool
    limiter: MovingWindowLimiter
    metrics: Metrics
    recent: RecentRequests
    observer: Observer
    clock: Clock
    dice: Dice
    started_at: float
    loops: set[asyncio.Task[None]] = field(default_factory=set)

    def run(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Start a supervised background loop that ends with the service."""
        task = asyncio.create_task(supervise(name, loop, self.clock), name=name)
        self.loops.add(task)
        task.add_done_callback(self.loops.discard)

    async def close(self) -> None:
        for task in tuple(self.loops):
            task.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)
        for member in self.pool.members:
            await member.upstream.close()


@asynccontextmanager
async def open_service(
    settings: Settings, *, clock: Clock | None = None, dice: Dice = telemetry.system_dice
) -> AsyncIterator[Service]:
    """Everything built and running. Never waits for Google: accounts open in the background."""
    clock = clock or SystemClock()
    metrics, recent = Metrics(), RecentRequests()
    observer = Observers([metrics, recent, LogLines()])
    limiter = MovingWindowLimiter(
        per_hour=settings.rate_limit_per_hour,
        model_interval=settings.model_interval_seconds,
        clock=clock,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        when_down=settings.redis_down,
    )
    pool = AccountPool(clock=clock, dice=dice)
    gateway = Gateway(
        pool,
        limiter,
        clock=clock,
        observer=observer,
        default_model=settings.default_model,
        temporary_chats=settings.history == "temporary",
    )
    service = Service(settings, gateway, pool, limiter, metrics, recent, observer, clock, dice, clock.now())
    try:
        _add_accounts(service)
        yield service
    finally:
        await service.close()


def _add_accounts(service: Service) -> None:
    settings = service.settings
    cookies = settings.environment_cookies
    if cookies is None:
        return
    address = Address(settings.proxy_url or "direct")
    member = Member(
        "default",
        WebUpstream(
            proxy=settings.proxy_url,
            ca_file=str(settings.proxy_ca_file) if settings.proxy_ca_file else None,
            lanes=settings.concurrency,
            deadlines=deadlines(settings),
        ),
        FixedSource(cookies),
        lanes=settings.concurrency,
        pacer=Pacer(settings.rpm_limit),
        rules=Rules(failure_seconds=settings.cooldown_auth_seconds, limit_seconds=settings.cooldown_429_seconds),
        address=address,
        clock=service.clock,
        dice=service.dice,
        observer=service.observer,
    )
    service.pool.add(member)
    keeper = Keeper(
        member,
        rotate_every=settings.cookie_refresh_seconds,
        clock=service.clock,
        dice=service.dice,
        observer=service.observer,
    )
    service.run(f"account {member.name}", keeper.tend)


def deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        first_byte=settings.first_byte_timeout_seconds,
        idle=settings.idle_timeout_seconds,
        total=settings.request_timeout_seconds,
    )
