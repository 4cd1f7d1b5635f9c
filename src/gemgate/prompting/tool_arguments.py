"""The body of a tool call, as a model wrote it, into arguments that fit the tool's schema, or the reason why not."""

from __future__ import annotations

import re
from typing import Any

from gemgate.chat import Tool
from gemgate.prompting.loose_json import Unreadable, dump, read_value
from gemgate.prompting.tool_schemas import tool_schema


class Unusable(ValueError):
    """Why a call cannot be made, in one English sentence for the model.

    written: the arguments as JSON of an object, where they are one that merely does not fit.
    """

    def __init__(self, reason: str, written: str = "") -> None:
        super().__init__(reason)
        self.written = written


FENCE = r"(?:`{3,}|~{3,})[^\n`]*(?:\n|$)"
_LABELS = r"(?:arguments|args|parameters|params|input|json|参数)(?![\w.])[ \t]*[:：=]?"
_LEAD = re.compile(rf"(?:\s|[*_>|:：,.\\-]|`{{1,2}}(?!`)|{FENCE}|{_LABELS}|</?[a-z_]{{1,20}}>)*", re.IGNORECASE)
_NOTHING = re.compile(r"(?:null|none|n/a|nothing|empty|no (?:arguments|parameters)|无|没有参数)(?!\w)", re.IGNORECASE)
_PAIRS = re.compile(r"[A-Za-z_]\w*[ \t]*[:=]")
_GOES_ON = re.compile(r"\s*,\s*[\"'\w]")
_ANOTHER = re.compile(r"[\s`~,;]*(?:json\s*)?\{")
_TAIL = re.compile(r"(?:[\s})\]*_;,.>]|`+|~{3,}|</?[a-z_]{1,20}>)*", re.IGNORECASE)
_SELF_LINK = re.compile(r"\[(https?://[^\]\s]+)\]\((https?://[^)\s]+)\)")

_WRAPPING = {"name", "id", "type", "function", "tool", "tool_name", "call_id"}
_WRAPPED = ("arguments", "args", "parameters", "params", "input", "kwargs")


def read_arguments(tool: Tool, body: str, *, complete: bool) -> tuple[str, str]:
    """The arguments as compact JSON of an object, and the text that stood behind them; Unusable.

    complete: an end marker closed the body, so nothing of it is missing.
    """
    start = _lead_end(body)
    fenced = re.search(r"`{3}|~{3}", body[:start]) is not None
    value, end = _value(tool, body, start, complete=complete)
    rest = body[end:]
    if _GOES_ON.match(rest):
        raise Unusable("the JSON object is closed too early: more keys follow it")
    if _ANOTHER.match(rest):
        raise Unusable("there are two JSON objects; write one call for each")
    given = _object(tool, value if fenced else _unlinked(value))
    written = dump(given)
    arguments, flaw = tool_schema(tool.parameters).settle(given, drop_unknown=True)
    if flaw is not None:
        raise Unusable(f"the arguments do not fit the schema: {flaw}", written)
    return dump(arguments), rest[_tail_end(rest) :].rstrip()


def _lead_end(body: str) -> int:
    match = _LEAD.match(body)
    return match.end() if match else 0


def _tail_end(rest: str) -> int:
    match = _TAIL.match(rest)
    return match.end() if match else 0


def _value(tool: Tool, body: str, start: int, *, complete: bool) -> tuple[Any, int]:
    """What stands where the arguments should stand, and where it ends."""
    if start >= len(body):
        return {}, start
    if match := _NOTHING.match(body, start):
        return {}, match.end()
    try:
        if body[start] in "{\uff5b[\uff3b(\"'\u201c":
            return read_value(body, start, complete=complete)
        if _PAIRS.match(body, start):
            value, end = read_value(f"({body[start:]}", complete=True)
            return value, start + end - 1
        brace = body.find("{", start)
        if brace >= 0:
            return read_value(body, brace, complete=complete)
    except Unreadable as reason:
        raise Unusable(f"the arguments are not a JSON object: {reason}") from None
    if tool_schema(tool.parameters).flaw({}) is None:
        return {}, start
    raise Unusable("there is no JSON object with the arguments")


def _object(tool: Tool, value: Any) -> dict[str, Any]:
    """The object of arguments inside the wrappings that models put round it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        value = _decoded(value)
    if not isinstance(value, dict):
        raise Unusable("the arguments must be one JSON object")
    known = tool.parameters.get("properties")
    known = known if isinstance(known, dict) else {}
    wrapped = [key for key in _WRAPPED if key in value and key not in known]
    if len(wrapped) == 1 and set(value) <= _WRAPPING | {wrapped[0]} and not set(value) & set(known):
        inner = value[wrapped[0]]
        inner = _decoded(inner) if isinstance(inner, str) else inner
        if isinstance(inner, dict):
            return inner
    if set(value) == {tool.name} and tool.name not in known and isinstance(value[tool.name], dict):
        return dict(value[tool.name])
    return value


def _decoded(text: str) -> Any:
    """JSON that was written into a JSON string."""
    try:
        return read_value(text)[0]
    except Unreadable:
        return text


def _unlinked(value: Any) -> Any:
    """The web app makes links of bare addresses outside code: `[X](X)` as a whole value is X."""
    if isinstance(value, dict):
        return {key: _unlinked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unlinked(inner) for inner in value]
    if isinstance(value, str) and (match := _SELF_LINK.fullmatch(value)):
        return match.group(1) if match.group(1).rstrip("/") == match.group(2).rstrip("/") else value
    return value
