"""By what a conversation is known again: a rolling hash over its messages.

`chain(messages)[k]` names the history up to message k; equal names mean equal histories. What a client may drop or add
without changing the history is left out: thoughts, empty messages, the images that we put into an answer, white
space round a text, the order of results and their doubles. Everything else counts, length-prefixed, so that no two
different histories run together.

Agents send a call back as they ran it, not as they got it: with defaults filled in, a prefix removed, blanks trimmed.
The ids that we give therefore carry the digest of the call, so that it is that call whatever became of its arguments;
of a call with any other id the arguments count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

import orjson

from gemgate.chat import File, Image, Message, Part, Text, Thought, Tool, ToolCall, ToolResult
from gemgate.files import Inline, Link, Source

_IMAGE = re.compile(r"!\[[^\]\n]*\]\((?:data:|https?://|/images/)[^)\s]*\)")
"""An image in an answer as Markdown; the link carries a signature that changes."""


_OWN = re.compile(r"call_[0-9a-f]{12}([0-9a-f]{20})")
"""An id that we gave: what makes it unique, then the digest of the call."""

_SUMS = 1 << 256


def call_id(name: str, arguments: str, entropy: bytes) -> str:
    """The id of a call that we make; at least six bytes of `entropy` make it unique."""
    if len(entropy) < 6:
        raise ValueError
    return f"call_{entropy[:6].hex()}{_digest_of_call(name, arguments).hex()}"


class Chain:
    """One hash per message, each of the whole history up to it, within `scope` (tenant, model, tools).

    What has been hashed need not be hashed again when the history grows.
    """

    def __init__(self, scope: str) -> None:
        self.names: list[str] = []
        self._digest = hashlib.blake2b(_field(scope), digest_size=20)
        self._results: set[bytes] = set()
        self._total = 0
        self._numbers: dict[str, int] = {}

    def add(self, message: Message) -> None:
        """The next message of the history."""
        piece = _canonical(message, self._numbers)
        if message.role == "tool" and piece:
            # Neighbouring results count as a set, so that each costs the same however many there are.
            single = hashlib.blake2b(piece, digest_size=32).digest()
            if single not in self._results:
                self._results.add(single)
                self._total = (self._total + int.from_bytes(single, "big")) % _SUMS
        else:
            if piece and self._results:
                self._digest.update(b"r" + self._total.to_bytes(32, "big"))
                self._results, self._total = set(), 0
            self._digest.update(piece)
        named = self._digest
        if self._results:
            named = named.copy()
            named.update(b"r" + self._total.to_bytes(32, "big"))
        self.names.append(named.hexdigest())


def chained(scope: str, messages: Iterable[Message]) -> Chain:
    """The chain of a whole history."""
    made = Chain(scope)
    for message in messages:
        made.add(message)
    return made


def chain(scope: str, messages: Iterable[Message]) -> list[str]:
    """Its names alone."""
    return chained(scope, messages).names


def scope(tenant: str, model: str, tools: Iterable[Tool]) -> str:
    """What must be equal beside the messages: whose it is, the web model, the tools on offer.

    The empty text at the end keeps the names of conversations that are stored.
    """
    offered = [[tool.name, tool.description, dict(tool.parameters)] for tool in tools]
    packed = orjson.dumps([tenant, model, offered, ""], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(packed, digest_size=20).hexdigest()


def _canonical(message: Message, numbers: dict[str, int]) -> bytes:
    """The bytes of a message, none for one that says nothing. `numbers` of the calls by their ids; grows."""
    for part in message.parts:
        if isinstance(part, ToolCall):
            numbers[part.id] = len(numbers)
    own = message.role == "assistant"
    parts = message.parts if len(message.parts) < 2 else _parts(message.parts)
    pieces = [piece for part in parts for piece in _part(part, numbers, own=own)]
    if not pieces:
        return b""
    return b"".join([b"m", _field(message.role), len(pieces).to_bytes(4, "big"), *pieces])


def _parts(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, with neighbouring texts as one: clients split and join them at will."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            texts.append(part.text)
            continue
        if texts:
            yield Text("\n".join(texts))
            texts = []
        yield part
    if texts:
        yield Text("\n".join(texts))


def _part(part: Part, numbers: Mapping[str, int], *, own: bool) -> list[bytes]:
    match part:
        case Text(text):
            text = (_IMAGE.sub("", text) if own and "](" in text else text).strip()
            return [b"t", _field(text)] if text else []
        case Image(source) | File(source):
            return [] if own else [b"f", _source(source)]
        case ToolCall():
            given = _OWN.fullmatch(part.id)
            return [b"c", bytes.fromhex(given[1]) if given else _digest_of_call(part.name, part.arguments)]
        case ToolResult():
            inner = [piece for p in _parts(part.parts) for piece in _part(p, numbers, own=False)]
            of_call = _field(str(numbers.get(part.call_id, "")))
            head = [b"r", of_call, _field(part.name), bytes([part.is_error])]
            return [*head, len(inner).to_bytes(4, "big"), *inner]
        case Thought():
            return []


def _digest_of_call(name: str, arguments: str) -> bytes:
    return hashlib.blake2b(_field(name) + _field(_arguments(arguments)), digest_size=10).digest()


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
