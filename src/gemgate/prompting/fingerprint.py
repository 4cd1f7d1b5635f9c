"""By what a conversation is known again: a rolling hash over its messages.

`chain(messages)[k]` names the history up to message k; equal names mean equal histories. What a client may drop or add
without changing the history is left out: thoughts, empty messages, the pictures that we put into an answer, white
space round one. Everything else counts, length-prefixed, so that no two different histories run together.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

import orjson

from gemgate.chat import File, Image, Message, Part, Text, Thought, Tool, ToolCall, ToolResult
from gemgate.files import Inline, Link, Source

_PICTURE = re.compile(r"!\[[^\]\n]*\]\((?:data:|https?://|/images/)[^)\s]*\)")
"""A picture in an answer as Markdown; the link carries a signature that changes."""


def chain(scope: str, messages: Sequence[Message]) -> list[str]:
    """One hash per message, each of the whole history up to it, within `scope` (tenant, model, tools)."""
    digest = hashlib.blake2b(_field(scope), digest_size=20)
    names: list[str] = []
    for message in messages:
        for piece in _canonical(message):
            digest.update(piece)
        names.append(digest.copy().hexdigest())
    return names


def scope(tenant: str, model: str, tools: Iterable[Tool], extra: str = "") -> str:
    """What must be equal beside the messages: whose it is, the web model, the tools on offer, other instructions."""
    offered = [[tool.name, tool.description, dict(tool.parameters)] for tool in tools]
    packed = orjson.dumps([tenant, model, offered, extra], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(packed, digest_size=20).hexdigest()


def _canonical(message: Message) -> Iterator[bytes]:
    pieces = [piece for part in _parts(message) for piece in _part(part, own=message.role == "assistant")]
    if pieces:
        yield _field(message.role)
        yield len(pieces).to_bytes(4, "big")
        yield from pieces


def _parts(message: Message) -> Iterator[Part]:
    """The parts, with neighbouring texts as one: clients split and join them at will."""
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, Text):
            texts.append(part.text)
            continue
        if texts:
            yield Text("\n".join(texts))
            texts = []
        yield part
    if texts:
        yield Text("\n".join(texts))


def _part(part: Part, *, own: bool) -> list[bytes]:
    match part:
        case Text(text):
            if own:
                text = _PICTURE.sub("", text).strip()
            return [b"t", _field(text)] if text else []
        case Image(source) | File(source):
            return [] if own else [b"f", _source(source)]
        case ToolCall():
            return [b"c", _field(part.name), _field(_arguments(part.arguments))]
        case ToolResult():
            inner = [piece for p in part.parts for piece in _part(p, own=False)]
            return [b"r", _field(part.name), bytes([part.is_error]), len(inner).to_bytes(4, "big"), *inner]
        case Thought():
            return []


def _arguments(text: str) -> str:
    """Arguments in one spelling: clients parse and write them again."""
    try:
        return orjson.dumps(orjson.loads(text or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return text


def _source(source: Source) -> bytes:
    match source:
        case Inline(data):
            return b"d" + hashlib.blake2b(data, digest_size=20).digest()
        case Link(url):
            return b"l" + _field(url)
        case _:
            return b"s" + _field(source.id)


def _field(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "big") + data
