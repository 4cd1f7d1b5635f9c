"""The part of YAML in which configurations are written: tables and lists by indentation, short lists in brackets,
scalars, comments. Whatever else there is (anchors, tags, blocks of text, several documents) is refused, not guessed.

Scalars are texts, None, True or False: what a number is, its reader says. Nothing of a text is ever quoted in an error.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gemgate.errors import BadRequest

_DEEPEST = 20
_MOST_LINES = 20_000
_KEY = re.compile(r"""(?:"([^"\\]{0,200})"|'([^']{0,200})'|([\w][\w ./*@+-]{0,199}?))[ ]{0,9}:(?:[ ]|$)""")
_RESERVED = "&*!|>%@`{}[],#?"
_NOTHING = {"", "~", "null", "Null", "NULL"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}

_Line = tuple[int, str, int]
"""Indentation, text without comment, number."""


def read(text: str) -> Any:
    """Tables as dicts, lists as lists. BadRequest names the line that is not read."""
    lines = _lines(text)
    if not lines:
        return None
    value, after = _block(lines, 0, lines[0][0], 0)
    if after < len(lines):
        raise _wrong(lines[after][2])
    return value


def _lines(text: str) -> list[_Line]:
    rows = text.split("\n")
    if len(rows) > _MOST_LINES:
        raise BadRequest(f"More than {_MOST_LINES} lines", f"超过 {_MOST_LINES} 行")
    found: list[_Line] = []
    for number, row in enumerate(rows, 1):
        whole = row.rstrip("\r ")
        bare = whole.lstrip(" ")
        if not bare or bare.startswith("#") or (bare == "---" and not found):
            continue
        told = _without_comment(bare).rstrip()
        if not told.isprintable():
            raise _wrong(number)
        found.append((len(whole) - len(bare), told, number))
    return found


def _without_comment(text: str) -> str:
    """The text up to ` #` outside of quotes."""
    quote = ""
    for at, char in enumerate(text):
        if quote:
            if char == quote and not (quote == '"' and text[at - 1] == "\\"):
                quote = ""
        elif char in "\"'" and (at == 0 or text[at - 1] in " [,:{-"):
            quote = char
        elif char == "#" and (at == 0 or text[at - 1] == " "):
            return text[:at]
    return text


def _block(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[Any, int]:
    """The list or table that begins at a line, and the line behind it."""
    if depth > _DEEPEST:
        raise _wrong(lines[at][2])
    text = lines[at][1]
    if text == "-" or text.startswith("- "):
        return _list(lines, at, indent, depth)
    if _KEY.match(text):
        return _table(lines, at, indent, depth)
    return _scalar(text, lines[at][2]), at + 1


def _list(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and (lines[at][1] == "-" or lines[at][1].startswith("- ")):
        _, text, number = lines[at]
        rest = text[1:].lstrip(" ")
        if not rest:
            value, at = _inner(lines, at + 1, indent + 1, depth)
        elif rest.startswith("- ") or _KEY.match(rest):
            inner = indent + len(text) - len(rest)
            lines[at] = (inner, rest, number)
            value, at = _block(lines, at, inner, depth + 1)
        else:
            value, at = _scalar(rest, number), at + 1
        found.append(value)
    return found, at


def _table(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent:
        _, text, number = lines[at]
        key = _KEY.match(text)
        if key is None:
            raise _wrong(number)
        name = next(group for group in key.groups() if group is not None).strip()
        if name in found:
            raise _wrong(number)
        rest = text[key.end() :].strip(" ")
        if rest:
            found[name], at = _scalar(rest, number), at + 1
        else:
            is_list = at + 1 < len(lines) and lines[at + 1][0] == indent and lines[at + 1][1][:2] in ("-", "- ")
            found[name], at = _inner(lines, at + 1, indent if is_list else indent + 1, depth)
    return found, at


def _inner(lines: list[_Line], at: int, least: int, depth: int) -> tuple[Any, int]:
    """What stands under a key or a dash that has nothing beside it."""
    if at >= len(lines) or lines[at][0] < least:
        return None, at
    value, after = _block(lines, at, lines[at][0], depth + 1)
    if after < len(lines) and lines[after][0] > lines[at][0]:
        raise _wrong(lines[after][2])
    return value, after


def _scalar(text: str, number: int) -> Any:
    if text[0] == "'" and text[-1] == "'" and len(text) > 1 and "'" not in text[1:-1].replace("''", ""):
        return text[1:-1].replace("''", "'")
    if text[0] == '"':
        return _double(text, number)
    if text[0] == "[" and text[-1] == "]":
        return _short_list(text[1:-1].strip(), number)
    if text == "{}":
        return {}
    if text[0] in _RESERVED + "'" or text[:2] in ("- ", "? ") or ": " in text or text[-1] == ":":
        raise _wrong(number)
    return None if text in _NOTHING else True if text in _TRUE else False if text in _FALSE else text


def _short_list(inside: str, number: int) -> list[Any]:
    if not inside:
        return []
    if inside.startswith('"'):
        try:
            value = json.loads(f"[{inside}]")
        except (ValueError, RecursionError):
            raise _wrong(number) from None
        if not all(isinstance(one, str) for one in value):
            raise _wrong(number)
        return list(value)
    parts = [part.strip() for part in inside.removesuffix(",").split(",")]
    if not all(parts) or any(char in inside for char in "[]{}") or '"' in inside:
        raise _wrong(number)
    return [_scalar(part, number) for part in parts]


def _double(text: str, number: int) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(number) from None
    if not isinstance(value, str):
        raise _wrong(number)
    return value


def _wrong(number: int) -> BadRequest:
    return BadRequest(
        f"Line {number} is YAML that is not read here (anchors, tags, blocks of text, tabs): write the file as JSON",
        f"第 {number} 行是此处不支持的 YAML 写法（锚点、标签、多行文本、制表符）：请将文件转换为 JSON",
        code="yaml",
    )
