"""What an account needs of whoever remembers it beyond this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from gemgate.accounts import (
    Cookies,
    GoogleAccount,
)

if TYPE_CHECKING:
    from gemgate.pool.account import Account


class AccountRecord(Protocol):
    """Who remembers an account beyond this process, and knows which of its cookies to try."""

    def candidates(self, account: Account, fresh: Cookies | None) -> Sequence[Cookies]:
        """Cookies to sign in with, best first; `fresh` is what the source holds now."""
        ...

    async def cookies_accepted(self, account: Account, cookies: Cookies, source: Cookies | None) -> None:
        """These cookies signed in, or were renewed; `source`: what the source held when they were taken from it."""
        ...

    async def cookies_renewed(self, account: Account, cookies: Cookies) -> None:
        """The account's session was renewed; others may share it."""
        ...

    def save_soon(self, account: Account) -> None:
        """Something changed that a restart must not forget. Returns at once."""
        ...

    def holder(self, account: Account, google: GoogleAccount) -> str:
        """The other account that is this Google account, "" when there is none."""
        ...

    async def wait_saved(self, account: Account) -> None:
        """Return when what changed stands where a restart finds it; after a moment all the same."""
        ...


class InMemoryRecord:
    """For accounts that nobody remembers."""

    def candidates(self, account: Account, fresh: Cookies | None) -> Sequence[Cookies]:
        return [cookies for cookies in (fresh, account.cookies) if cookies is not None]

    async def cookies_accepted(self, account: Account, cookies: Cookies, source: Cookies | None) -> None:
        return None

    async def cookies_renewed(self, account: Account, cookies: Cookies) -> None:
        return None

    def save_soon(self, account: Account) -> None:
        return None

    def holder(self, account: Account, google: GoogleAccount) -> str:
        return ""

    async def wait_saved(self, account: Account) -> None:
        return None
