"""A running node: its parts, its loops, its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemgate.accounts import AccountModel
from gemgate.alerts.monitor import AlertMonitor
from gemgate.caller import Caller
from gemgate.errors import StorageDown
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.own_images import OwnImages
from gemgate.gateway.thumbnails import Thumbnails
from gemgate.jobs import Jobs
from gemgate.jobs.answers import Answers
from gemgate.jobs.background import BackgroundAnswers
from gemgate.jobs.research import Researches
from gemgate.machine import Machine
from gemgate.pool.account import Account
from gemgate.pool.history import History
from gemgate.pool.paired import PairedBrowsers
from gemgate.pool.pool import AccountPool
from gemgate.pool.registry import AccountRegistry
from gemgate.ports.blobs import BlobStore
from gemgate.ports.conversations import ResponseStore
from gemgate.ports.runtime import Clock, Random
from gemgate.ports.usage_windows import WindowStore
from gemgate.settings import Settings
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.stores.sql.alerts import SqlAlertStore
from gemgate.stores.sql.budgets import SqlBudgets
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.files import SqlFileStore
from gemgate.stores.sql.gallery import SqlGallery
from gemgate.stores.sql.kept_media import MediaShare
from gemgate.stores.sql.kept_words import ChatShare
from gemgate.stores.sql.keys import SqlKeyStore
from gemgate.stores.uploads import ResumableUploads
from gemgate.telemetry import CallSeries, Metrics, Observers, RecentRequests
from gemgate.telemetry.logs import get_logger
from gemgate.telemetry.usage import UsageLedger

if TYPE_CHECKING:
    from gemgate.assembly.live_settings import LiveSettings


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
            get_logger().exception("loop.failed", loop=name)
        pause = 1.0 if clock.monotonic() - began > 60 else min(60.0, pause * 2)
        await clock.sleep(pause)


@dataclass(slots=True, kw_only=True)
class Loops:
    """Supervised loops in the background, of a node or of the front of a fleet."""

    clock: Clock
    loops: set[asyncio.Task[None]] = field(default_factory=set)

    def run(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Start a supervised background loop that ends with us."""
        return self._started(asyncio.create_task(supervise(name, loop, self.clock), name=name))

    def run_once(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Something in the background that ends by itself."""
        return self._started(asyncio.create_task(work(), name=name))

    def _started(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self.loops.add(task)
        task.add_done_callback(self.loops.discard)
        return task

    async def stop(self) -> None:
        """End all of them."""
        for task in tuple(self.loops):
            task.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)


@dataclass(slots=True, kw_only=True)
class Service(Loops):
    """A running gateway with what its doors need beside it."""

    settings: Settings
    live: LiveSettings
    gateway: Gateway
    pool: AccountPool
    account_registry: AccountRegistry
    history: History
    database: Database
    blobs: BlobStore
    files: SqlFileStore
    gallery: SqlGallery
    keys: SqlKeyStore
    paired: PairedBrowsers
    alerts: AlertMonitor
    alert_store: SqlAlertStore
    thumbnails: Thumbnails
    jobs: Jobs
    answers: Answers
    background: BackgroundAnswers
    windows: WindowStore
    researches: Researches
    responses: ResponseStore
    interactions: ResponseStore
    chat_share: ChatShare
    media_share: MediaShare
    uploads: ResumableUploads
    own_images: OwnImages
    limiter: MovingWindowLimiter
    machine: Machine
    metrics: Metrics
    recent: RecentRequests
    series: CallSeries
    usage: UsageLedger
    budgets: SqlBudgets
    observer: Observers
    random: Random
    started_at: float
    announcer: Heartbeat | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting came from, when that is known."""
    unattended: set[asyncio.Future[Any]] = field(default_factory=set)
    """What goes on though nobody waits for it."""

    @property
    def degraded(self) -> str:
        return self.limiter.degraded

    def troubles(self, language: str = "en") -> list[str]:
        """What is amiss but for accounts, a sentence each."""
        return [
            *(text for text in (self.limiter.degraded,) if text),
            *(shortage.text(language) for shortage in self.machine.shortages),
        ]

    def models(self) -> tuple[AccountModel, ...]:
        return self.pool.models()

    async def measure(self, name: str, caller: Caller) -> Account:
        """Find out how much of a prompt an account reads, with the default text model."""
        model = self.gateway.resolve(self.settings.default_model, caller.tenant)
        return await self.account_registry.measure(name, model, lambda: f"zv{secrets.token_hex(4)}", caller)

    async def audit(self, caller: Caller, action: str, account: str, detail: str = "") -> None:
        await self.account_registry.note(caller, action, account, detail)

    def finish(self, work: asyncio.Future[Any]) -> None:
        """Let work go on though nobody waits for it any more."""
        self.unattended.add(work)
        work.add_done_callback(self.unattended.discard)

    async def close(self) -> None:
        """End what runs, after a moment for what nobody waits for; what it stands on is closed by who opened it."""
        if self.unattended:
            _, late = await asyncio.wait(tuple(self.unattended), timeout=self.jobs.worker.rules.grace)
            for work in late:
                work.cancel()
        await self.stop()
        with suppress(StorageDown):
            await self.usage.written()
            await self.budgets.written()
        for account in self.pool.accounts:
            await account.upstream.close()
        await self.account_registry.close()
