r"""Google's response framing, read at a cost linear in the bytes (protocol.md 6).

`)]}'`, then frames `<count>\n<json>\n`; the count is in UTF-16 code units and starts at the newline after the digits.
The library counts unit by unit in Python (0.13 s CPU per MB); here a chunk is counted once, in C.
"""

from __future__ import annotations

import codecs
import re

_MARKER = re.compile(r"\s*(\d+)(?=\n)")
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
        text = self._decoder.decode(chunk)
        frames: list[str] = []
        at = 0
        while True:
            if self._missing:
                rest = text[at:] if at else text
                available = units(rest)
                if available < self._missing:
                    self._parts.append(rest)
                    self._missing -= available
                    return frames
                end = _cut(rest, self._missing)
                self._parts.append(rest[:end])
                frames.append("".join(self._parts))
                self._parts, self._missing = [], 0
                at += end
            if self.garbage:
                return frames
            self._head += text[at:]
            at = 0
            if not self._open_frame():
                return frames
            text, self._head = self._head, ""

    def _open_frame(self) -> bool:
        """Take a length marker off the head; False when none stands there yet."""
        if not self._prefix_seen and self._head:
            if len(self._head) < len(_PREFIX) and _PREFIX.startswith(self._head):
                return False
            self._head = self._head.removeprefix(_PREFIX)
            self._prefix_seen = True
        if marker := _MARKER.match(self._head):
            self._missing = int(marker.group(1))
            self._head = self._head[marker.end() :]
            return self._missing > 0
        if not self.garbage and (start := self._head.lstrip()[:1]) and not start.isdigit():
            self.garbage = self._head.lstrip()[:4000]
        return False
