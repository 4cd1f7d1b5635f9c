"""How the service writes its answers (docs/gemini-webapi.md 6): `)]}'`, then frames counted in UTF-16 units, then
parts.

Pure functions. A Style holds every freedom the format leaves (escapes, the counted newline, where chunks are cut), so
that a client which only understands one spelling is found out. Nothing here loops over characters.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

PREFIX = b")]}'\n\n"

_ERROR_INFO = "type.googleapis.com/assistant.boq.bard.application.BardErrorInfo"


@dataclass(frozen=True, slots=True)
class Style:
    r"""One spelling of the format.

    escape_unicode: \u-escapes for everything that is not ASCII. escape_angle: \u003c for `<` in the inner JSON.
    count_newline: the newline after a frame belongs to its count. cuts: at most so many random cuts per write.
    extras: parts other than wrb.fr around the answer. paired: sometimes two parts in one frame.
    sparse: rich fields in the trailing dict even where they would fit their position.
    positional: what the service says beside the answer stands by place, as it did until 2026, instead of by key.
    linked: a placeholder link in the text for every image that was made.
    """

    escape_unicode: bool = False
    escape_angle: bool = False
    count_newline: bool = True
    cuts: int = 0
    extras: bool = True
    paired: bool = False
    sparse: bool = False
    linked: bool = False
    positional: bool = False

    @classmethod
    def drawn(cls, dice: random.Random) -> Style:
        """Any of them, by the dice."""
        bits = dice.getrandbits(8)
        return cls(
            escape_unicode=bits & 3 == 0,
            escape_angle=bool(bits & 4),
            count_newline=bool(bits & 8),
            cuts=(0, 1, 3, 6)[bits >> 4 & 3],
            extras=bool(bits & 64),
            paired=bool(bits & 128),
            sparse=dice.random() < 0.5,
            linked=dice.random() < 0.5,
        )


PLAIN = Style()


def units(text: str) -> int:
    """Length in UTF-16 code units, which is what a frame's count counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) >> 1


def frame(parts: Sequence[Any], style: Style = PLAIN) -> bytes:
    r"""`<count>\n<json>\n`; the count begins at the newline after its own digits."""
    payload = _dump(parts, style)
    size = len(payload) if payload.isascii() else units(payload.decode())
    return b"%d\n%b\n" % (size + 1 + style.count_newline, payload)


def part(
    rpcid: str | None, body: Any, style: Style = PLAIN, *, error: Any = None, identifier: str = "generic"
) -> list[Any]:
    """`["wrb.fr", rpcid, body as a JSON string, null, null, error, identifier]`; a body of None stays null."""
    return ["wrb.fr", rpcid, None if body is None else inner(body, style), None, None, error, identifier]


def inner(body: Any, style: Style = PLAIN) -> str:
    """The JSON that travels as a string inside a part."""
    text = _dump(body, style).decode()
    return text.replace("<", "\\u003c") if style.escape_angle else text


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same JSON with these strings replaced by others, wherever they stand."""
    match value:
        case str():
            return names.get(value, value)
        case list():
            return [renamed(item, names) for item in value]
        case dict():
            return {key: renamed(item, names) for key, item in value.items()}
        case _:
            return value


def error_info(code: int) -> list[Any]:
    """What stands at `[5]` of a part that reports a stream error: the code at `[2,0,1,0]`."""
    return [13, None, [[_ERROR_INFO, [code]]]]


def _dump(value: Any, style: Style) -> bytes:
    if style.escape_unicode:
        return json.dumps(value, separators=(",", ":")).encode()
    return orjson.dumps(value)


def batch_answer(parts: Sequence[Sequence[Any]], style: Style = PLAIN, serial: int = 25) -> bytes:
    """A whole batchexecute answer: the parts, then what the service appends."""
    body = [frame(parts, style)] if style.paired else [frame([one], style) for one in parts]
    if style.extras:
        body.append(frame([["di", serial], ["af.httprm", serial, "-4582391174926731", 12]], style))
        body.append(frame([["e", 4, None, None, sum(map(len, body))]], style))
    return PREFIX + b"".join(body)


def sparse_fields(fields: Mapping[int, Any], style: Style = PLAIN) -> list[Any]:
    """A JSPB array: field n at index n, or under str(n + 1) in the trailing dict."""
    row: list[Any] = []
    bundle: dict[str, Any] = {}
    for number, value in sorted(fields.items()):
        if style.sparse or number > 8:
            bundle[str(number + 1)] = value
        else:
            row += [None] * (number - len(row)) + [value]
    return [*row, bundle] if bundle else row


def candidate(
    rcid: str,
    text: str,
    *,
    thoughts: str = "",
    done: bool = True,
    rich: Mapping[int, Any] | None = None,
    canvas: Sequence[Any] = (),
    style: Style = PLAIN,
) -> list[Any]:
    """One candidate as it stands in an answer and in the history."""
    row: list[Any] = [None] * 13
    row[0], row[1], row[8] = rcid, [text], [2 if done else 1]
    row[9] = "en"
    if rich:
        row[12] = sparse_fields(rich, style)
    if canvas:
        row += [None] * (30 - len(row)) + [list(canvas)]
    if thoughts:
        row += [None] * (37 - len(row)) + [[[thoughts]]]
    return row


RID, TITLE, PROGRESS, TOKEN, CONTEXT, QUOTA, STORED = 17, 10, 6, 20, 25, 27, 43
MARK, MODEL_ID, MODEL_NAME = 14, 39, 42
"""Fields of a part beside the answer itself: at that index, or under the index + 1 as a key (wire guide 6.1)."""


def snapshot(
    ids: tuple[str | None, str], candidates: Sequence[Any] = (), beside: Mapping[int, Any] | None = None
) -> list[Any]:
    """The inner JSON of one StreamGenerate part, everything by place. ids: (cid, rid); beside: index -> value."""
    body: list[Any] = [None, list(ids), None, None, list(candidates) or None]
    for index, value in sorted((beside or {}).items()):
        body += [None] * (index - len(body)) + [value]
    return body


def service(ids: tuple[str | None, str], field: int, value: Any) -> list[Any]:
    """The inner JSON of a part that says one thing beside the answer, by key: the third place holds the dict."""
    return [None, list(ids), {str(field + 1): value}]


def progress(text: str, style: Style) -> Any:
    """What is being done, as the value of the field of that name."""
    return [None, ["data_analysis_tool", None, None, [text]]] if style.positional else [*[None] * 5, [text]]


def chop(data: bytes, style: Style, dice: random.Random) -> Iterator[bytes]:
    """`data` in at most `style.cuts` + 1 pieces, cut anywhere: inside a count, an escape or a UTF-8 sequence."""
    if not style.cuts or len(data) < 2:
        yield data
        return
    places = sorted({dice.randrange(1, len(data)) for _ in range(style.cuts)})
    start = 0
    for place in [*places, len(data)]:
        yield data[start:place]
        start = place


def wire(text: str) -> str:
    """Plain text as the service writes it: `<` as `&lt;`, and nothing else (docs/gemini-webapi.md 5, "Text traps")."""
    return text.replace("<", "&lt;")


def linked(text: str, images: int) -> str:
    """The text behind as many placeholder links; clients take them out together with the newlines that follow."""
    links = "\n".join(f"http://googleusercontent.com/image_generation_content/{n}" for n in range(images))
    return f"{links}\n\n{text}" if links else text


def growing(text: str, chars: int) -> Iterator[str]:
    """The cumulative snapshots of `text`, `chars` more each time; at least one, the last one whole."""
    for end in range(chars, len(text), chars):
        yield text[:end]
    yield text


def batches(frames: Iterable[bytes], size: int = 64 << 10) -> Iterator[bytes]:
    """Frames joined into writes of about `size` bytes."""
    waiting: list[bytes] = []
    total = 0
    for one in frames:
        waiting.append(one)
        total += len(one)
        if total >= size:
            yield b"".join(waiting)
            waiting, total = [], 0
    if waiting:
        yield b"".join(waiting)
