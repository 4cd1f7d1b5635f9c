"""What an answer brings besides its words: sources, images of the web, documents, films and music, code that was run,
suggestions. And as Markdown.

Values only. The upstream finds them; `chat.Found` carries to the dialects what they have a shape of their own for, and
`markdown` writes the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Literal

from gemgate.frozen import frozen

_FENCES = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@frozen
class WebSource:
    """A page that an answer leans on. number: by which the answer cites it, 0 when it does not say."""

    url: str
    title: str = ""
    snippet: str = ""
    number: int = 0


@frozen
class Citation:
    """Words that lean on sources. start, end: characters of the answer's text, `end` exclusive; sources: their places
    in `Findings.sources`.
    """

    start: int
    end: int
    sources: tuple[int, ...]


@frozen
class Media:
    """A film or a piece of music beside the words. url: needs the account's cookies, unless it is our `own`, which
    needs a key of ours. nbytes: 0 when not told. data: the file itself, where it is told with it.
    """

    kind: Literal["video", "audio"]
    url: str
    name: str = ""
    mime: str = ""
    nbytes: int = 0
    own: bool = False
    data: bytes | None = field(default=None, repr=False)


@frozen
class CodeRun:
    """A program that Google ran for the answer, and what it printed. Both stand in the text, where they were run."""

    language: str
    code: str
    output: str = ""


@frozen
class WebImage:
    """An image that was found on the web, not made. private: only the account can fetch it. within: it stands in a
    document, whose text has its link.
    """

    url: str
    alt: str = ""
    private: bool = False
    within: bool = False


@frozen
class Document:
    """A text or program written beside the answer (a canvas). language: of a program, "" for prose."""

    id: str
    title: str
    text: str
    name: str = ""
    language: str = ""
    is_code: bool = False


@frozen
class Findings:
    """All of it; empty for most answers. citations: where the text leans on which sources, as far as Google says.
    suggestions: questions that Google offers to ask next.
    """

    sources: tuple[WebSource, ...] = ()
    citations: tuple[Citation, ...] = ()
    images: tuple[WebImage, ...] = ()
    documents: tuple[Document, ...] = ()
    media: tuple[Media, ...] = ()
    runs: tuple[CodeRun, ...] = ()
    suggestions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.images or self.documents or self.media or self.runs or self.suggestions)

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of each kind."""
        return {
            "sources": len(self.sources),
            "pictures": len(self.images),
            "documents": len(self.documents),
            "media": len(self.media),
            "runs": len(self.runs),
            "suggestions": len(self.suggestions),
        }


NOTHING_FOUND = Findings()


def attributed(found: Findings, length: int) -> Iterator[tuple[WebSource, int, int]]:
    """Each source with the characters that lean on it, once for each place, in the order of the text of `length`. A
    source whose place Google does not tell leans on none: it stands empty at the text's end.
    """
    placed: set[int] = set()
    for citation in found.citations:
        for place in citation.sources:
            placed.add(place)
            yield found.sources[place], citation.start, citation.end
    for place, source in enumerate(found.sources):
        if place not in placed:
            yield source, length, length


def moved(found: Findings, whole: str, told: str) -> Findings:
    """The findings of the text `whole` for the text that was `told` of it: cited words that are no longer there, or
    cannot be told apart from what stands before them, lose their place and their sources do not.
    """
    if whole == told or not found.citations:
        return found
    kept: list[Citation] = []
    at = 0
    for citation in found.citations:
        words = whole[citation.start : citation.end]
        start = told.find(words, at) if words else -1
        if start >= 0:
            at = start + len(words)
            kept.append(replace(citation, start=start, end=at))
    return replace(found, citations=tuple(kept))


def markdown(found: Findings, *, chinese: bool = False) -> str:
    """Documents, images, media and sources as Markdown that follows the answer's text; "" when there are none."""
    blocks = [_document(document) for document in found.documents]
    if images := [image for image in found.images if not image.within]:
        blocks.append("\n".join(f"![{_label(image.alt)}]({_address(image.url)})" for image in images))
    blocks += [_card(one, chinese=chinese) for one in found.media]
    if found.sources:
        rows = [
            f"{source.number or place}. [{_label(source.title) or _address(source.url)}]({_address(source.url)})"
            for place, source in enumerate(found.sources, 1)
        ]
        blocks.append("\n".join([f"**{'来源' if chinese else 'Sources'}**", "", *rows]))
    return "".join(f"\n\n{block}" for block in blocks)


def _card(one: Media, *, chinese: bool) -> str:
    facts = [one.mime, f"{one.nbytes} {'字节' if chinese else 'bytes'}" if one.nbytes else ""]
    if not one.own:
        facts.append("仅能在该账号的浏览器中打开" if chinese else "opens only in the account's browser")
    return f"[{_label(one.name) or one.kind}]({_address(one.url)}) ({', '.join(filter(None, facts))})"


def _document(document: Document) -> str:
    heading = f"## {_label(document.title or document.name or document.id)}"
    text = document.text.strip("\n")
    if document.is_code and not text.startswith("```"):
        fence = "`" * max(3, 1 + max((len(run) for run in _FENCES.findall(text)), default=0))
        text = f"{fence}{document.language}\n{text}\n{fence}"
    name = f"`{document.name}`\n\n" if document.name and document.name != document.title else ""
    return f"{heading}\n\n{name}{text}"


def _label(text: str) -> str:
    """Text for a link's label or a heading: one line, no brackets of its own."""
    return " ".join(text.split()).replace("[", "(").replace("]", ")")


def _address(url: str) -> str:
    return url.replace(" ", "%20").replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")
