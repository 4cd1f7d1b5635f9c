"""How much of what Google makes one key may have here."""

from __future__ import annotations

from typing import Protocol


class MediaRoom(Protocol):
    """Pictures, videos and music of a key together."""

    async def check(self, tenant: str) -> None:
        """NoRoom when they are as much as they may be. A database that is away refuses nothing."""
        ...


class AnyRoom:
    """Keys may have any number."""

    async def check(self, tenant: str) -> None:
        del tenant
