"""API keys and page sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from gemgate.caller import NO_BUDGET, Budget
from gemgate.frozen import frozen


@frozen
class ClientKey:
    """A key that was made on the page. Its secret is shown once and stored as a digest; it is never an admin's.

    name:       the tenant of its callers. hint: the secret's last characters, to tell keys apart.
    models:     ids it may use, operations: groups of them (chat, images, batches, files); empty for all.
    expires_at, revoked_at, used_at: epoch seconds, 0 = never.
    account:    of a paired browser: the one account whose cookies it may push, and nothing else; "" = a client's key.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    hint: str
    created_at: float
    models: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    per_hour: int | None = None
    expires_at: float = 0.0
    revoked_at: float = 0.0
    used_at: float = 0.0
    account: str = ""
    budget: Budget = NO_BUDGET

    def holds(self, now: float) -> bool:
        """Whether it still opens anything."""
        return not self.revoked_at and (not self.expires_at or now < self.expires_at)


@frozen
class PageSession:
    """A signed-in browser. digest: of its cookie's value, under the admin key; address and agent: for the person."""

    id: str
    digest: str = field(repr=False)
    created_at: float
    expires_at: float
    address: str = ""
    agent: str = ""


class KeyStore(Protocol):
    """Keys made on the page, and its sessions. Few of each: they are read all at once. StorageDown anywhere."""

    async def keys(self) -> Sequence[ClientKey]:
        """All of them, also those that are over; newest first."""
        ...

    async def add_key(self, key: ClientKey) -> None:
        """Conflict when the name was ever taken: its conversations and images stay its own."""
        ...

    async def reserve(self, names: Sequence[str], now: float) -> None:
        """Keep the names of API_KEY for it, for ever; Conflict (`param`: the name) when one was made here before."""
        ...

    async def set_budget(self, key_id: str, budget: Budget) -> bool:
        """Whether there is such a key that is not revoked."""
        ...

    async def revoke_key(self, key_id: str, at: float) -> bool: ...

    async def used(self, moments: Mapping[str, float]) -> None:
        """Key id -> when it was last used."""
        ...

    async def sessions(self, now: float) -> Sequence[PageSession]:
        """Those that have not expired."""
        ...

    async def add_session(self, session: PageSession) -> None:
        """Also forgets the expired ones."""
        ...

    async def end_session(self, session_id: str) -> bool: ...

    async def end_sessions(self) -> int: ...
