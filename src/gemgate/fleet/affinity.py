"""Which worker has the beginning of what a call continues: a chat's history, an uploaded file, an earlier answer.

What this process has seen is remembered here; what it has not (a restart, another gateway) is in the shared store.
Being wrong costs a replay and is never an error, so nothing here waits for long.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from gemgate.errors import GatewayError
from gemgate.frozen import frozen
from gemgate.ports.nodes import NodeRegistry

LOOKUP_TIMEOUT = 0.5
"""Seconds that a call waits for the shared store's word about its conversation."""


@frozen
class AffinityKeys:
    """By what a call is known again, of one tenant.

    ids:   conversation, answer, file, upload and batch ids that it names, the most telling first.
    tips:  fingerprints of its history up to each message; of a chat's first message there is nothing to find.
    files: uploads that it uses; a history says more about where a chat stands than a file it mentions.
    conversation, account: what the shared store is asked by.
    """

    tenant: str = ""
    ids: tuple[str, ...] = ()
    tips: tuple[str, ...] = ()
    conversation: str = ""
    account: str = ""
    files: tuple[str, ...] = ()

    @property
    def continues(self) -> bool:
        return bool(self.conversation) or len(self.tips) > 1


class Affinity:
    """`size`: how many things are remembered; the oldest are forgotten first."""

    def __init__(
        self,
        registry: Callable[[], NodeRegistry | None],
        *,
        size: int = 100_000,
    ) -> None:
        self._registry = registry
        self._size = size
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def worker(self, trace: AffinityKeys) -> str:
        """The worker to prefer; "" when nobody is known."""
        # Where a history stands without its last message; of a first message there is nothing to find.
        known = self._recall(trace.tenant, (*trace.ids, *reversed(trace.tips[:-1])))
        registry = self._registry()
        if not known and registry is not None:
            if trace.account:
                known = await _soon(registry.runs(trace.account))
            elif trace.continues:
                known = await _soon(registry.holder(trace.tenant, trace.conversation, trace.tips[:-1]))
        return known or self._recall(trace.tenant, trace.files)

    def remember(self, tenant: str, keys: Iterable[str], worker: str, *, tip: str = "") -> None:
        """A worker took a call that is known again by these, and by its history's fingerprint.

        Chats that begin alike have one fingerprint. When they run on several workers only the shared store can tell
        them apart, by what was answered.
        """
        if tip:
            elsewhere = self._seen.get((tenant, tip), worker) != worker
            self._seen[tenant, tip] = "" if elsewhere else worker
            self._seen.move_to_end((tenant, tip))
        for key in keys:
            if key:
                self._seen[tenant, key] = worker
                self._seen.move_to_end((tenant, key))
        while len(self._seen) > self._size:
            self._seen.popitem(last=False)

    def _recall(self, tenant: str, keys: Sequence[str]) -> str:
        return next((self._seen[tenant, key] for key in keys if (tenant, key) in self._seen), "")


async def _soon(question: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            return await question
    except (TimeoutError, GatewayError):
        return ""
