"""The account's own chats behind `ports.ChatHistory` (docs/google-wire.md 7.2). Nothing here generates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from gemini_webapi.constants import GRPC
from gemini_webapi.utils import get_nested_value as at

from gemgate.chat import TextDelta, ThoughtDelta
from gemgate.errors import BadRequest, Broken, GatewayError
from gemgate.findings import NOTHING_FOUND
from gemgate.ports.history import PAGE, ChatPage, ChatTurn, ListedChat, TurnPage
from gemgate.ports.upstream import Completed, ImageReady, Thread
from gemgate.upstreams.web import errors, served
from gemgate.upstreams.web.answer import Answer
from gemgate.upstreams.web.client import HardenedClient

SEARCH: Final = "unqWSc"
NOT_FOUND: Final = 5
"""gRPC status: no such thing. At the end of a list stands 1096 instead."""

Using = Callable[[], AbstractContextManager[HardenedClient]]


class WebHistory:
    """using: the session for one call."""

    def __init__(self, using: Using) -> None:
        self._using = using

    async def chats(self, limit: int, token: str = "", *, pinned: bool = False) -> ChatPage:
        body, _ = await self._ask(
            GRPC.LIST_CONVERSATIONS, [min(limit, PAGE), token or None, [int(pinned), None, 1]], token
        )
        return ChatPage(tuple(filter(None, map(_listed, _rows(body, 2)))), _next(body, token))

    async def chat(self, chat_id: str) -> ListedChat | None:
        try:
            body, _ = await self._ask(GRPC.LIST_CONVERSATIONS, [1, None, [None, None, 1, None, 1, chat_id]])
        except Broken:  # whether one chat can be asked for has one source
            return None
        found = (_listed(row) for row in _rows(body, 2))
        return next((one for one in found if one is not None and one.id == chat_id), None)

    async def search(self, query: str, token: str = "") -> ChatPage | None:
        try:
            body, code = await self._ask(SEARCH, [query, None, token or None], token)
        except Broken:
            return None
        if body is None and code == NOT_FOUND:
            return None
        chats = (_found(row) for row in _rows(body, 0))
        return ChatPage(tuple(filter(None, chats)), _next(body, token))

    async def turns(self, chat_id: str, limit: int, token: str = "") -> TurnPage | None:
        asked = [chat_id, min(limit, PAGE), token or None, 1, [1], [4], None, 1]
        body, _ = await self._ask(GRPC.LIST_CONVERSATION_TURNS, asked, token)
        if body is None and not token:
            return None
        told: list[ChatTurn] = []
        for row in _rows(body, 0):
            told.append(_turn(chat_id, row))
            await asyncio.sleep(0)  # turns may be long, and others wait
        return TurnPage(tuple(told), _next(body, token))

    async def rename(self, chat_id: str, title: str) -> None:
        await self._ask(GRPC.UPDATE_CONVERSATION, [None, [["title"]], [chat_id, title]])

    async def pin(self, chat_id: str, *, pinned: bool) -> None:
        await self._ask(GRPC.UPDATE_CONVERSATION, [None, [["pinned"]], [chat_id, None, int(pinned)]])

    async def _ask(self, rpcid: str, payload: object, token: str = "") -> tuple[Any, int]:
        """The body and the code of one RPC. token: the cursor in it; one that is refused is the caller's mistake."""
        with self._using() as client:
            try:
                return await client.ask(rpcid, payload)
            except Broken:
                if token:
                    raise _bad_cursor() from None
                raise
            except errors.FAILURES as error:
                raise errors.of_exception(error, sent=False) from None


def _rows(body: Any, place: int) -> list[Any]:
    rows = at(body, [place])
    return rows if isinstance(rows, list) else []


def _next(body: Any, token: str) -> str:
    """The token of the next page. One that does not move is none: nobody shall go round in circles."""
    following = at(body, [1])
    return following if isinstance(following, str) and following != token else ""


def _listed(row: Any) -> ListedChat | None:
    chat_id, title = at(row, [0]), at(row, [1])
    if not isinstance(chat_id, str) or not chat_id:
        return None
    return ListedChat(chat_id, title if isinstance(title, str) else "", bool(at(row, [2])), _moment(at(row, [5])))


def _found(row: Any) -> ListedChat | None:
    """A row of a search: id and title stand in a list of their own, snippets beside it."""
    return _listed(at(row, [0]))


def _moment(pair: Any) -> float:
    seconds, nanos = at(pair, [0]), at(pair, [1])
    if not isinstance(seconds, int | float):
        return 0.0
    return seconds + (nanos if isinstance(nanos, int | float) else 0) / 1e9


def _turn(chat_id: str, row: Any) -> ChatTurn:
    """A turn as the history has it. What of it cannot be read is left out; an answer is read as one of a stream is."""
    turn_id, prompt, candidate = at(row, [0, 1], ""), at(row, [2, 0, 0], ""), at(row, [3, 0, 0])
    prompt = prompt if isinstance(prompt, str) else ""
    moment = _moment(at(row, [4]))
    if not isinstance(candidate, list):
        return ChatTurn(str(turn_id), prompt, at=moment, whole=False)
    answer = Answer("", Thread((chat_id, str(turn_id))), exact=True, prompt=prompt)
    answer.cid_confirmed = True
    try:
        pieces = answer.candidate(candidate, final=True) + answer.finish()
    except (GatewayError, TypeError, ValueError, IndexError, KeyError):
        return ChatTurn(str(turn_id), prompt, at=moment, whole=False)
    ended = next((piece for piece in pieces if isinstance(piece, Completed)), None)
    return ChatTurn(
        str(turn_id),
        prompt,
        answer=ended.text if ended else "".join(p.text for p in pieces if isinstance(p, TextDelta)),
        thoughts="".join(p.text for p in pieces if isinstance(p, ThoughtDelta)),
        at=moment,
        model=served.of_turn(row)[0],
        images=sum(isinstance(piece, ImageReady) for piece in pieces),
        findings=ended.findings if ended else NOTHING_FOUND,
        whole=at(candidate, [8, 0]) == 2,
    )


def _bad_cursor() -> BadRequest:
    return BadRequest(
        "Google does not take this cursor any more; begin again without one",
        "Google 不再接受该 cursor，请去掉 cursor 重新开始",
        param="cursor",
        code="invalid_cursor",
    )
