"""A prompt cut to what an account reads: whole, or with files, or a typed error; never with its end missing.

Sizes are UTF-8 bytes of the text field and of the text of its files, not of the form that carries them
(docs/google-wire.md 1). The opening, system text, instructions and the reminder always stay in the text. The newest
turn stays there while it fits; else its largest pieces go into message.md. Older turns go into history.md, newest
first: what does not fit there is left out from the beginning, and the prompt says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from gemgate.accounts import Walls
from gemgate.errors import PromptTooLong
from gemgate.files import Inline, Source
from gemgate.frozen import frozen

_FILED_HISTORY = "The attached file history.md holds the conversation so far; read all of it. Below is how it goes on. "
_CUT_HISTORY = (
    "The attached file history.md holds the conversation so far, without its oldest part, which was too long; read all "
    "of it. Below is how it goes on. "
)
_NO_HISTORY = "Below is the end of a conversation; what was said before was too long and is left out. "
_FILED_MESSAGE = (
    "The message to answer is too long for this field, so all of it is in the attached file message.md. "
    "Read it to its end and answer it as if it stood here."
)
_FILED_PIECE = (
    "(What stands here is too long for this field: it is part {} of the attached file message.md; read it all.)"
)
_LEFT_OUT = "(The beginning of this conversation is left out, because it was too long.)"
_BEGINNING_LEFT_OUT = "(The beginning of this message is left out, because it was too long.)"

_WORTH = 400
"""Bytes below which a piece is not worth a place in a file, and the rest of a message not worth keeping."""
_ENDLESS = 1 << 62


@frozen
class Composed:
    """What goes up: the text, and the files it speaks of in their order.

    bytes:    of the text and of the text of all files. limit: how many the account reads, 0 = any number.
    filed:    bytes that went into files because the text would have been too long.
    dropped:  bytes of older turns and of their files that are not told at all.
    left_out: which of the caller's own files are not sent, by their place among all of them.
    """

    text: str
    attachments: tuple[Source, ...] = ()
    filed: int = 0
    bytes: int = 0
    limit: int = 0
    dropped: int = 0
    left_out: frozenset[int] = frozenset()


@frozen
class Block:
    """One turn as it is written: its heading, and pieces that can stand elsewhere one by one."""

    heading: str
    pieces: tuple[str, ...]

    @property
    def text(self) -> str:
        body = "\n".join(self.pieces)
        return f"{self.heading}\n{body}" if self.heading and body else body


@frozen
class Draft:
    """The pieces of a prompt in their order: `older` turns, then the `latest` ones, which are to be answered.

    task: what the model shall write. opening: what is said before, when everything is told in the text.
    older_files: how many of the caller's files belong to older turns, those that are left out too.
    """

    opening: str
    task: str
    head: str
    older: tuple[Block, ...]
    latest: tuple[Block, ...]
    reminder: str
    headings: bool
    attachments: tuple[Source, ...] = ()
    older_files: int = 0
    left_out: frozenset[int] = field(default_factory=frozenset)

    def text(self, opening: str, older: Sequence[Block], latest: Sequence[Block]) -> str:
        head = f"[System]\n{self.head}" if self.head and self.headings else self.head
        blocks = (block.text for block in (*older, *latest))
        return "\n\n".join(piece for piece in (opening, head, *blocks, self.reminder) if piece)


def size(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def fitted(draft: Draft, walls: Walls, file_bytes: int = 0) -> Composed:
    """The prompt within the walls. file_bytes: of the text of the caller's own files. PromptTooLong."""
    text = draft.text(draft.opening, draft.older, draft.latest)
    whole = size(text)
    plain, both = walls.plain or _ENDLESS, walls.with_files or _ENDLESS
    if whole <= plain and (not file_bytes or whole + file_bytes <= both):
        limit = walls.with_files if file_bytes else walls.plain
        return Composed(text, draft.attachments, 0, whole + file_bytes, limit, left_out=draft.left_out)
    return _split(draft, walls, file_bytes)


def room_for_older_files(draft: Draft, walls: Walls) -> int:
    """Bytes that the second wall leaves for files of older turns, when nothing else of these turns is told."""
    needed = size(draft.text(_CUT_HISTORY + draft.task, (), draft.latest)) + _WORTH
    return (walls.with_files or _ENDLESS) - needed


def _split(draft: Draft, walls: Walls, file_bytes: int) -> Composed:
    plain, both = walls.plain or _ENDLESS, walls.with_files or _ENDLESS
    older = [text for block in draft.older if (text := block.text)]
    opening = _CUT_HISTORY + draft.task if older else draft.opening
    latest, moved = _moved(draft, opening, plain)
    text = draft.text(opening, (), latest)
    message = _message(moved)
    needed = size(text) + size(message) + file_bytes
    if size(text) > plain:
        raise too_long(size(text), walls.plain)
    if (message or file_bytes) and needed > both:
        raise too_long(needed, walls.with_files)
    history, dropped = _history(older, both - needed)
    if not older:
        pass
    elif not history:
        text = draft.text(_NO_HISTORY + draft.task, (), latest)
    elif not dropped:
        text = draft.text(_FILED_HISTORY + draft.task, (), latest)
    files = [("history.md", history), ("message.md", message)]
    filed = tuple(
        Inline(content.encode("utf-8", "replace"), "text/markdown", name) for name, content in files if content
    )
    in_files = sum(len(source.data) for source in filed)
    limit = walls.with_files if filed or file_bytes else walls.plain
    total = size(text) + in_files + file_bytes
    return Composed(text, (*draft.attachments, *filed), in_files, total, limit, dropped, draft.left_out)


def _moved(draft: Draft, opening: str, plain: int) -> tuple[tuple[Block, ...], list[str]]:
    """The newest turns with their largest pieces moved away until the text fits, and these pieces in their order."""
    over = size(draft.text(opening, (), draft.latest)) - plain
    if over <= 0:
        return draft.latest, []
    sizes = [(size(piece), at, nth) for at, block in enumerate(draft.latest) for nth, piece in enumerate(block.pieces)]
    places: set[tuple[int, int]] = set()
    for bytes_, at, nth in sorted(sizes, reverse=True):
        if over <= 0 or bytes_ < _WORTH:
            break
        places.add((at, nth))
        over -= bytes_ - len(_FILED_PIECE) - 8
    whole = len(sizes) == len(places) == 1
    moved: list[str] = []
    latest: list[Block] = []
    for at, block in enumerate(draft.latest):
        pieces = list(block.pieces)
        for nth, piece in enumerate(block.pieces):
            if (at, nth) in places:
                moved.append(piece)
                pieces[nth] = _FILED_MESSAGE if whole else _FILED_PIECE.format(len(moved))
        latest.append(Block(block.heading, tuple(pieces)))
    return tuple(latest), moved


def _message(moved: list[str]) -> str:
    if len(moved) < 2:
        return "".join(moved)
    return "\n\n".join(f"# Part {number}\n\n{piece}" for number, piece in enumerate(moved, 1))


def _history(older: list[str], room: int) -> tuple[str, int]:
    """As much of the older turns as there is room for, the newest ones, and how many bytes are left out."""
    sizes = [size(text) for text in older]
    total = sum(sizes) + 2 * max(0, len(older) - 1)
    if total <= room:
        return "\n\n".join(older), 0
    room -= len(_LEFT_OUT) + 2
    kept: list[str] = []
    used = 0
    for text, bytes_ in zip(reversed(older), reversed(sizes), strict=True):
        if bytes_ + 2 > room:
            if (rest := _end(text, room - 2)) is not None:
                kept.append(rest[0])
                used += rest[1]
            break
        kept.append(text)
        used += bytes_
        room -= bytes_ + 2
    if not kept:
        return "", sum(sizes)
    return "\n\n".join((_LEFT_OUT, *reversed(kept))), sum(sizes) - used


def _end(text: str, room: int) -> tuple[str, int] | None:
    """The end of a message, from a line's beginning where there is one near, under its heading; None if too short."""
    heading, _, body = text.partition("\n")
    note = f"{heading}\n{_BEGINNING_LEFT_OUT}\n"
    room -= size(note)
    if room < _WORTH or len(heading) > 20:
        return None
    data = body.encode("utf-8", "replace")[-room:]
    start = next((at for at in range(min(4, len(data))) if data[at] & 0xC0 != 0x80), 0)
    line = data.find(b"\n", start, start + len(data) // 4)
    data = data[line + 1 if line >= 0 else start :]
    return note + data.decode("utf-8", "replace"), len(data)


def too_long(needed: int, limit: int) -> PromptTooLong:
    """What must be read does not fit."""
    return PromptTooLong(
        f"The prompt is too long: system text, tools and the newest message have {needed:,} bytes of UTF-8, and this "
        f"account reads at most {limit:,}; shorten or compact the conversation",
        f"提示过长：系统提示、工具说明和最新消息共 {needed:,} 字节（UTF-8），该账号最多读取 {limit:,} 字节，"
        "请缩短或压缩对话",
        code="context_length_exceeded",
        param="messages",
        details={"bytes": needed, "maximum": limit},
    )
