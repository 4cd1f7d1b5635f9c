"""Where an account's cookies come from."""

from __future__ import annotations

from typing import Protocol

from gemgate.accounts import (
    Cookies,
)
from gemgate.errors import LocalText


class CookieSource(Protocol):
    """`live`: a running browser rotates the cookies, so we must not. `watched`: they may change by themselves, so
    whoever keeps the account signed in reads again every few seconds; a read costs little while nothing changed.
    `missing`: why the last read found none, in plain words.
    """

    name: str
    live: bool
    watched: bool
    missing: LocalText

    async def read(self) -> Cookies | None:
        """The cookies as they stand now; None when the source holds none (yet). AccountError: it cannot be read."""
        ...
