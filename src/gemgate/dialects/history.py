"""What was said before is never refused for its kind: things we have no use for become text, or are left out.

Clients send their whole history again with every turn, so one refused block would end a session for good. Every
dialect turns unknown blocks, items, parts and calls of earlier turns into words here; only an unknown thing in the
last user turn is its own BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gemgate.chat import Text
from gemgate.dialects.wire import dumps

_SILENT = frozenset(
    {
        "type",
        "id",
        "object",
        "status",
        "call_id",
        "tool_use_id",
        "tool_call_id",
        "signature",
        "thoughtSignature",
        "thought_signature",
        "encrypted_content",
        "encrypted_index",
        "encrypted_stdout",
        "cache_control",
        "annotations",
        "logprobs",
        "caller",
    }
)
"""Fields that tell a reader nothing: marks, seals and the bookkeeping of another service."""

_BYTES = re.compile(r"(?:data:[\w.+-]+/[\w.+-]+[^,]{0,200};base64,)?[A-Za-z0-9+/_-]{512,}={0,2}")
"""Base64 in text: no word is that long."""


def text_of(thing: object, kind: str = "") -> Text | None:
    """What a thing of another service says, as text that names its kind (`[web_search_call] {"query":"rain"}`).

    Seals, ids and bytes are left out; None when nothing else is left.
    """
    if isinstance(thing, Mapping):
        kind = kind or (thing["type"] if isinstance(thing.get("type"), str) else "")
    said = _said(thing)
    if said is None:
        return None
    words = said if isinstance(said, str) else dumps(said).decode()
    return Text(f"[{kind[:80]}] {words}" if kind else words)


def _said(thing: object) -> Any:
    """`thing` without what says nothing; None when that is all of it."""
    if isinstance(thing, str):
        return None if not thing.strip() or _BYTES.fullmatch(thing) else thing
    if isinstance(thing, Mapping):
        kept = {
            key: inner for key, value in thing.items() if key not in _SILENT and (inner := _said(value)) is not None
        }
        if len(kept) == 1 and kept.keys() <= _PLAIN:
            return next(iter(kept.values()))
        return kept or None
    if isinstance(thing, Sequence):
        return [inner for value in thing if (inner := _said(value)) is not None] or None
    return thing


_PLAIN = frozenset({"text", "thinking", "content", "output", "result", "tool_name"})
"""Fields that, status alone, are the words themselves."""


def arguments_of(value: object) -> str:
    """The arguments of an earlier call as JSON text: an object is written, nothing is `{}`, a text stays as it is."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith('"'):
            value = _decoded(text)
            if isinstance(value, str) and not isinstance(_decoded(value), dict):
                return text
            return arguments_of(value)
        return value if text not in ("", "null", "[]") else "{}"
    return dumps(value).decode() if value else "{}"


def _decoded(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def words_of(value: object) -> str:
    """What a tool gave back, whatever its form: text as it is, a list of texts line by line, all else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return dumps(value).decode()


def id_of(value: object) -> str:
    """An id in whatever type a client kept it; "" for none."""
    return "" if value is None or isinstance(value, bool) else str(value)


def last_turn(roles: Sequence[str], own: Sequence[str] = ("assistant", "model")) -> int:
    """Where the last user turn begins: behind the last thing the model said."""
    return max((at + 1 for at, role in enumerate(roles) if role in own), default=0)
