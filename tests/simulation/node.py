"""A process of the fleet, built of the product's own parts, whose every way out is a door of the simulation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from random import Random
from typing import Any, Protocol

from gemgate.errors import NO_TEXT, GatewayError
from gemgate.fleet.heartbeat import Heartbeat
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.image_delivery import ImagePipeline, _Processed
from gemgate.imaging.header import Header
from gemgate.jobs.rules import JobRules
from gemgate.jobs.runner import Runner
from gemgate.jobs.worker import Worker
from gemgate.outbound import GuardedFetcher
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool
from gemgate.pool.record import AccountRecord
from gemgate.pool.refresher import SessionRefresher
from gemgate.pool.registry import LEASE_SECONDS, AccountRegistry
from gemgate.pool.status import Egress
from gemgate.ports.accounts import AccountSetup
from gemgate.ports.runtime import TelemetryEvent
from gemgate.ports.upstream import Fetched
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.telemetry import Observers
from tests.simulation.google import Google, VirtualUpstream
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Door
from tests.simulation.response_rows import MemoryResponses

MODEL = "gemini-flash"
PATIENCE = 40.0
LANES = 2
RULES = Rules(failures=3, failure_seconds=20.0, limit_seconds=60.0, blocked_seconds=20.0)
WHOSE: ContextVar[Any] = ContextVar("whose", default=None)
"""The process that a task belongs to."""


class Shared(Protocol):
    """What all processes of a run reach by their doors."""

    google: Google
    jobs: Any
    accounts: Any
    conversations: Any
    blobs: Any
    gallery: Any
    loop: VirtualLoop


class Images(ImagePipeline):
    """The product's road of an image, without its pixels."""

    def _worked(self, fetched: Fetched, options: Any, remove: bool) -> _Processed:
        digest = hashlib.sha256(fetched.data).hexdigest()
        return _Processed(fetched.data, Header("image/png", 64, 64), digest, "kept", False, NO_TEXT)


class Node:
    """`life`: how often this process was started; worker and journal go by it, accounts by its number alone."""

    def __init__(self, shared: Shared, number: int, life: int, door: Door, seed: int) -> None:
        self.name = f"node-{number}"
        self.owner = f"{self.name}/{life}"
        self.door = door
        self.born = door.monotonic()
        self.died_at = float("inf")
        self.up = self.stopping = False
        self.facts: list[tuple[float, TelemetryEvent]] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.services: set[asyncio.Task[Any]] = set()
        self.upstreams: dict[str, VirtualUpstream] = {}
        self.listeners: list[Callable[[TelemetryEvent], None]] = []
        self.announcer: Heartbeat | None = None
        self.shared = shared
        dice = Random(f"{seed} {self.owner}").random
        self.pool = AccountPool(clock=door, random=dice, patience=PATIENCE)
        self._random = dice
        self.account_registry = AccountRegistry(
            self.pool,
            door.store(shared.accounts),
            self._build,
            owner=self.name,
            clock=door,
            observer=self,
            rotate_every=0.0,
        )
        self.account_registry.on_added, self.account_registry.on_removed = self._joined, self._parted
        attachments = Attachments(GuardedFetcher(), None, max_bytes=10**6, max_pixels=10**6)
        images = Images(door.store(shared.blobs), door.store(shared.gallery), clock=door, observer=self)
        self.conversations = Conversations(door.store(shared.conversations), clock=door, lease_seconds=150.0)
        limiter = MovingWindowLimiter(per_hour=0, model_interval=0, clock=door)
        self.gateway = Gateway(
            self.pool,
            limiter,
            attachments,
            images,
            self.conversations,
            clock=door,
            observer=self,
            default_model=MODEL,
        )
        self.jobs = door.store(shared.jobs)
        runner = Runner(self.gateway, attachments, door, MemoryResponses())
        self.worker = Worker(
            self.jobs,
            runner,
            self.pool,
            self.owner,
            door,
            dice,
            self,
            JobRules(poll=2.0),
            adopt=self.account_registry.renew,
        )
        self._keepers: dict[str, asyncio.Task[None]] = {}

    def emit(self, fact: TelemetryEvent) -> None:
        self.facts.append((self.door.monotonic(), fact))
        for listener in tuple(self.listeners):
            listener(fact)

    async def _build(self, setup: AccountSetup, address: Egress, keep: AccountRecord) -> Account:
        number = int(setup.name.removeprefix("account-"))
        upstream = self.upstreams[setup.name] = VirtualUpstream(self.shared.google, self.door, setup.name, number)
        return Account(
            setup.name,
            upstream,
            None,
            lanes=LANES,
            pacer=Pacer(0),
            rules=RULES,
            address=address,
            clock=self.door,
            random=self._random,
            observer=self,
            keep=keep,
        )

    def run(self, deed: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Do something as this process."""
        context = copy_context()
        context.run(WHOSE.set, self)
        task = self.door.world.loop.create_task(deed, name=f"{self.owner} {name}", context=context)
        self.services.add(task)
        task.add_done_callback(self.services.discard)
        return task

    def _joined(self, account: Account) -> None:
        self.emit(TelemetryEvent("account.joined", data={"account": account.name}))
        refresher = SessionRefresher(account, rotate_every=0.0, clock=self.door, random=self._random, observer=self)
        self._keepers[account.name] = self.run(refresher.run(), f"keeper {account.name}")

    def _parted(self, account: Account) -> None:
        self.emit(TelemetryEvent("account.parted", data={"account": account.name}))
        if refresher := self._keepers.pop(account.name, None):
            refresher.cancel()

    async def start(self) -> None:
        """As the assembly does. StorageDown: the process ends, and is started again."""
        await self.account_registry.start(())
        self.run(self._renew(), "leases")
        self.run(self.worker.work(), "worker")
        if self.announcer is not None:
            self.listeners.append(Observers([self.announcer]).emit)
            self.run(self.announcer.run(), "announcer")
        self.up = True

    async def _renew(self) -> None:
        while True:
            await self.door.sleep(LEASE_SECONDS / 3)
            try:
                async with asyncio.timeout(LEASE_SECONDS / 3):
                    await self.account_registry.renew()
            except (GatewayError, TimeoutError) as error:
                self.emit(TelemetryEvent("accounts.not_renewed", data={"why": str(error)}))

    async def stop(self) -> None:
        """As SIGTERM does: what the worker runs is given back by the worker alone."""
        if self.announcer is not None:
            await self.announcer.leave()
        await self.worker.stop()
        own = self.services - {asyncio.current_task()}
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        await self.account_registry.close()
