"""Browsers that are paired with an account, and what they pushed last."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from gemgate.frozen import frozen


@frozen
class PairingCode:
    """A code that a browser exchanges once for its key. digest: of the code, which is shown once; expires_at: epoch
    seconds.
    """

    digest: str = field(repr=False)
    account: str
    expires_at: float


@frozen
class CookiePush:
    """The newest cookies that a browser pushed for an account, without the cookies.

    version:    counts up in the browser with each change; the gateway takes no older one.
    digest:     of all that was pushed, so that the same may be pushed again as a sign of life.
    changed_at: when this version came, seen_at: when the browser was last heard of, in epoch seconds.
    agent, language: the browser's own words of itself.
    """

    account: str
    version: int
    digest: str = field(repr=False)
    changed_at: float
    seen_at: float
    agent: str = ""
    language: str = ""


class PairingStore(Protocol):
    """Codes, and the last push of each account. Both go with their account. StorageDown anywhere."""

    async def offer(self, code: PairingCode, now: float) -> None:
        """Keep a code; the one before of its account, and all that have expired, are forgotten."""
        ...

    async def redeem(self, digest: str, now: float) -> str | None:
        """The account of a code, which is gone from then on: of all who bring it at once one gets it. None: unknown,
        used or expired. Versions begin anew: whoever had a key before may have pushed the largest there is.
        """
        ...

    async def pushed(self, account: str) -> CookiePush | None: ...

    async def keep_push(self, push: CookiePush) -> bool:
        """Store a push unless a newer version, or another of the same version, is there; whether it was stored."""
        ...
