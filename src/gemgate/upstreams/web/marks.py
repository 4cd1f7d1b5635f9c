"""What the service writes into reply text that is not for a reader, and what stands there instead.

Placeholders of images and cards, suggestions for the next question, marks of code runs and citations, entities
(docs/google-wire.md 6.2). Each mark is a row of atoms: joined they are its pattern, and every beginning of the row that
ends with the text is something that may still become the mark. So no stream shows half of one, wherever it is cut.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

_LESS: Final = "(?:<|&lt;)"
_MORE: Final = "(?:>|&gt;)"
"""The service writes angle brackets as such or as entities."""
_BEGUN: Final = {_LESS: ("<", "&", "&l", "&lt"), _MORE: (">", "&", "&g", "&gt")}
_VALUE: Final = r'[^"\n]{0,400}'
_PLACEHOLDER: Final = (
    r"(?:(?:\w{1,60}/){1,4}\d{1,9}|(?:image_generation|generated_video|card|youtube|map|deep_research_confirmation)"
    r"_content(?![\w/])|immersive_entry_chip(?![\w/]))"
)


def _letters(text: str) -> list[str]:
    return [re.escape(letter) for letter in text]


def _tag(before: str, *inside: str, after: Iterable[str] = ()) -> list[str]:
    """The row of a tag with this inside."""
    return [before, _LESS, *inside, _MORE, *after]


_HTTP: Final = [*_letters("http"), "s?", *_letters("://googleusercontent.com/")]
_FOLLOW_UP: Final = _tag(
    r"\n{0,8}", *_letters("FollowUp"), " ", *_letters('label="'), _VALUE, '"', " ", *_letters('query="'), _VALUE, '"',
    " ?", "/",
)  # fmt: skip
_CUT: Final = [
    _FOLLOW_UP,
    _tag(r"\n{0,8}", *_letters("!-- end list --")),
    _tag("", *_letters("ctrl94"), after=[*_letters("thought"), r"\n?"]),
    [" ?", *_letters("[cite:"), r"[\d ,–-]{1,80}", r"\]"],
]
_FENCE: Final = [*_letters("```"), r"\w{1,20}", *_letters("?code_"), r"[\w&=;]{1,80}", r"(?![\w&=;])"]
_ENTITY: Final = ["&", r"(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31})", ";"]
"""The service always writes the semicolon; without it `&copy` in a URL is no entity."""


def _begun(row: list[str]) -> str:
    """Any beginning of the mark; an entity inside may itself have just begun."""
    out = ""
    for atom in reversed(row[1:]):
        out = f"(?:{atom}{out}|{'|'.join(reversed(_BEGUN[atom]))})?" if atom in _BEGUN else f"(?:{atom}{out})?"
    return row[0] + out


_OPENS: Final = (
    r"<(?:[F!c]|\Z)|&(?:[A-Za-z#]|\Z)|`(?:`|\Z)|\n(?:\n{0,7}(?:[<&]|\Z))|\[(?:c|\Z)| (?:\[(?:c|\Z)|\Z)|h(?:tt|t?\Z)"
)
"""What every mark and every beginning of one begins with: a quick look before the long one. Each way to begin starts
with one character, so that the search for it runs over a set of characters.
"""
_WHOLE: Final = (
    f"(?P<placeholder>{''.join(_HTTP)}{_PLACEHOLDER}\\n*)"
    f"|(?P<cut>{'|'.join(map(''.join, _CUT))})"
    f"|(?P<fence>{''.join(_FENCE)})"
)
_ONE_ENTITY: Final = f"(?P<entity>{''.join(_ENTITY)})"
_ENDS: Final = [
    _begun([*_HTTP, r"[\w/]{0,300}\n*"]),
    *map(_begun, (*_CUT, _FENCE)),
    r"&(?:#[xX]?[0-9a-fA-F]{0,7}|[A-Za-z0-9]{0,32})",
]
_OPENING: Final = re.compile(_OPENS)
MARK: Final = re.compile(f"(?={_OPENS})(?:{_WHOLE}|{_ONE_ENTITY})")
_MARK_OR_BEGINNING: Final = re.compile(f"(?:{_WHOLE}|(?:{'|'.join(_ENDS)})\\Z|{_ONE_ENTITY})")
"""Of a text that goes on: a beginning stands at its end, in no group."""
_ALONE: Final = re.compile(f"(?P<entity>&(?!lt;(?:[F!c]|\\Z)){''.join(_ENTITY[1:])})")
"""An entity with which no mark can begin: most of those there are."""

_NUMBERS: Final = re.compile(r"(\d{1,6})(?: ?[–-] ?(\d{1,6}))?")
_MOST: Final = 100
"""Sources of one mark that are believed."""
_RUN: Final = re.compile(r"```(\w{1,20})\?code_(reference|stdout)[\w&=;]{0,80}\n(.*?)\n?```", re.DOTALL)

_TELLING: Final = "&<`["
"""Characters of which every mark has one, but for those that begin with a link."""
_PERHAPS: Final = re.compile(f"[{re.escape(_TELLING)}]")
_AHEAD: Final = 8
"""How far before what `_PERHAPS` finds a mark may begin (its newlines)."""

_SUGGESTED: Final = re.compile(r'FollowUp label="([^"\n]{0,400})" query="([^"\n]{0,400})"')


def plain(text: str) -> bool:
    """Whether no whole mark can stand in it: what is true of most texts and told at once."""
    for telling in _TELLING:
        if telling in text:
            return False
    return "http" not in text


def place(text: str, start: int, stop: int) -> int:
    """Where a mark that begins in front of `stop`, or its beginning, may first stand; -1 when there is none."""
    if len(text) - stop <= _AHEAD:
        return start  # one may have begun with less than its telling character
    found = _PERHAPS.search(text, start, stop + _AHEAD)
    link = text.find("http", start, stop + len("http"))
    if found is None:
        return link
    first = max(start, found.start() - _AHEAD)
    return first if link < 0 else min(first, link)


def first(text: str, start: int, stop: int, *, final: bool) -> re.Match[str] | None:
    """The first mark that begins from `start` on, in front of `stop`; or its beginning in a text that goes on."""
    pattern = MARK if final else _MARK_OR_BEGINNING
    while (opening := _OPENING.search(text, start)) and opening.start() < stop:
        start = opening.start()
        if mark := _ALONE.match(text, start) or pattern.match(text, start):
            return mark
        start += 1
    return None


def instead(match: re.Match[str]) -> str:
    """What a reader gets for a whole mark."""
    match match.lastgroup:
        case "entity":
            return html.unescape(match.group())
        case "fence":
            return match.group().partition("?")[0]
        case _:
            return ""


def clean(text: str) -> str:
    """A whole wire text as a reader shall see it; one that is nothing but marks keeps all but its placeholders."""
    return text if plain(text) else MARK.sub(instead, text) or alone(text)


def cited(raw: str) -> list[tuple[int, tuple[int, ...]]]:
    """Where the text that `clean` makes of `raw` cites: the place of each mark in it, and the numbers in the mark."""
    found: list[tuple[int, tuple[int, ...]]] = []
    at = length = 0
    for mark in MARK.finditer(raw):
        length += mark.start() - at + len(instead(mark))
        at = mark.end()
        if "[cite:" in mark.group() and mark.lastgroup == "cut":
            found.append((length, _numbers(mark.group())))
    return found


def _numbers(mark: str) -> tuple[int, ...]:
    """The numbers in a mark of citation, `2-4` as three of them."""
    ranges = [(int(first), int(last or first)) for first, last in _NUMBERS.findall(mark)]
    return tuple(number for first, last in ranges for number in range(first, min(last, first + _MOST) + 1))


def runs(raw: str) -> list[tuple[str, str, str]]:
    """The programs that were run while the text was written: language, code, output. A program's output follows it."""
    found: list[tuple[str, str, str]] = []
    if "?code_" not in raw:
        return found
    for language, kind, inside in _RUN.findall(raw):
        text = clean(inside).strip("\n")
        if kind == "reference":
            found.append((language, text, ""))
        elif found and not found[-1][2]:
            found[-1] = (*found[-1][:2], text)
    return found


def alone(text: str) -> str:
    """A text of which nothing else is left."""
    return html.unescape(MARK.sub(lambda mark: "" if mark.lastgroup == "placeholder" else mark.group(), text))


def suggestions(text: str) -> tuple[str, ...]:
    """The questions that the service suggests to ask next."""
    if "FollowUp" not in text:
        return ()
    return tuple(html.unescape(query or label) for label, query in _SUGGESTED.findall(text))
