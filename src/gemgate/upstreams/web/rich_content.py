"""What stands in a candidate besides its text: sources, images of the web, canvas documents, films and music; and what
we do not know.

Everything is read by meaning where it can be, and whatever is neither read nor known to be bookkeeping has a name in
`unknown`, so that nothing of an answer vanishes unseen (docs/google-wire.md 6.3 to 6.7).
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from gemini_webapi.utils import get_nested_value as at
from gemini_webapi.utils.citation import extract_citations

from gemgate.findings import NOTHING_FOUND, Citation, CodeRun, Document, Findings, Media, WebImage, WebSource
from gemgate.upstreams.web import marks
from gemgate.upstreams.web.image_download import is_private
from gemgate.upstreams.web.marks import clean

_CANVAS: Final = 30
CANVAS_KEY: Final = "canvas"
"""Where the documents stand among the rich fields of an answer."""
RICH: Final = 12
_FAVICON: Final = "gstatic.com/faviconV2"
_OWN_HOSTS: Final = ("gstatic.com", "googleusercontent.com")
_DIGITS: Final = 3
"""Of a key that is told by its name: names are few, because a metric has one row for each."""
_MOST_VALUES: Final = 200_000
"""Values of one candidate that are looked through for sources: a bound, not a size that was seen."""

_CONTAINERS: Final = (list, dict)
_FILM: Final = "60"
_MUSIC: Final = "87"
_SHOWN: Final = re.compile(r"!\[([^\]\n]{0,300})\]\((https://[A-Za-z0-9:/?#@!$&'*+,;=%._~-]{1,2000})[ \t)]")
_MOST_OF_DOCUMENT: Final = 1_000_000
"""Characters of a document that are looked through for images."""
_LEAD: Final = " \t\n.,;:!?。，；：！？*-•#>"
"""What may stand between a mark of citation and the next words that lean on a source."""

_READ: Final = frozenset({"2", "7", "8", "44", "canvas"})
"""Rich fields that are read, by their key: images of the web, progress, generated images, citations."""
_OF_RESEARCH: Final = frozenset({"56", "57", "58", "70"})
"""Those that are read where a research was asked for; a chat that gets them cannot tell of them."""
_SLOTS: Final = frozenset({*range(13), 22, _CANVAS, 37})
"""Slots of a candidate that are read, or hold ids, text and marks only."""


class Riches:
    """Collects over the snapshots of one answer; what a later snapshot leaves out is kept.

    research: the answer is one to a turn of a deep research.
    """

    def __init__(self, *, research: bool = False) -> None:
        self._read = _READ | _OF_RESEARCH if research else _READ
        self._fields: dict[str, Any] = {}
        self._rest: list[Any] = []
        self.unknown: set[str] = set()

    def see(self, candidate: list[Any]) -> None:
        """Take note of one snapshot's candidate; nothing in it is read before the end."""
        if len(candidate) > RICH and (block := candidate[RICH]):
            self._fields.update(fields_of(block))
        for slot in range(RICH + 1, len(candidate)):
            value = candidate[slot]
            if value and slot == _CANVAS:
                self._fields[CANVAS_KEY] = value
            elif value and slot not in _SLOTS and isinstance(value, list | dict | str):
                self.unknown.add(f"candidate {slot}")
        self._rest = candidate

    @property
    def fields(self) -> Mapping[str, Any]:
        """The rich fields that came, by key."""
        return self._fields

    def findings(self, raw: str) -> Findings:
        """Everything that the snapshots brought; `raw`: the text as the wire has it."""
        fields, rest = self._fields, self._rest
        runs, suggestions = tuple(CodeRun(*run) for run in marks.runs(raw)), marks.suggestions(raw)
        beside = [*fields.values(), *rest[:RICH], *rest[RICH + 1 :]] if fields or len(rest) > RICH else []
        icons = [*with_favicon(beside)]
        if not fields and not icons:
            return Findings(runs=runs, suggestions=suggestions) if runs or suggestions else NOTHING_FOUND
        grounded = list(_grounding(fields.get("1")))
        media = (*_media(fields.get(_FILM), "video"), *_media(fields.get(_MUSIC), "audio"))
        known = self._read | ({"1"} if grounded else set()) | ({_FILM, _MUSIC} if media else set())
        self.unknown.update(
            f"rich {key}" for key in fields if key not in known and key.isdigit() and len(key) <= _DIGITS
        )
        numbered = [*numbered_sources(fields.get("44"))]
        sources = once([*numbered, *icons, *grounded])
        documents = tuple(_documents(fields.get(CANVAS_KEY)))
        return Findings(
            sources=sources,
            citations=tuple(cited(raw, numbered, sources)),
            images=(*_images(fields.get("2")), *_within(documents)),
            documents=documents,
            media=media,
            runs=runs,
            suggestions=suggestions,
        )


def fields_of(block: Any) -> dict[str, Any]:
    """What is in a rich block, by key: field n stands at n or under str(n + 1) in a dict at the end."""
    if isinstance(block, dict):
        return {key: value for key, value in block.items() if value}
    found: dict[str, Any] = {}
    for place, value in enumerate(block if isinstance(block, list) else ()):
        if isinstance(value, dict):
            found.update({key: inner for key, inner in value.items() if inner})
        elif value:
            found[str(place + 1)] = value
    return found


def numbered_sources(groups: Any) -> Iterator[WebSource]:
    """The pages that citation groups name, with their numbers."""
    for found in extract_citations(groups):
        yield WebSource(found["url"], found["title"] or "", number=found["id"])


def cited(raw: str, numbered: Sequence[WebSource], sources: Sequence[WebSource]) -> Iterator[Citation]:
    """The words in front of each mark, from the mark before or the beginning of their line."""
    places = {source.url: place for place, source in enumerate(sources)}
    of_number = {source.number: places[source.url] for source in numbered if source.url in places}
    text = clean(raw) if of_number else ""
    last = 0
    for place, numbers in marks.cited(raw) if of_number else ():
        end = len(text[:place].rstrip())
        begins = max(last, text.rfind("\n", 0, end) + 1)
        start = end - len(text[begins:end].lstrip(_LEAD))
        last = end
        if (leans := tuple(dict.fromkeys(of_number[n] for n in numbers if n in of_number))) and start < end:
            yield Citation(start, end, leans)


def with_favicon(values: list[Any]) -> Iterator[WebSource]:
    """Every list `[icon, address, title, snippet]`, wherever it stands, in the order of the wire."""
    waiting, left = _stacked(values), _MOST_VALUES - len(values)
    while waiting and left > 0:
        value = waiting.pop()
        left -= len(value)
        if isinstance(value, dict):
            waiting += _stacked([*value.values()])
        elif len(value) > 1 and isinstance(value[0], str) and _FAVICON in value[0] and isinstance(value[1], str):
            title, snippet = (at(value, [n], "") for n in (2, 3))
            yield WebSource(value[1], _words(title), _words(snippet))
        else:
            waiting += _stacked(value)


def _stacked(values: list[Any]) -> list[Any]:
    """The lists and dicts among values, as a stack takes them."""
    return [value for value in reversed(values) if type(value) in _CONTAINERS]


def _grounding(field: Any) -> Iterator[WebSource]:
    rows = at(field, [0, 14, 12])
    for row in rows if isinstance(rows, list) else ():
        url, title = at(row, [0, 0, 1, 3, 1, 2, 1, 0]), at(row, [0, 0, 1, 2], "")
        if isinstance(url, str):
            yield WebSource(url, _words(title))


def once(sources: list[WebSource]) -> tuple[WebSource, ...]:
    """Each address once, with the first title and snippet that is told, and none of the service's own."""
    kept: dict[str, WebSource] = {}
    for source in sources:
        if _is_foreign(source.url):
            first = kept.get(source.url, source)
            title, snippet = first.title or source.title, first.snippet or source.snippet
            kept[source.url] = replace(first, title=title, snippet=snippet)
    return tuple(kept.values())


def _is_foreign(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = "." + (parts.hostname or "")
    return parts.scheme in ("http", "https") and not host.endswith(_OWN_HOSTS) and "/branding/" not in parts.path


def _images(rows: Any) -> Iterator[WebImage]:
    for row in rows if isinstance(rows, list) else ():
        url = at(row, [0, 0, 0])
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            yield WebImage(url, _words(at(row, [0, 4], "")), private=is_private(url))


def _media(field: Any, kind: Literal["video", "audio"]) -> Iterator[Media]:
    """The items of a card: each has the addresses of its preview and of itself at place 7 (docs/google-wire.md 6.6).
    `kind` where neither type nor name says what it is.
    """
    waiting = [field]
    while waiting:
        item = waiting.pop()
        url = at(item, [7, 1])
        if isinstance(url, str) and url.startswith("https://"):
            name, mime, nbytes = _words(at(item, [2])), _words(at(item, [11])).lower(), at(item, [24])
            said = mime or (mimetypes.guess_type(name)[0] or "")
            is_audio = said.startswith("audio/") if said else kind == "audio"
            yield Media("audio" if is_audio else "video", url, name, mime, nbytes if isinstance(nbytes, int) else 0)
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def _documents(rows: Any) -> Iterator[Document]:
    for row in rows if isinstance(rows, list) else ():
        text = at(row, [4])
        if isinstance(text, str) and text:
            title, name, language = (_words(at(row, [place], "")) for place in (2, 9, 14))
            yield Document(_words(at(row, [0], "")), title, clean(text), name, language, is_code=at(row, [10]) == 2)


def _within(documents: Sequence[Document]) -> Iterator[WebImage]:
    """Images that a document shows from where only the account can fetch them, each once."""
    seen: set[str] = set()
    for document in documents:
        for alt, url in () if document.is_code else _SHOWN.findall(document.text[:_MOST_OF_DOCUMENT]):
            if url not in seen and is_private(url):
                seen.add(url)
                yield WebImage(url, alt, private=True, within=True)


def _words(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""
