"""What goes out to the network for callers: links are fetched, webhooks are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gemgate.files import Inline
from gemgate.frozen import frozen


class Fetcher(Protocol):
    """Gets what a user's link points at, and nothing that is not public."""

    async def fetch(self, url: str, max_bytes: int) -> Inline:
        """BadRequest when the address is not public, not found, too large, or too slow."""
        ...


@frozen
class Posted:
    """What was answered to a POST; of the body as much as was asked for."""

    status: int
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Sender(Protocol):
    """Tells an address that a caller named, and none that is not public. An error names the host alone: the rest of
    such an address is often a secret.
    """

    def check(self, url: str) -> None:
        """BadRequest for what can be told at once: no http(s) address, credentials in it, a private number."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, read: int = 0) -> Posted:
        """The answer, with `read` bytes of its body at most; BadRequest when the address is not public, Unreachable
        when nobody answers.
        """
        ...
