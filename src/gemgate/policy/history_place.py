"""Where a list of an account's chats goes on, as a cursor that callers give back. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Literal, cast, get_args

import orjson

from gemgate.errors import BadRequest
from gemgate.frozen import frozen

Shelf = Literal["pinned", "rest", "found"]
"""Google lists pinned chats and the others apart; what it finds is a list of its own."""
LONGEST = 8_000
"""Characters of a cursor."""


@frozen
class Place:
    """token: Google's own, "" for the first page of a shelf. skip: chats of the page that were told already."""

    account: str
    shelf: Shelf
    token: str = ""
    skip: int = 0

    def following(self, token: str) -> Place | None:
        """Where the account's next chats are, behind a page that named this token; None behind the last one."""
        if token:
            return Place(self.account, self.shelf, token)
        return Place(self.account, "rest") if self.shelf == "pinned" else None

    @property
    def cursor(self) -> str:
        told = orjson.dumps([self.account, self.shelf, self.token, self.skip])
        return base64.urlsafe_b64encode(told).decode().rstrip("=")


def read_cursor(text: str) -> Place | None:
    """The place of a cursor, None for ""; BadRequest for what none of ours is."""
    if not text:
        return None
    try:
        if len(text) > LONGEST or not text.isascii():
            raise ValueError
        match orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
            case [str(account), str(shelf), str(token), int(skip)] if shelf in get_args(Shelf) and 0 <= skip <= 1000:
                return Place(account, cast("Shelf", shelf), token, int(skip))
    except (ValueError, binascii.Error):
        pass
    raise BadRequest(
        "cursor is none that a page before gave; leave it out to begin again",
        "cursor 无效；去掉它可从头开始",
        param="cursor",
        code="invalid_cursor",
    )
