"""Messages as JSON, for stores that remember conversations, and the message that a reply becomes in the next turn."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from gemgate.chat import (
    File,
    Image,
    ImageGenerated,
    Message,
    Part,
    Reply,
    Text,
    TextDelta,
    Thought,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    ToolResult,
)
from gemgate.files import Inline, Link, Source, Stored
from gemgate.frozen import frozen


def message_of(reply: Reply) -> Message:
    """What the assistant said, as the next request of the conversation would bring it back."""
    parts: list[Part] = []
    for part in reply.parts:
        match part:
            case TextDelta(text):
                parts.append(Text(text))
            case ThoughtDelta(text):
                parts.append(Thought(text))
            case ToolCalled(call):
                parts.append(call)
            case ImageGenerated(image) if image.data is not None:
                parts.append(Image(Inline(image.data, image.mime)))
            case ImageGenerated(image):
                parts.append(Text(f"![{image.prompt[:80]}]({image.url})"))
    return Message("assistant", tuple(parts))


def dump(messages: Sequence[Message]) -> str:
    """Messages as JSON text; bytes as base64."""
    values = [
        {"role": message.role, "name": message.name, "parts": [_dump_part(part) for part in message.parts]}
        for message in messages
    ]
    return orjson.dumps(values).decode()


def load(text: str) -> tuple[Message, ...]:
    """The messages that `dump` wrote; KeyError or ValueError for anything else."""
    return tuple(
        Message(value["role"], tuple(_load_part(part) for part in value["parts"]), value["name"])
        for value in orjson.loads(text)
    )


@frozen
class Excerpt:
    """title: how a conversation begins, without what a developer says first; found: the words round a match."""

    title: str
    found: str = ""


TITLE, ROUND = 120, 80
"""Characters of a title, and on each side of a match."""


def excerpt(text: str, words: Sequence[str]) -> Excerpt | None:
    """What a list shows of a stored transcript; None when not all of the words stand in its texts, in any case."""
    try:
        said = [(value["role"], " ".join(_texts(value["parts"]))) for value in orjson.loads(text)]
    except (ValueError, KeyError, TypeError):
        return None
    whole = "\n".join(one for _, one in said)
    folded, found = whole.casefold(), ""
    if any(word.casefold() not in folded for word in words):
        return None
    if words:
        at = min(folded.find(words[0].casefold()), len(whole))
        start, end = max(0, at - ROUND), at + len(words[0]) + ROUND
        found = ("…" if start else "") + whole[start:end].strip() + ("…" if end < len(whole) else "")
    first = next((one for role, one in said if role == "user" and one.strip()), "")
    return Excerpt(" ".join(first[:TITLE].split()), found)


def readable(text: str) -> list[dict[str, Any]]:
    """A stored transcript for people to read: texts as they are, of bytes only what they are."""
    return [{"role": value["role"], "parts": [_shown(part) for part in value["parts"]]} for value in orjson.loads(text)]


def _texts(parts: Sequence[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        if isinstance(part.get("text"), str):
            yield part["text"]
        elif "result" in part:
            yield from _texts(part["result"]["parts"])


def _shown(part: dict[str, Any]) -> dict[str, Any]:
    for kind in ("image", "file"):
        if source := part.get(kind):
            size = len(source.get("data", "")) * 3 // 4
            return {kind: {"name": source["name"], "mime": source["mime"], "bytes": size or None}}
    if result := part.get("result"):
        return {"result": {**result, "parts": [_shown(one) for one in result["parts"]]}}
    return part


def _dump_part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Thought(text):
            return {"thought": text}
        case Image(source):
            return {"image": _dump_source(source)}
        case File(source):
            return {"file": _dump_source(source)}
        case ToolCall(call_id, name, arguments):
            return {"call": {"id": call_id, "name": name, "arguments": arguments}}
        case ToolResult(call_id, name, parts, is_error):
            inner = [_dump_part(part) for part in parts]
            return {"result": {"call_id": call_id, "name": name, "parts": inner, "is_error": is_error}}


def _load_part(value: dict[str, Any]) -> Part:
    match value:
        case {"text": str(text)}:
            return Text(text)
        case {"thought": str(text)}:
            return Thought(text)
        case {"image": dict(source)}:
            return Image(_load_source(source))
        case {"file": dict(source)}:
            return File(_load_source(source))
        case {"call": {"id": str(call_id), "name": str(name), "arguments": str(arguments)}}:
            return ToolCall(call_id, name, arguments)
        case {"result": {"call_id": str(call_id), "name": str(name), "parts": list(parts), "is_error": bool(is_error)}}:
            inner = tuple(_load_part(part) for part in parts)
            return ToolResult(call_id, name, tuple(p for p in inner if isinstance(p, Text | Image | File)), is_error)
        case _:
            raise ValueError(f"not a stored part: {sorted(value)}")


def _dump_source(source: Source) -> dict[str, str]:
    known = {"mime": source.mime, "name": source.name}
    match source:
        case Inline(data):
            return {"data": base64.b64encode(data).decode(), **known}
        case Link(url):
            return {"url": url, **known}
        case Stored(file_id):
            return {"id": file_id, **known}


def _load_source(value: dict[str, str]) -> Source:
    mime, name = value["mime"], value["name"]
    if "data" in value:
        return Inline(base64.b64decode(value["data"]), mime, name)
    if "url" in value:
        return Link(value["url"], mime, name)
    return Stored(value["id"], mime, name)
