"""From cumulative snapshots of wire text to deltas that join to the text.

Google repeats the whole text in every frame, writes `<` as `&lt;`, leaves placeholder links in it, and sometimes
changes what it wrote (a closing fence that goes again, a corrected word). The rules (protocol.md 6 and 7):
entities are decoded once, in both modes alike; escaped Markdown stays as sent; placeholder links go; nothing that may
still change is sent while something else can be; cost is linear in what is new, plus one memory comparison a frame.
"""

from __future__ import annotations

import html
import re

ARTIFACT = re.compile(r"https?://googleusercontent\.com/(?:\w+/)+\d+\n*")
"""Placeholder of a picture or card in reply text; the same pattern as the library's."""

ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
"""A whole entity. The service always writes the semicolon; without it `&copy` in a URL is no entity."""

_HOST = "https://googleusercontent.com/"
_PARTIAL_PATH = re.compile(r"https?://googleusercontent\.com/[\w/]*\n*")
_PARTIAL_ENTITY = re.compile(r"&#?\w{0,32}")

LONGEST_LINK = 200

HOLD = 48
"""Characters kept back from the end while more is to come: room for Google's changes of mind. Never more than half."""


def decode(text: str) -> str:
    """Entities as the characters they stand for, each once."""
    return ENTITY.sub(lambda match: html.unescape(match.group()), text) if "&" in text else text


def clean(text: str) -> str:
    """A whole wire text as a reader shall see it."""
    return decode(ARTIFACT.sub("", text))


class Wording:
    """Turns growing snapshots of one text into deltas.

    `revised` becomes true when Google changed something that had been sent already; what follows then continues after
    the place that corresponds to the sent text. `exact` callers wait for the end and never meet this.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._sent = ""
        self._raw = ""
        self._swallow_newlines = False
        self.revised = False

    @property
    def text(self) -> str:
        """The whole text of the last snapshot, cleaned."""
        return clean(self._raw)

    def feed(self, raw: str, *, final: bool = False) -> str:
        """The text to send now that the snapshot stands at `raw`; everything that is left when `final`."""
        self._raw = raw
        if self._exact and not final:
            return ""
        if not raw.startswith(self._sent):
            self._realign(raw)
        end = len(raw) if final else self._stable_end(raw)
        start = len(self._sent)
        if end <= start:
            return ""
        self._sent = raw[:end]
        return self._clean_piece(raw[start:end])

    def finish(self) -> str:
        """What is still held back of the last snapshot."""
        return self.feed(self._raw, final=True)

    def _stable_end(self, raw: str) -> int:
        start = len(self._sent)
        end = max(start, len(raw) - min(HOLD, len(raw) // 2))
        if (amp := raw.rfind("&", max(start, end - 34), end)) >= 0:
            match = _PARTIAL_ENTITY.match(raw, amp)
            if match and match.end() >= end:
                end = amp
        link = raw.find("http", max(start, end - LONGEST_LINK), end + 3)
        while link >= 0:
            match = ARTIFACT.match(raw, link)
            if (match and match.end() > end) or self._may_become_artifact(raw, link):
                return link
            link = raw.find("http", link + 4, end + 3)
        for length in (3, 2, 1):
            if end > len(raw) - length and raw.endswith("http"[:length]):
                return max(start, len(raw) - length)
        return end

    def _may_become_artifact(self, raw: str, at: int) -> bool:
        """Whether what starts at `at` and goes to the end may grow into a placeholder link."""
        tail = raw[at : at + LONGEST_LINK]
        if len(tail) < len(_HOST) and (_HOST.startswith(tail) or _HOST.replace("https", "http").startswith(tail)):
            return True
        match = _PARTIAL_PATH.match(tail)
        return bool(match and match.end() == len(tail))

    def _clean_piece(self, piece: str) -> str:
        if self._swallow_newlines:
            piece = piece.lstrip("\n")
            if not piece:
                return ""
        if "googleusercontent.com/" in piece:
            ends = [match.end() for match in ARTIFACT.finditer(piece)]
            self._swallow_newlines = bool(ends) and ends[-1] == len(piece)
            piece = ARTIFACT.sub("", piece)
        else:
            self._swallow_newlines = False
        return decode(piece)

    def _realign(self, raw: str) -> None:
        """Sent text was changed: go on after the place in `raw` that corresponds to its end."""
        self.revised = True
        sent = self._sent
        common = next((i for i, (a, b) in enumerate(zip(sent, raw, strict=False)) if a != b), min(len(sent), len(raw)))
        for length in (32, 16, 8):
            anchor = sent[-length:]
            if len(anchor) < length or len(sent) - length < common:
                continue
            found = raw.find(anchor, common)
            if found >= 0:
                self._sent = raw[: found + length]
                return
        self._sent = raw[: min(len(sent), len(raw))]
