"""Conversations: who owns them, their turns, and what `[cid, rid, rcid, ..., context]` must say to go on with one.

Ids are drawn from the dice of the simulator. The history keeps the wire spelling of every answer.
"""

from __future__ import annotations

import html
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gemgate_simulator.films import Film
from gemgate_simulator.frames import Style, candidate
from gemgate_simulator.gallery import SimulatedImage
from gemgate_simulator.model_names import PAINTER, Named
from gemgate_simulator.research import Research
from gemgate_simulator.script import Canvas, Said, Upload

_MOST_CHATS = 20_000
_MOST_CHARACTERS = 128 << 20
PROGRESS, IMAGES = 6, 7
"""Rich fields: "still working", and generated images (docs/gemini-webapi.md 6)."""


@dataclass(slots=True, eq=False)
class Turn:
    """One prompt and what was answered. texts: wire text per candidate, as far as it got.

    images: shown once all of it stands, with links as good as new whenever somebody looks.
    read, read_files: what of prompt and files reached the model (`reading.py`).
    state: "running" while it is being written, "whole" when all of it stands, "stopped" when it was cut short.
    """

    rid: str
    rcids: tuple[str, ...]
    context: str
    prompt: str
    model: str
    time: float
    files: tuple[Upload, ...] = ()
    read: str = ""
    read_files: tuple[Upload, ...] = ()
    texts: tuple[str, ...] = ()
    thoughts: str = ""
    rich: Mapping[int, Any] = field(default_factory=dict)
    canvas: tuple[Canvas, ...] = ()
    images: tuple[SimulatedImage, ...] = ()
    film: Film | None = None
    research: Research | None = None
    """Of the turn that started it."""
    lasts: bool = False
    """Whether it goes on when its connection is closed."""
    named: Named | None = None
    state: Literal["running", "whole", "stopped"] = "running"
    shown_from: float = 0.0
    """Epoch seconds from which on the history has it."""

    def whole_rich(self) -> dict[int, Any]:
        """The rich fields of the finished answer."""
        shown = {IMAGES: [[image.item() for image in self.images]]} if self.images else {}
        return {**self.rich, **shown, **(self.film.card() if self.film else {})}

    def sheets(self, cid: str, share: float = 1.0) -> list[Any]:
        """The documents as slot 30 of a candidate holds them, so much of each."""
        grown = [replace(one, text=one.text[: int(len(one.text) * share)]) for one in self.canvas]
        return [one.row(cid, number) for number, one in enumerate(grown, 1)]

    def row(self, cid: str, previous: Turn | None, style: Style) -> list[Any]:
        """The turn as `hNvQHb` lists it."""
        if self.film and self.state == "whole":
            self.film.looked()
            if self.film.is_ready and self.film.studio.failing:
                self.texts = (self.film.studio.failing,)
        if (research := self.research) is not None and self.state == "whole":
            research.looked()
            self.texts = (research.text,)
        rich = {"running": {**self.rich, PROGRESS: [1]}, "stopped": self.rich, "whole": self.whole_rich()}[self.state]
        before = None if previous is None else [cid, previous.rid, previous.rcids[0]]
        rows = [
            candidate(
                rcid,
                text,
                thoughts=self.thoughts,
                done=self.state == "whole" and not (research and research.runs),
                rich=research.rich() if research else rich,
                canvas=research.sheets() if research else self.sheets(cid),
                style=style,
            )
            for rcid, text in zip(self.rcids, self.texts, strict=False)
        ]
        if self.state == "running" and not rows:
            rows = [candidate(self.rcids[0], "", done=False, rich={PROGRESS: [1]}, style=style)]
        reply = [rows, None, None, self.rcids[0]] if rows else None
        if reply and self.named and self.state == "whole":
            reply += [None] * 18
            reply[17], reply[21] = self.named.id, PAINTER if self.images else self.named.display
        seconds = int(self.time)
        return [
            [cid, self.rid],
            before,
            [[self.prompt], 1, None, 0],
            reply,
            [seconds, int((self.time - seconds) * 1e9)],
        ]


@dataclass(slots=True, eq=False)
class Chat:
    """A conversation. owner: account name, "" for a guest; model: fixed by its first turn."""

    cid: str
    owner: str
    model: str
    title: str
    temporary: bool = False
    pinned: bool = False
    time: float = 0.0
    characters: int = 0
    turns: list[Turn] = field(default_factory=list)

    def said(self) -> tuple[Said, ...]:
        """The turns as plain text, oldest first; only what was answered whole."""
        return tuple(
            Said(turn.read or turn.prompt, html.unescape(turn.texts[0]), tuple(image.id for image in turn.images))
            for turn in self.turns
            if turn.texts
        )

    def row(self) -> list[Any]:
        """The conversation as `MaZiqc` lists it."""
        seconds = int(self.time)
        row: list[Any] = [self.cid, self.title, self.pinned or None, *[None] * 19]
        row[5], row[9] = [seconds, int((self.time - seconds) * 1e9)], 2
        if self.turns:
            row[21] = self.turns[-1].rcids[0]
        return row


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """Why a conversation cannot be gone on with. wrong: the client broke a rule; else it is simply gone."""

    why: str
    wrong: bool = True


class Chats:
    """Every conversation; the oldest are forgotten beyond 20,000, or 128 million characters of prompts and answers."""

    def __init__(self) -> None:
        self._chats: OrderedDict[str, Chat] = OrderedDict()
        self._characters = 0
        self._deleted: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chats)

    def add(self, chat: Chat, turn: Turn, kept: int, characters: int) -> None:
        """Enter a turn after the `kept` first ones of the chat; characters: what it will hold when it is whole."""
        del chat.turns[kept:]
        chat.turns.append(turn)
        chat.time = turn.time
        chat.characters += characters
        self._characters += characters
        self._chats[chat.cid] = chat
        while len(self._chats) > _MOST_CHATS or (self._characters > _MOST_CHARACTERS and len(self._chats) > 1):
            self._characters -= self._chats.popitem(last=False)[1].characters

    def forget(self, chat: Chat) -> None:
        """As if it had never been."""
        if self._chats.pop(chat.cid, None):
            self._characters -= chat.characters
            self._gone(chat)

    def of(self, owner: str) -> list[Chat]:
        """The owner's listed conversations, the newest first."""
        mine = [chat for chat in self._chats.values() if chat.owner == owner and not chat.temporary]
        return sorted(mine, key=lambda chat: chat.time, reverse=True)

    def find(self, cid: str, owner: str) -> Chat | RuleViolation:
        """The owner's conversation, or why not."""
        chat = self._chats.get(cid)
        if chat is None:
            if self._deleted.get(cid) == owner:
                return RuleViolation("the conversation is gone", wrong=False)
            return RuleViolation(f"unknown conversation {cid!r}")
        if chat.owner != owner:
            return RuleViolation(f"conversation {cid!r} belongs to another account")
        return chat

    def resume(self, metadata: list[Any], owner: str, *, temporary: bool) -> tuple[Chat, int] | RuleViolation | None:
        """The conversation that slot 2 names and how many of its turns are kept; None when it names none.

        Going on from an older turn forgets the later ones, as editing a prompt does. A change of the temporary mode
        begins a new conversation.
        """
        cid, rid, rcid = (str(value or "") for value in metadata[:3])
        context = metadata[9] or ""
        if not cid:
            return RuleViolation("rid, rcid or context without a cid") if rid or rcid or context else None
        chat = self.find(cid, owner)
        if isinstance(chat, RuleViolation) or chat.temporary is temporary:
            return chat if isinstance(chat, RuleViolation) else _place(chat, rid, rcid, context)
        return None

    def delete(self, cid: str, owner: str) -> RuleViolation | None:
        """Forget the owner's conversation, or say why not."""
        chat = self.find(cid, owner)
        if isinstance(chat, RuleViolation):
            return chat
        self.forget(chat)
        return None

    def _gone(self, chat: Chat) -> None:
        """Whoever was told its id may still ask for it."""
        self._deleted[chat.cid] = chat.owner
        if len(self._deleted) > _MOST_CHATS:
            self._deleted.popitem(last=False)


def _place(chat: Chat, rid: str, rcid: str, context: str) -> tuple[Chat, int] | RuleViolation:
    if not rid or not rcid:
        return RuleViolation(f"conversation {chat.cid!r} continued without its {'rcid' if rid else 'rid'}")
    for index, turn in enumerate(chat.turns):
        if turn.rid == rid:
            if rcid not in turn.rcids:
                return RuleViolation(f"unknown rcid {rcid!r} in turn {rid!r}")
            if context and all(context != turn.context for turn in chat.turns):
                return RuleViolation(f"a context that conversation {chat.cid!r} never gave")
            return chat, index + 1
    return RuleViolation(f"unknown rid {rid!r} in conversation {chat.cid!r}")
