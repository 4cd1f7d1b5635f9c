"""JSON as models write it: read what has one meaning only, refuse the rest with a reason the model can act on.

Strict JSON is tried first and costs nothing more. What is mended: fences of other quotation marks, trailing and missing
commas, comments, bare keys, Python's literals, raw line breaks in strings, Markdown escapes, full-width punctuation,
missing closing brackets of a text that is known to be complete. What is not: cut strings, unescaped inner quotation
marks, a key given twice with two values, anything with two readings.
"""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64


class Unreadable(ValueError):
    """Why a text is no JSON, in one English sentence for the model."""


def read_value(text: str, start: int = 0, *, complete: bool = True) -> tuple[Any, int]:
    """The first JSON value of `text` from `start` on, and where it ends; Unreadable.

    complete: the text is known to be whole, so brackets that only lack their closing ones may be closed.
    """
    try:
        return _strict(text, start)
    except (ValueError, RecursionError):
        pass
    try:
        return _Reader(text, start, complete=complete).whole()
    except Unreadable as reason:
        plain = _unwrapped(text[start:])
        if plain is None:
            raise
        try:
            value, _ = _Reader(plain, 0, complete=complete).whole()
        except Unreadable:
            raise reason from None
        return value, len(text)


def _unwrapped(text: str) -> str | None:
    """The text without a layer of escapes over all its quotation marks, or None when there is none.

    Entities or backslashes before every mark make the structure unreadable; inside readable JSON they are data.
    """
    if re.match(r"[{\[]\s*&(?:quot|#34|#x22|#39|apos);", text):
        try:
            return html.unescape(text)
        except ValueError:  # a character reference of more digits than the interpreter reads
            return None
    if re.match(r'[{\[]\s*\\"', text):
        return re.sub(r'\\(["\\])', r"\1", text)
    return None


def dump(value: Any) -> str:
    """Compact JSON text; lone surrogates, which no encoder takes, become U+FFFD."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _strict(text: str, start: int) -> tuple[Any, int]:
    match = _SPACE.match(text, start)
    return _DECODER.raw_decode(text, match.end() if match else start)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        _put(made, key, value)
    return made


def _put(made: dict[str, Any], key: str, value: Any) -> None:
    if key in made and made[key] != value:
        raise Unreadable(f"the key {key!r} stands twice, with two values")
    made[key] = value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable(f"the number {text[:20]} is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise Unreadable(f"{text} is not a JSON value")


_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_number, parse_constant=_constant)

_SKIPPED = re.compile(
    r"(?:[\s\u00a0\u200b\u200c\u200d\u2060\ufeff]+|//[^\n]*|#[^\n]*|/\*.*?\*/|\\(?=[^\w\s\"'\\]))+", re.DOTALL
)
_WORD = re.compile(r"[A-Za-z_$](?:[\w$-]|\\_)*+", re.ASCII)
_DIGITS = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])", re.ASCII)
_LITERALS = {"true": True, "false": False, "null": None, "none": None}
_CLOSERS = {'"': '"', "'": "'", "\u201c": '\u201d"', "\u201d": '\u201d"', "\u2018": "\u2019'", "\uff02": '\uff02"'}
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\n": ""}
_OPEN, _CLOSE, _LIST, _UNLIST = "{\uff5b", "}\uff5d", "[\uff3b", "]\uff3d"
_COLONS, _COMMAS = ":\uff1a=", ",\uff0c;\uff1b"
_AFTER_STRING = _CLOSE + _UNLIST + _COLONS + _COMMAS + ")"


class _Reader:
    """A recursive reader over one text; every method leaves `at` behind what it read."""

    def __init__(self, text: str, start: int, *, complete: bool) -> None:
        self._text = text
        self._complete = complete
        self.at = start

    def whole(self) -> tuple[Any, int]:
        self._skip()
        if self._peek() == "(":
            self.at += 1
            value = self._keywords()
        else:
            value = self._value(0)
        return value, self.at

    def _keywords(self) -> Any:
        """The inside of `name(...)`: one object, or Python's `key=value`."""
        self._skip()
        if self._peek() in _OPEN and self._peek():
            value = self._value(0)
            self._skip()
            if self._peek() == ")":
                self.at += 1
            return value
        return self._accounts(")", 0)

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
        self._skip()
        char = self._peek()
        if not char:
            raise Unreadable("it ends where a value is expected")
        if char in _OPEN:
            self.at += 1
            return self._accounts(_CLOSE, depth + 1)
        if char in _LIST:
            self.at += 1
            return self._elements(depth + 1)
        if char in _CLOSERS:
            return self._string()
        if match := _DIGITS.match(self._text, self.at):
            self.at = match.end()
            return self._numeral(match.group())
        if (match := _WORD.match(self._text, self.at)) and match.group().lower() in _LITERALS:
            self.at = match.end()
            return _LITERALS[match.group().lower()]
        raise Unreadable(f"{self._near()} is not a JSON value; strings need double quotation marks")

    def _accounts(self, closers: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while True:
            self._skip()
            if self._ended(closers):
                return made
            key = self._key()
            self._skip()
            if not self._take(_COLONS):
                raise Unreadable(f"a colon is missing after the key {key!r}")
            if self._peek() == ">":
                self.at += 1
            _put(made, key, self._value(depth))
            self._skip()
            if not self._take(_COMMAS) and not self._ended(closers, move=False) and not self._starts_key():
                raise Unreadable(f"a comma or closing bracket is missing before {self._near()}")

    def _elements(self, depth: int) -> list[Any]:
        made: list[Any] = []
        while True:
            self._skip()
            if self._ended(_UNLIST):
                return made
            made.append(self._value(depth))
            self._skip()
            if not self._take(_COMMAS) and not self._ended(_UNLIST, move=False):
                raise Unreadable(f"a comma or closing bracket is missing before {self._near()}")

    def _key(self) -> str:
        if self._peek() in _CLOSERS:
            return self._string()
        if match := _WORD.match(self._text, self.at):
            self.at = match.end()
            return match.group().replace("\\", "")
        raise Unreadable(f"{self._near()} is not a key; keys need double quotation marks")

    def _starts_key(self) -> bool:
        """A key may follow without a comma when it begins a line of its own."""
        line = self._text.rfind("\n", 0, self.at) + 1
        alone = not self._text[line : self.at].strip(" \t\\")
        return alone and (self._peek() in _CLOSERS or _WORD.match(self._text, self.at) is not None)

    def _string(self) -> str:
        closers = _CLOSERS[self._peek()]
        opening = self._peek()
        if self._text.startswith(opening * 3, self.at) and opening in "\"'":
            return self._long_string(opening * 3)
        self.at += 1
        pieces: list[str] = []
        odd: list[str] = []
        controls = False
        while True:
            char = self._peek()
            self.at += 1
            if not char:
                raise Unreadable("it is cut off in the middle of a string")
            if char in closers:
                break
            if char != "\\":
                pieces.append(char)
                continue
            piece, known = self._escape()
            controls = controls or piece in ("\b", "\f", "\n", "\r", "\t")
            if not known:
                odd.append(piece)
            pieces.append(piece)
        if odd and controls:
            raise Unreadable(f"the backslashes in {''.join(pieces)[:40]!r} must be doubled")
        self._check_end("".join(pieces))
        return "".join(pieces)

    def _long_string(self, quotes: str) -> str:
        end = self._text.find(quotes, self.at + 3)
        if end < 0:
            raise Unreadable("it is cut off in the middle of a string")
        text = self._text[self.at + 3 : end]
        self.at = end + 3
        return text

    def _escape(self) -> tuple[str, bool]:
        """What follows a backslash; False for an escape that JSON does not know and that means itself."""
        char = self._peek()
        self.at += 1
        if char in _ESCAPES and char:
            return _ESCAPES[char], True
        if char == "u":
            digits = self._text[self.at : self.at + 4]
            if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                raise Unreadable(f"\\u{digits[:4]} is not an escape")
            self.at += 4
            return chr(int(digits, 16)), True
        if char.isalnum():
            return "\\" + char, False
        return char, True

    def _check_end(self, text: str) -> None:
        """A string must be followed by what can follow one, else an inner quotation mark ended it too early."""
        here = self.at
        self._skip()
        char = self._peek()
        fits = not char or char in _AFTER_STRING or self._starts_key() or self._text.startswith("```", self.at)
        self.at = here
        if not fits:
            raise Unreadable(f"a quotation mark inside the string {text[:40]!r} must be escaped with a backslash")

    def _numeral(self, text: str) -> int | float:
        if len(text) > 400:
            raise Unreadable(f"the number {text[:20]} is too long")
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else _number(text)

    def _ended(self, closers: str, *, move: bool = True) -> bool:
        """Whether the bracket closes here: by its sign, or because a complete text is over."""
        char = self._peek()
        if char and char in closers:
            self.at += move
            return True
        if self._text.startswith(("```", "~~~"), self.at):
            return True
        if not char and not self._complete:
            raise Unreadable("it is cut off before its closing bracket")
        return not char

    def _take(self, chars: str) -> bool:
        char = self._peek()
        if char and char in chars:
            self.at += 1
            return True
        return False

    def _skip(self) -> None:
        if match := _SKIPPED.match(self._text, self.at):
            self.at = match.end()

    def _peek(self) -> str:
        return self._text[self.at : self.at + 1]

    def _near(self) -> str:
        return repr(self._text[self.at : self.at + 24])
