"""The accounts' own chats as JSON, and a chat that was written down as Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from gemgate.dialects import wire
from gemgate.errors import GatewayError
from gemgate.findings import Citation, Document, Findings, Media, WebImage, WebSource, markdown
from gemgate.ports.history import ChatTurn, ListedChat

if TYPE_CHECKING:
    from gemgate.dialects.shapes import accounts as shapes

MADE_HERE: Final = "gateway"
_UNSAFE = re.compile(r"[^\w\-]+")
_FENCE = re.compile(r"`{3,}|~{3,}")


class SearchRequest(wire.Body):
    """Body of POST /api/history/search: words of the account's owner do not belong into addresses, which are logged.

    cursor: `next` of the answer before.
    """

    query: str = Field(min_length=1, max_length=500, pattern=r"\S")
    limit: int = Field(default=50, ge=1, le=100)
    cursor: str = Field(default="", max_length=8000)


class ChatChange(wire.Body):
    """Body of PATCH /api/history/{name}/{chat_id}: what is left out stays as it is."""

    title: str | None = Field(default=None, min_length=1, max_length=500, pattern=r"\S")
    pinned: bool | None = None


def write_entry(account: str, chat: ListedChat, tenant: str | None, *, is_open: bool) -> shapes.ChatEntry:
    """A chat in a list. tenant: for whom this gateway made it, None where it did not. Closed ones keep their title."""
    return {
        "id": chat.id,
        "account": account,
        "title": chat.title if is_open else None,
        "pinned": chat.pinned,
        "updated_at": chat.updated_at or None,
        "made_by": None if tenant is None else MADE_HERE,
        "key": tenant or None,
        "open": is_open,
    }


def write_list(
    entries: Sequence[Mapping[str, Any]], cursor: str | None, problems: Mapping[str, GatewayError], language: str
) -> dict[str, Any]:
    """A page of a list; `next` is null behind the last one."""
    return {
        "data": list(entries),
        "next": cursor,
        "problems": {name: error.text(language) for name, error in problems.items()},
    }


def write_turn(turn: ChatTurn) -> dict[str, Any]:
    """A prompt and its answer. What there is none of is left out."""
    found = turn.findings
    more: dict[str, Any] = {
        "thoughts": turn.thoughts,
        "images": turn.images,
        "sources": [{"url": one.url, "title": one.title, "snippet": one.snippet} for one in found.sources],
        "documents": [
            {"title": one.title, "name": one.name, "language": one.language, "code": one.is_code, "text": one.text}
            for one in found.documents
        ],
        "web_images": [{"url": one.url, "alt": one.alt} for one in found.images],
        "media": [{"kind": one.kind, "name": one.name, "type": one.mime, "bytes": one.nbytes} for one in found.media],
    }
    return {
        "id": turn.id,
        "at": turn.at or None,
        "prompt": turn.prompt,
        "answer": turn.answer,
        "model": turn.model or "unknown",
        "whole": turn.whole,
        **{name: value for name, value in more.items() if value},
    }


def write_chat(entry: Mapping[str, Any], turns: Sequence[ChatTurn], *, cut: bool) -> dict[str, Any]:
    """A chat that was written down: its turns in the order in which they were said. cut: older ones are missing."""
    return {**entry, "cut": cut, "turns": [write_turn(turn) for turn in turns]}


def write_missing(account: str, chat_id: str, error: GatewayError, language: str) -> shapes.MissingChat:
    """What an export had to leave out, and why; without a chat the rest of the account."""
    return {"account": account, "id": chat_id or None, "error": error.text(language)}


def write_markdown(chat: Mapping[str, Any], *, chinese: bool = False) -> str:
    """A chat as Markdown, from its JSON. What people wrote stands as they wrote it, below headings of its own."""
    you, model = ("提问", "回答") if chinese else ("Prompt", "Answer")
    lines = [f"# {_line(chat.get('title') or chat['id'])}", ""]
    lines += [f"- {name}: {value}" for name, value in _facts(chat, chinese=chinese)]
    if chat.get("cut"):
        lines.append("- " + ("较早的内容未包含" if chinese else "older turns are missing"))
    for turn in chat["turns"]:
        when = f" · {wire.rfc3339(turn['at'])}" if turn.get("at") else ""
        lines += ["", f"## {you}{when}", "", str(turn["prompt"])]
        who = "" if turn["model"] == "unknown" else f" · {_line(turn['model'])}"
        state = "" if turn["whole"] else (" · 未完成" if chinese else " · unfinished")
        lines += ["", f"## {model}{who}{state}", "", f"{_closed(str(turn['answer']))}{_beside(turn, chinese=chinese)}"]
        if count := turn.get("images"):
            lines += ["", f"*{count} 张图片*" if chinese else f"*{count} image{'s' if count > 1 else ''}*"]
    return "\n".join(lines).rstrip("\n") + "\n"


def file_name(chat: Mapping[str, Any]) -> str:
    """A name for a chat's file that every system takes: its day, words of its title, its id."""
    day = wire.rfc3339(chat["updated_at"])[:10] if chat.get("updated_at") else "undated"
    title = unicodedata.normalize("NFKC", str(chat.get("title") or ""))
    words = _UNSAFE.sub("-", title).strip("-_")[:48].strip("-_")
    return f"{'_'.join(filter(None, (day, words, safe(str(chat['id'])))))}.md"


def safe(name: str) -> str:
    """A name of ours as a part of a path."""
    return _UNSAFE.sub("-", name)[:80] or "-"


def _facts(chat: Mapping[str, Any], *, chinese: bool) -> list[tuple[str, str]]:
    names = ("账号", "对话", "最后更新") if chinese else ("account", "chat", "last turn")
    updated = wire.rfc3339(chat["updated_at"]) if chat.get("updated_at") else ""
    told = zip(names, (_line(str(chat["account"])), _line(str(chat["id"])), updated), strict=True)
    return [(name, value) for name, value in told if value]


def _beside(turn: Mapping[str, Any], *, chinese: bool) -> str:
    """What an answer brought besides its words, in the form that answers have elsewhere."""
    found = Findings(
        sources=tuple(WebSource(one["url"], one["title"], one["snippet"]) for one in turn.get("sources", ())),
        citations=_NO_PLACES,
        images=tuple(WebImage(one["url"], one["alt"]) for one in turn.get("web_images", ())),
        documents=tuple(
            Document("", one["title"], one["text"], one["name"], one["language"], one["code"])
            for one in turn.get("documents", ())
        ),
        media=tuple(Media(one["kind"], "", one["name"], one["type"], one["bytes"]) for one in turn.get("media", ())),
    )
    return markdown(found, chinese=chinese)


_NO_PLACES: tuple[Citation, ...] = ()


def _closed(text: str) -> str:
    """An answer that was cut off within a block of code, with that block closed: what follows is no code."""
    open_fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line.lstrip(" "))
        if mark and not open_fence:
            open_fence = mark.group()
        elif mark and mark.group().startswith(open_fence) and line.strip() == mark.group():
            open_fence = ""
    return f"{text}\n{open_fence}" if open_fence else text


def _line(text: str) -> str:
    return " ".join(text.split())
