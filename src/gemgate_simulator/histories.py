"""RPCs on an account's own chats: list, search, read, rename, pin, delete (docs/google-wire.md 7.2).

A page ends at a token that says where the next one begins. A token belongs to the account and the list it was given
for; one that was never given is refused, with 13 and no code, and counts as a violation.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gemgate_simulator.asked import INTERNAL, MALFORMED, MISSING, NO_RECORD, Ask, Status
from gemgate_simulator.chats import Chat, RuleViolation

_PAGE = 100
"""Rows that a page has at most, whatever was asked for."""
_FOUND = 20
"""Rows of a page of a search, which nobody can ask for."""
_BOUND = "never given token: a cursor goes back to the list that it came from"

T = TypeVar("T")


def list_chats(ask: Ask) -> Any:
    """MaZiqc: pinned chats, the others, all of them, or one."""
    match ask.payload:
        case [1, None, [None, None, 1, None, 1, str(cid)]]:
            if not ask.world.switches.one_chat:
                return Status(MALFORMED)
            chats = [chat for chat in _chats(ask) if chat.cid == cid]
            return [None, None, [chat.row() for chat in chats]]
        case [int(count), None | str() as token, [0 | 1 | None as pinned, None, 1]] if count > 0:
            chats = [chat for chat in _chats(ask) if pinned is None or chat.pinned == bool(pinned)]
            page = _page(ask, f"list {pinned}", chats, _place, min(count, _PAGE), token)
            return page if isinstance(page, Status) else [None, page[1], [chat.row() for chat in page[0]]]
        case _:
            return Status(MALFORMED, "the payload is not [count,token,[0|1|null,null,1]]")


def search_chats(ask: Ask) -> Any:
    """unqWSc: chats whose title or words hold the query."""
    match ask.payload:
        case [str(query), None, None | str() as token] if query.strip():
            habit = ask.world.switches.search
            if habit == "absent":
                return Status(MISSING)
            words = query.casefold()
            chats = [chat for chat in _chats(ask) if any(words in text.casefold() for text in _texts(chat))]
            page = _page(ask, f"search {query}", chats, _place, _FOUND, token if habit == "third" else None)
            return page if isinstance(page, Status) else [[[[c.cid, c.title], []] for c in page[0]], page[1]]
        case _:
            return Status(MALFORMED, "the payload is not [query,null,token]")


def read_chat(ask: Ask) -> Any:
    """hNvQHb: turns of a chat, the newest first."""
    match ask.payload:
        case [str(cid), int(limit), None | str() as token, 1, [0 | 1], [4], None, 1] if limit > 0:
            chat = ask.world.chats.find(cid, ask.name)
        case _:
            return Status(MALFORMED, "the payload is not [cid,limit,token,1,[0|1],[4],null,1]")
    if isinstance(chat, RuleViolation):
        return Status(INTERNAL, chat.why if chat.wrong else "", NO_RECORD)
    if chat.temporary and not ask.world.reads_temporary:
        return Status(INTERNAL, code=NO_RECORD)
    now, hides = ask.world.clock(), ask.world.switches.hides_running or ask.world.switches.stored_after > 0
    turns = [turn for turn in chat.turns if turn.shown_from <= now and not (hides and turn.state == "running")]
    places = range(len(turns) - 1, -1, -1)
    page = _page(ask, f"read {cid}", places, str, min(limit, _PAGE), token)
    if isinstance(page, Status):
        return page
    rows = [turns[n].row(cid, turns[n - 1] if n else None, ask.style) for n in page[0]]
    return [rows, page[1], None, []]


def change_chat(ask: Ask) -> Any:
    """MUAZcd: another title, or pinned. Neither moves the chat's time."""
    match ask.payload:
        case [None, [["title"]], [str(cid), str(title)]] if title.strip():
            change: dict[str, Any] = {"title": title}
        case [None, [["pinned"]], [str(cid), None, 0 | 1 as pinned]]:
            change = {"pinned": bool(pinned)}
        case _:
            return Status(MALFORMED, "the payload is not [null,[[title|pinned]],[cid,title|null,0|1]]")
    chat = ask.world.chats.find(cid, ask.name)
    if isinstance(chat, RuleViolation):
        return Status(MISSING, chat.why if chat.wrong else "")
    for name, value in change.items():
        setattr(chat, name, value)
    return []


def delete_chat(ask: Ask) -> Any:
    """GzXR5e."""
    match ask.payload:
        case [str(cid)] if ask.world.switches.keeps_deleted:
            return []
        case [str(cid)]:
            misfit = ask.world.chats.delete(cid, ask.name)
            return Status(MISSING, misfit.why if misfit.wrong else "") if misfit else []
        case _:
            return Status(MALFORMED, "the payload is not [cid]")


def _chats(ask: Ask) -> list[Chat]:
    account = ask.account
    return ask.world.chats.of(account.name) if account is not None and not account.phantom else []


def _texts(chat: Chat) -> list[str]:
    return [chat.title, *(text for turn in chat.turns for text in (turn.prompt, *turn.texts))]


def _place(chat: Chat) -> str:
    return chat.cid


def _page(
    ask: Ask, about: str, rows: Sequence[T], place: Callable[[T], str], most: int, token: str | None
) -> tuple[Sequence[T], str | None] | Status:
    """Rows behind the token's place, and the next token. What is new stands before it and is not told again."""
    start = 0
    if token is not None:
        bound, _, last = _opened(token).rpartition("\0")
        if bound != f"{ask.name}\0{about}":
            return Status(INTERNAL, _BOUND)
        places = [place(row) for row in rows]
        if last not in places:
            return Status(INTERNAL, code=NO_RECORD)
        start = places.index(last) + 1
        if start >= len(rows):
            return Status(INTERNAL, code=NO_RECORD)
    page = rows[start : start + most]
    more = start + most < len(rows) or (ask.world.switches.list_end == "no_record" and len(page) == most)
    return page, _sealed(f"{ask.name}\0{about}\0{place(page[-1])}") if page and more else None


def _sealed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _opened(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        return ""
