"""Chats at Google that can be continued, and responses that can be referred to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Protocol

from gemgate.frozen import frozen
from gemgate.ports.upstream import Thread


@frozen
class Conversation:
    """A web conversation that can be continued: where it stands at Google, and by which history it is known.

    tip:        fingerprint of the whole history up to and with the last answer; length: messages in it.
    identity:   the Google session's owner; another identity cannot continue it.
    sentinel:   of the tool grammar that stands in it.
    named:      the caller knows it by its id (`conversation_id`); transcript: then its messages as JSON, for a replay.
    delete_at:  epoch seconds after which it is deleted at Google (HISTORY), 0 = never.
    """

    id: str
    tenant: str
    tip: str
    length: int
    account: str
    identity: str
    offer: str
    thread: Thread
    created_at: float
    updated_at: float
    sentinel: str = ""
    named: bool = False
    transcript: str = field(default="", repr=False)
    delete_at: float = 0.0


class ConversationStore(Protocol):
    """Conversations never cross tenants: every question names one. per_key: so many may one have, 0 = any number."""

    per_key: int

    async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
        """The longest of the histories that is known and not being continued right now; one query for all."""
        ...

    async def get(self, tenant: str | None, conversation_id: str) -> Conversation | None:
        """By id; `tenant` None is an admin's."""
        ...

    async def lease(self, conversation_id: str, owner: str, now: float, seconds: float) -> bool:
        """The right to continue it; False when somebody else does."""
        ...

    async def release(self, conversation_id: str, owner: str) -> None: ...

    def save_soon(self, conversation: Conversation) -> bool:
        """Take it to be written within a moment, with others; False where that is not enough, but `save` is."""
        ...

    async def save(self, conversation: Conversation, *, anew: bool = True) -> None:
        """Write it as it stands now, and end the lease. anew: it may be one that is not there; else it was deleted
        meanwhile, and stays so.
        """
        ...

    async def forget(self, conversation_id: str) -> None: ...

    async def latest(self, tenant: str | None, limit: int, offset: int = 0) -> tuple[Sequence[Conversation], int]:
        """Newest first, with how many there are in all."""
        ...

    async def worded(self, tenant: str, words: Sequence[str], limit: int, offset: int = 0) -> Sequence[Conversation]:
        """A tenant's own whose words are kept, newest first. words: a first sieve, at least those with all of them in
        their texts in any case; files and names may hold them too.
        """
        ...

    async def due(self, now: float, limit: int) -> Sequence[Conversation]:
        """Those whose time to be deleted at Google has come, the longest due first."""
        ...

    async def put_off(self, conversation_id: str, moment: float) -> None:
        """One that was due could not be deleted: it is due again at `moment` (epoch seconds), behind all others."""
        ...

    async def forget_before(self, moment: float) -> int:
        """Drop what was not continued since `moment`; how many."""
        ...

    async def forget_beyond(self) -> int:
        """Drop of each tenant what is more than it may have, the oldest; what callers named stays. How many."""
        ...

    async def has_room(self, tenant: str) -> bool:
        """Whether the tenant may name one more, as `forget_beyond` has found."""
        ...

    async def count(self) -> int: ...


@frozen
class StoredResponse:
    """An answer of the Responses or the Interactions API that can be asked for again and continued; `transcript` ends
    with the answer. The prefix of its id tells which.
    """

    id: str
    tenant: str
    body: str = field(repr=False)
    transcript: str = field(repr=False)
    created_at: float


class ResponseStore(Protocol):
    async def save(self, response: StoredResponse) -> None:
        """Keep it; the same one once more changes nothing."""
        ...

    async def get(self, response_id: str, tenant: str) -> StoredResponse | None: ...

    async def delete(self, response_id: str, tenant: str) -> bool: ...

    async def forget_before(self, moment: float) -> int: ...
