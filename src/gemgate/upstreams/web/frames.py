r"""Google's response framing, read at a cost linear in the bytes (docs/gemini-webapi.md 6).

`)]}'`, then frames `<count>\n<json>\n`; the count is in UTF-16 code units and starts at the newline after the digits.
The library counts unit by unit in Python (0.13 s CPU per MB); here a chunk is counted once, in C.
"""

from __future__ import annotations

import codecs
import re

_DIGITS = 12
"""Digits that a length has at most."""
_SPACE = re.compile(r"\s*+")
_MARKER = re.compile(rf"\s*+(\d{{1,{_DIGITS}}}+)(?=\n)")
_PREFIX = ")]}'"


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(text: str, count: int) -> int:
    """How many characters of `text` make `count` code units; a character is never cut in two."""
    if text.isascii():
        return count
    head = text.encode("utf-16-le", "surrogatepass")[: 2 * count]
    return len(head.decode("utf-16-le", "ignore"))


class FrameReader:
    """Feed bytes cut anywhere, get the JSON texts of the frames that became complete.

    `garbage` keeps the first characters of an answer that is not framed at all (an HTML page, say).
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head = ""
        self._parts: list[str] = []
        self._missing = 0
        self._prefix_seen = False
        self.garbage = ""

    @property
    def inside(self) -> bool:
        """Whether the bytes so far end in the middle of a frame."""
        return self._missing > 0 or bool(self._head.strip())

    def feed(self, chunk: bytes) -> list[str]:
        text = self._head + self._decoder.decode(chunk)
        self._head = ""
        frames: list[str] = []
        at, missing = 0, self._missing
        if not self._prefix_seen:
            if len(text) < len(_PREFIX) and _PREFIX.startswith(text):
                self._head = text
                return frames
            self._prefix_seen, at = True, len(_PREFIX) if text.startswith(_PREFIX) else 0
        while not self.garbage:
            if missing:
                part = text[at : at + missing]  # no character is less than a code unit
                available = units(part)
                if available < missing:
                    self._parts.append(part)
                    missing -= available
                    break
                if available > missing:
                    part = part[: _cut(part, missing)]
                at += len(part)
                if self._parts:
                    part = "".join((*self._parts, part))
                    self._parts = []
                frames.append(part)
            found = _MARKER.match(text, at)
            if found is None:
                missing = 0
                self._keep(text, at)
                break
            missing, at = int(found[1]), found.end()
        self._missing = missing
        return frames

    def _keep(self, text: str, at: int) -> None:
        """Of text that no length marker begins: what may become one, or what shows that none is there."""
        space = _SPACE.match(text, at)
        rest = text[space.end() if space else at :][:4000]
        if rest and (not rest[0].isdigit() or len(rest) > _DIGITS):
            self.garbage = rest
        else:
            self._head = rest
