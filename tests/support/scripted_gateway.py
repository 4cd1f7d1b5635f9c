"""A gateway over scripted accounts, at a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from gemgate.accounts import Cookies
from gemgate.caller import Caller
from gemgate.catalog import ModelCard, resolve
from gemgate.chat import ChatRequest, Event, Message, Text
from gemgate.cookies.env import FixedSource
from gemgate.gateway.attachments import Attachments
from gemgate.gateway.conversations import Conversations
from gemgate.gateway.gateway import Gateway
from gemgate.gateway.image_delivery import ImagePipeline
from gemgate.outbound import GuardedFetcher
from gemgate.policy.circuit_breaker import Rules
from gemgate.policy.pacer import Pacer
from gemgate.pool.account import Account
from gemgate.pool.pool import AccountPool, Lease
from gemgate.pool.status import Egress
from gemgate.stores.rate_limits import MovingWindowLimiter
from gemgate.testing import (
    Facts,
    FakeClock,
    MemoryBlobs,
    MemoryConversations,
    MemoryGallery,
    ScriptedUpstream,
    settle,
)

CALLER = Caller()


class ScriptedGateway:
    """A gateway over scripted accounts."""

    def __init__(self, *upstreams: ScriptedUpstream, lanes: int = 2, one_address: bool = False) -> None:
        self.clock = FakeClock()
        self.facts = Facts()
        self.pool = AccountPool(clock=self.clock, random=lambda: 0.0, patience=60)
        limiter = MovingWindowLimiter(per_hour=0, model_interval=0, clock=self.clock)
        attachments = Attachments(GuardedFetcher(), None, max_bytes=10**6, max_pixels=10**7)
        images = ImagePipeline(MemoryBlobs(), MemoryGallery(), clock=self.clock, observer=self.facts)
        self.conversations = MemoryConversations()
        conversations = Conversations(self.conversations, clock=self.clock, lease_seconds=300)
        self.gateway = Gateway(
            self.pool, limiter, attachments, images, conversations, clock=self.clock, observer=self.facts
        )
        shared = Egress("direct")
        self.accounts = [
            Account(
                name,
                upstream,
                FixedSource(Cookies(f"psid-{name}")),
                lanes=lanes,
                pacer=Pacer(0),
                rules=Rules(),
                address=shared if one_address else Egress(name),
                clock=self.clock,
                random=lambda: 0.0,
                observer=self.facts,
            )
            for name, upstream in zip("abcdef", upstreams, strict=False)
        ]
        for account in self.accounts:
            self.pool.add(account)

    async def signed_in(self) -> ScriptedGateway:
        for account in self.accounts:
            await account.sign_in()
        return self

    async def chat(self, text: str = "hi", model: str | None = None) -> list[Event]:
        request = ChatRequest((Message("user", (Text(text),)),), model, stream=True)
        admission = await self.gateway.admit(model, CALLER)
        async with aclosing(self.gateway.chat(request, admission)) as events:
            return [event async for event in events]


async def taken(pool: AccountPool, **how: object) -> Lane:
    lane = Lane(pool, **how)
    await settle()
    return lane


class Lane:
    """A caller that takes a lane and keeps it until told to leave."""

    def __init__(self, pool: AccountPool, **how: object) -> None:
        self.got: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._hold(pool, how))

    async def _hold(self, pool: AccountPool, how: dict[str, object]) -> None:
        async with pool.lease(CARD, **how) as lease:  # type: ignore[arg-type]
            self.got.set_result(lease)
            await self._leave.wait()

    @property
    def account(self) -> str:
        return self.got.result().account_name if self.got.done() else ""

    async def leave(self) -> None:
        self._leave.set()
        await self.task
        await settle()


CARD: ModelCard = resolve("gemini-3-flash-preview", ())
