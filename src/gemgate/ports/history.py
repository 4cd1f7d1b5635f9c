"""The chats that an account keeps at Google: its own history, and which of them this gateway has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol, runtime_checkable

from gemgate.findings import NOTHING_FOUND, Findings
from gemgate.frozen import frozen

PAGE = 100
"""Chats, or turns, that Google gives at once at most (docs/google-wire.md 7.2)."""


@frozen
class ListedChat:
    """A chat as Google lists it. updated_at: epoch seconds of its last turn, 0 where it is not told."""

    id: str
    title: str = field(repr=False)
    pinned: bool = False
    updated_at: float = 0.0


@frozen
class ChatPage:
    """Some chats, and the token of the next page; "" behind the last one."""

    chats: tuple[ListedChat, ...] = ()
    token: str = ""


@frozen
class ChatTurn:
    """One prompt and its answer. at: epoch seconds when it was sent, 0 where it is not told.

    model: Google's own name of who answered, "" where it says nothing. images: how many were made in it.
    whole: False for an answer that is under way, or was cut off.
    """

    id: str
    prompt: str = field(repr=False)
    answer: str = field(default="", repr=False)
    thoughts: str = field(default="", repr=False)
    at: float = 0.0
    model: str = ""
    images: int = 0
    findings: Findings = field(default=NOTHING_FOUND, repr=False)
    whole: bool = True


@frozen
class TurnPage:
    """Some turns, the newest first, and the token of the older ones; "" behind the first turn of all."""

    turns: tuple[ChatTurn, ...] = ()
    token: str = ""


@runtime_checkable
class HistoryKeeper(Protocol):
    """An upstream whose account keeps its chats; the official API's keeps none."""

    @property
    def history(self) -> ChatHistory: ...


class ChatHistory(Protocol):
    """The chats of one account. Nothing here generates. GatewayErrors; BadRequest for a token that Google refuses."""

    async def chats(self, limit: int, token: str = "", *, pinned: bool = False) -> ChatPage:
        """The pinned ones or the others, last changed first; at most PAGE of them. What stands in notebooks is not
        listed.
        """
        ...

    async def chat(self, chat_id: str) -> ListedChat | None:
        """One of them; None where Google does not tell."""
        ...

    async def search(self, query: str, token: str = "") -> ChatPage | None:
        """Those in which Google finds the words, without times; None where this account has no such search."""
        ...

    async def turns(self, chat_id: str, limit: int, token: str = "") -> TurnPage | None:
        """What was said, at most PAGE turns; None where there is no such chat."""
        ...

    async def rename(self, chat_id: str, title: str) -> None: ...

    async def pin(self, chat_id: str, *, pinned: bool) -> None: ...


class ChatLedger(Protocol):
    """What this gateway knows of chats at Google: those that its own calls began."""

    async def made(self, chat_ids: Sequence[str]) -> Mapping[str, str]:
        """Those of these chats that we made, each with the tenant for whom: a key's name, "" without one."""
        ...
