"""What an answer brings besides its words: sources, images of the web, documents, suggestions. And as Markdown.

Values only. The upstream finds them, `chat.Ended` carries them to the dialects, and `markdown` writes them where a
dialect has no shape of its own for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCES = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WebSource:
    """A page that an answer leans on. number: by which the answer cites it, 0 when it does not say."""

    url: str
    title: str = ""
    snippet: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class WebImage:
    """An image that was found on the web, not made."""

    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A text or program written beside the answer (a canvas). language: of a program, "" for prose."""

    id: str
    title: str
    text: str
    name: str = ""
    language: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it; empty for most answers. suggestions: questions that Google offers to ask next."""

    sources: tuple[WebSource, ...] = ()
    images: tuple[WebImage, ...] = ()
    documents: tuple[Document, ...] = ()
    suggestions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.images or self.documents or self.suggestions)


NOTHING_FOUND = Findings()


def markdown(found: Findings, *, chinese: bool = False) -> str:
    """Documents, images and sources as Markdown that follows the answer's text; "" when there are none."""
    blocks = [_document(document) for document in found.documents]
    if found.images:
        blocks.append("\n".join(f"![{_label(image.alt)}]({_address(image.url)})" for image in found.images))
    if found.sources:
        rows = [
            f"{source.number or place}. [{_label(source.title) or _address(source.url)}]({_address(source.url)})"
            for place, source in enumerate(found.sources, 1)
        ]
        blocks.append("\n".join([f"**{'来源' if chinese else 'Sources'}**", "", *rows]))
    return "".join(f"\n\n{block}" for block in blocks)


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
