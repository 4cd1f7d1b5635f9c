"""What both sides of a fleet share: the proof a node gives, the beat, and how long a registry may be silent."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gemgate.errors import StorageDown
from gemgate.ports.nodes import NodeRegistry

BEAT = 5.0
"""Seconds between two beats."""
DEAD_AFTER = 15.0
"""Seconds without one after which a node is dead for its readers."""
REGISTRY_SECONDS = 4.0
"""A registry that does not answer for so long is away."""

Connect = Callable[[], Awaitable[NodeRegistry]]
"""Opens the registry; tried again while it is away."""


def node_signature(token: str, url: str) -> str:
    """What only a node that knows the fleet's token can write into its row: without it nobody is sent a call."""
    return hmac.new(token.encode(), b"gemgate node " + url.encode(), hashlib.sha256).hexdigest()


@asynccontextmanager
async def answers_probe() -> AsyncIterator[None]:
    """A question to the registry: one that is silent for too long is away, like one that refuses."""
    try:
        async with asyncio.timeout(REGISTRY_SECONDS):
            yield
    except TimeoutError:
        raise StorageDown(
            "The registry of nodes does not answer", "节点注册库无响应", retry_after=BEAT, code="registry_away"
        ) from None
