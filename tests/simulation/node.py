"""A process of the fleet, built of the product's own parts, whose every way out is a door of the simulation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from random import Random
from typing import Any, Protocol

from gemgate.attachments import Attachments
from gemgate.catalog import DEFAULT_IMAGE_MODEL
from gemgate.conversations import Conversations
from gemgate.errors import GatewayError
from gemgate.fetcher import GuardedFetcher
from gemgate.fleet.announcer import Announcer
from gemgate.gateway import Gateway
from gemgate.image_pipeline import ImagePipeline, _Worked
from gemgate.imaging.header import Header
from gemgate.jobs.rules import JobRules
from gemgate.jobs.runner import Runner
from gemgate.jobs.worker import Worker
from gemgate.keepalive import Keeper
from gemgate.member import Address, Keep, Member
from gemgate.policy.breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool import AccountPool
from gemgate.ports import AccountSetup, Fact, Fetched
from gemgate.roster import LEASE_SECONDS, Roster
from gemgate.stores.limits import MovingWindowLimiter
from tests.simulation.google import Google, VirtualUpstream
from tests.simulation.network import Door

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
    loop: asyncio.AbstractEventLoop


class Pictures(ImagePipeline):
    """The product's road of a picture, without its pixels."""

    def _worked(self, fetched: Fetched, options: Any, remove: bool) -> _Worked:
        digest = hashlib.sha256(fetched.data).hexdigest()
        return _Worked(fetched.data, Header("image/png", 64, 64), digest, "kept", False, ())


class Node:
    """`life`: how often this process was started; worker and journal go by it, accounts by its number alone."""

    def __init__(self, shared: Shared, number: int, life: int, door: Door, seed: int) -> None:
        self.name = f"node-{number}"
        self.owner = f"{self.name}/{life}"
        self.door = door
        self.born = door.monotonic()
        self.died_at = float("inf")
        self.up = self.stopping = False
        self.facts: list[tuple[float, Fact]] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.services: set[asyncio.Task[Any]] = set()
        self.upstreams: dict[str, VirtualUpstream] = {}
        self.listeners: list[Callable[[Fact], None]] = []
        self.announcer: Announcer | None = None
        self.shared = shared
        dice = Random(f"{seed} {self.owner}").random
        self.pool = AccountPool(clock=door, dice=dice, patience=PATIENCE)
        self._dice = dice
        self.roster = Roster(
            self.pool,
            door.store(shared.accounts),
            self._build,
            owner=self.name,
            clock=door,
            observer=self,
            rotate_every=0.0,
        )
        self.roster.joined, self.roster.parted = self._joined, self._parted
        attachments = Attachments(GuardedFetcher(), None, clock=door, max_bytes=10**6, max_pixels=10**6)
        pictures = Pictures(door.store(shared.blobs), door.store(shared.gallery), clock=door, observer=self)
        self.conversations = Conversations(door.store(shared.conversations), clock=door, lease_seconds=150.0)
        limiter = MovingWindowLimiter(per_hour=0, model_interval=0, clock=door)
        self.gateway = Gateway(
            self.pool,
            limiter,
            attachments,
            pictures,
            self.conversations,
            clock=door,
            observer=self,
            default_model=MODEL,
        )
        self.jobs = door.store(shared.jobs)
        runner = Runner(self.gateway, attachments, door, MODEL, DEFAULT_IMAGE_MODEL)
        self.worker = Worker(
            self.jobs, runner, self.pool, self.owner, door, dice, self, JobRules(poll=2.0), adopt=self.roster.renew
        )
        self._keepers: dict[str, asyncio.Task[None]] = {}

    def note(self, fact: Fact) -> None:
        self.facts.append((self.door.monotonic(), fact))
        for listener in tuple(self.listeners):
            listener(fact)

    def _build(self, setup: AccountSetup, address: Address, keep: Keep) -> Member:
        number = int(setup.name.removeprefix("account-"))
        upstream = self.upstreams[setup.name] = VirtualUpstream(self.shared.google, self.door, setup.name, number)
        return Member(
            setup.name,
            upstream,
            None,
            lanes=LANES,
            pacer=Pacer(0),
            rules=RULES,
            address=address,
            clock=self.door,
            dice=self._dice,
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

    def _joined(self, member: Member) -> None:
        self.note(Fact("account.joined", data={"account": member.name}))
        keeper = Keeper(member, rotate_every=0.0, clock=self.door, dice=self._dice, observer=self)
        self._keepers[member.name] = self.run(keeper.tend(), f"keeper {member.name}")

    def _parted(self, member: Member) -> None:
        self.note(Fact("account.parted", data={"account": member.name}))
        if keeper := self._keepers.pop(member.name, None):
            keeper.cancel()

    async def start(self) -> None:
        """As the assembly does. StorageDown: the process ends, and is started again."""
        await self.roster.start(())
        self.run(self._renew(), "leases")
        self.run(self.worker.work(), "worker")
        if self.announcer is not None:
            self.listeners.append(self.announcer.note)
            self.run(self.announcer.run(), "announcer")
        self.up = True

    async def _renew(self) -> None:
        while True:
            await self.door.sleep(LEASE_SECONDS / 3)
            try:
                async with asyncio.timeout(LEASE_SECONDS / 3):
                    await self.roster.renew()
            except (GatewayError, TimeoutError) as error:
                self.note(Fact("accounts.not_renewed", data={"why": str(error)}))

    async def stop(self) -> None:
        """As SIGTERM does: what the worker runs is given back by the worker alone."""
        if self.announcer is not None:
            await self.announcer.leave()
        await self.worker.stop()
        own = self.services - {asyncio.current_task()}  # type: ignore[arg-type]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)
        await self.roster.close()
