"""A model's answer, cut anywhere, into text and tool calls. The grammar is told in `tool_calls.py`.

Everything hangs on the sentinel, the code word that only this conversation's model knows: without it a line is text,
however much it looks like a call; with it nothing is ever text. Before a marker its dressing goes too (fences, list
signs, emphasis), behind it what the model forgot to close. Cost is linear, and the result is the same for every cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

from gemgate.chat import Tool
from gemgate.frozen import frozen
from gemgate.prompting.tool_arguments import Unusable, read_arguments


@frozen
class Called:
    """A call whose arguments fit the tool's schema, as compact JSON."""

    name: str
    arguments: str


@frozen
class InvalidCall:
    """A call that was meant and cannot be made, and why, for the model.

    arguments: JSON of an object, where the model wrote one; then somebody who is less strict can make the call.
    """

    name: str
    reason: str
    arguments: str = ""


Item: TypeAlias = str | Called | InvalidCall
Marker = Literal["call", "end", "result", "noise"]

WINDOW = 256
"""Characters in front of a marker that may be its dressing."""

TRUNCATED = 4
"""So many first characters of the sentinel at the very end of an answer are a marker that was cut off."""

_HEAD = 200
"""Characters behind a sentinel that decide what it marks."""

_LINES = r"(?:(?>\s*\n)|(?<=\n))"
"""Blank up to the beginning of a line."""
_LINE_DRESS = r"[ \t]*+(?:\d{1,3}+\.?|\.)?+[ \t>#+\-•|\[\](){}<\"'“”‘’「『【`*_~\\]*+"
_FENCE_LINE = r"[ \t]*+(?P<fence>`{3,}+|~{3,}+)[^\n`]{0,40}+"
_START = r"(?:(?<!\s)|(?<=\A\s))"
"""Where dressing may begin: never inside of blanks, or every one of them would be tried as the first."""
_LEAD = re.compile(
    rf"{_START}(?:{_LINES}{_FENCE_LINE}(?:\n(?:(?>\s*\n)?{_LINE_DRESS}|\s*+(?:[`*_\\]{{1,3}}[ \t]*+)?))?\Z"
    rf"|{_LINES}{_LINE_DRESS}\Z|\s*+(?:[`*_\\]{{1,3}}[ \t]*+)?\Z)"
)
_LEAD_IN_CODE = re.compile(rf"{_START}(?:{_LINES}{_LINE_DRESS}(?<!```)\Z|\s*+(?:[`*_\\]{{1,2}}[ \t]*+)?\Z)")

_SEP = r"[ \t_\\-]*"
_VERB_DRESS = r"\s:：=>*_`\\|\"'\[\]()【】.-"
_DECIDED = re.compile(rf"[{_VERB_DRESS}]*[^{_VERB_DRESS}][^\n]*\n")
_VERB = re.compile(
    rf"[{_VERB_DRESS}]*"
    rf"(?:(?P<end>tool{_SEP}(?:call{_SEP})?end|(?:/|end{_SEP})tool(?:{_SEP}call)?|end|done|结束)"
    rf"|(?P<result>tool{_SEP}(?:result|response|output)s?|results?|outputs?|工具结果)"
    rf"|(?P<call>tool{_SEP}calls?|function{_SEP}calls?|call|invoke|工具调用|调用))(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_CUT_WORD = re.compile(r"[ \t]*t(?:o(?:o(?:l(?:en?|c(?:al?)?|r\w*)?)?)?)?", re.IGNORECASE)
_TAIL_DRESS = " \t*_`~])}>\"'.:：;|\\"
_PREFIX = r"(?:(?:functions?|tools?|default_api|name|function_name|tool_name)\s*[.:：=/]\s*)?"
_NAME_DRESS = r"[\s:：=>*`\\|\"'“”‘’「『【\[(<-]*+"
"""Possessive: it stands twice, and where no name follows every split between the two would be tried."""
_FENCE_LINES = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_UNKNOWN = re.compile(rf"{_NAME_DRESS}{_PREFIX}{_NAME_DRESS}([^\W\d](?:[\w.:-]|\\_){{0,256}}+)", re.IGNORECASE)
_AFTER_NAME = re.compile(r"(?:[ \t*_\"'”’」』】\]>:：,\\]|\(\)|`{1,2}(?!`))*")


class ToolParser:
    """Feed it the answer as it comes; `finish` gives what is left. `allowed` narrows the tools, empty means all."""

    def __init__(self, tools: Sequence[Tool], sentinel: str, *, allowed: Collection[str] = ()) -> None:
        self._names = _Names(tools)
        self._allowed = frozenset(allowed) or frozenset(tool.name for tool in tools)
        self._sentinel = re.compile(re.escape(sentinel), re.IGNORECASE | re.ASCII)
        self._word = sentinel.lower()
        self._mode: Literal["text", "marker", "body", "tail", "after", "gone"] = "text"
        self._held = ""
        self._body: list[str] = []
        self._open: Literal["", "call", "result"] = ""
        self._code = _CodeBlocks()
        self._fenced = False
        self._spoke = False
        self._gap = False
        self._line_start = True
        self._called = False
        self._items: list[Item] = []

    def due(self, text: str) -> int:
        """Characters of the call that feeding `text` may end, or `finish` for "": its arguments are judged then."""
        ahead = self._held + text
        may_end = (self._mode == "marker" or self._sentinel.search(ahead)) if text else self._open
        return len(ahead) + sum(map(len, self._body)) if may_end else 0

    def feed(self, text: str) -> list[Item]:
        """What has become certain with this piece."""
        self._held += text
        return self._run(final=False)

    def finish(self) -> list[Item]:
        """What is left at the end of the answer."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> list[Item]:
        steps = {
            "text": self._step_text,
            "marker": self._step_marker,
            "body": self._step_body,
            "tail": self._step_tail,
            "after": self._step_after,
            "gone": self._step_gone,
        }
        while steps[self._mode](final=final):
            pass
        items, self._items = self._items, []
        return items

    def _step_text(self, *, final: bool) -> bool:
        """Let text through up to the next marker, without the marker's dressing."""
        match = self._sentinel.search(self._held)
        if match is None:
            end = self._cut_off(self._held) if final else self._dressing(self._held, self._partial(self._held))
            self._say(self._held[:end])
            self._held = "" if final else self._held[end:]
            return False
        start = self._dressing(self._held, match.start(), strip=True)
        dressing = self._held[start : match.start()]
        self._fenced = self._fenced or "```" in dressing or "~~~" in dressing
        self._say(self._held[:start])
        self._held = self._held[match.end() :]
        self._mode = "marker"
        return True

    def _step_marker(self, *, final: bool) -> bool:
        """Find out what the sentinel marks, once enough of its line is there."""
        held = self._held
        following = self._sentinel.search(held)
        if not (final or following or len(held) >= _HEAD or _DECIDED.match(held)):
            return False
        head = held[: following.start()] if following else held
        kind, at = self._marker(head[:_HEAD], final=final and not following)
        stray = kind == "end" and not self._open and self._spoke and not self._called
        if self._open:
            self._close(complete=True, ended=kind in ("end", "noise"))
        self._held = held[at:]
        if kind in ("call", "result"):
            self._open = kind
            self._mode = "gone" if kind == "result" and self._called else "body"
        elif kind == "end" and not stray:
            self._mode = "tail"
        else:
            self._held = self._held.lstrip(" \t") if self._line_start else self._held
            self._mode = "text"
        return True

    def _marker(self, head: str, *, final: bool) -> tuple[Marker, int]:
        """What the sentinel marks, and where in `head` its word ends. A cut word is the one that is due."""
        if final and head.strip() and _CUT_WORD.fullmatch(head):
            return "end" if self._open else "call", len(head)
        if match := _VERB.match(head):
            kind: Marker = "end" if match["end"] else "result" if match["result"] else "call"
            return kind, match.end()
        if self._open and re.match(r"[ \t*_`.:]*(?:\n|\Z)", head):
            return "end", 0
        name, at = self._names.find(head)
        if name is not None and re.match(r"[`'\"*)\] \t]*(?:[({\[]|\n|`{3}|\Z)", head[at:]):
            return "call", 0
        return "noise", 0

    def _step_body(self, *, final: bool) -> bool:
        """Collect the body of a call up to the next sentinel."""
        match = self._sentinel.search(self._held)
        if match is not None:
            self._body.append(self._held[: match.start()])
            self._held = self._held[match.end() :]
            self._mode = "marker"
            return True
        if final:
            self._body.append(self._held[: self._cut_off(self._held)])
            self._held = ""
            self._close(complete=False, ended=False)
            self._mode = "text"
            return False
        safe = max(0, len(self._held) - len(self._word) + 1)
        self._body.append(self._held[:safe])
        self._held = self._held[safe:]
        return False

    def _close(self, *, complete: bool, ended: bool) -> None:
        """Make a call of the body. Without an end marker, text behind the arguments is the model's again."""
        body, kind = "".join(self._body), self._open
        self._body, self._open = [], ""
        if kind == "result":
            return
        item, rest = self._call(body, complete=complete)
        self._called = True
        self._fenced = self._fenced or len(_FENCE_LINES.findall(body)) % 2 == 1
        self._items.append(item)
        self._gap = self._spoke
        if not ended and rest:
            self._say(rest[: self._dressing(rest, len(rest), strip=True)] if complete else rest)
            self._gap = self._spoke

    def _call(self, body: str, *, complete: bool) -> tuple[Item, str]:
        name, at = self._names.find(body)
        if name is None:
            match = _UNKNOWN.match(body)
            called = match.group(1).replace("\\", "") if match else ""
            known = ", ".join(sorted(self._allowed)) or "none"
            reason = f"there is no tool called {called!r}" if called else "the call names no tool"
            written = _written(called, body[match.end() :], complete=complete) if match and called else ""
            return InvalidCall(called, f"{reason}; the tools are: {known}", written), ""
        if name not in self._allowed:
            return InvalidCall(
                name, f"the tool {name!r} may not be called now, only: {', '.join(sorted(self._allowed))}"
            ), ""
        after = _AFTER_NAME.match(body, at)
        try:
            arguments, rest = read_arguments(
                self._names.tools[name], body[after.end() if after else at :], complete=complete
            )
        except Unusable as reason:
            return InvalidCall(name, str(reason), reason.written), ""
        return Called(name, arguments), rest

    def _step_tail(self, *, final: bool) -> bool:
        """What dresses an end marker up to the end of its line is no text."""
        self._held = self._held.lstrip(_TAIL_DRESS)
        if self._held:
            self._mode = "after"
        return bool(self._held)

    def _step_after(self, *, final: bool) -> bool:
        """Behind a call neither blank lines nor the closing fence of its dressing are text."""
        self._held = self._held.lstrip()
        if not self._held:
            return False
        if self._fenced:
            if fence := re.match(
                r"(?:`{3,}|~{3,})[ \t]*(?:\n|\Z)" if final else r"(?:`{3,}|~{3,})[ \t]*\n", self._held
            ):
                self._held = self._held[fence.end() :]
                self._fenced = False
                return True
            if not final and re.fullmatch(r"`+[ \t]*|~+[ \t]*", self._held):
                return False
        self._line_start = True
        self._mode = "text"
        return True

    def _step_gone(self, *, final: bool) -> bool:
        """The model invented a tool's result: whatever follows rests on it."""
        self._held = ""
        return False

    def _say(self, text: str) -> None:
        if not text:
            return
        self._code.feed(text)
        self._items.append("\n\n" + text.lstrip("\n") if self._gap else text)
        self._gap = False
        self._spoke = True
        self._line_start = text.endswith("\n")

    def _partial(self, text: str) -> int:
        """Where the longest end of `text` begins that the sentinel may still grow out of."""
        tail = text[-len(self._word) + 1 :].lower() if text else ""
        for size in range(len(tail), 0, -1):
            if self._word.startswith(tail[-size:]):
                return len(text) - size
        return len(text)

    def _cut_off(self, text: str) -> int:
        """Where the text of a finished answer ends: before the beginning of a marker, if one was cut off."""
        start = self._partial(text)
        return self._dressing(text, start, strip=True) if len(text) - start >= TRUNCATED else len(text)

    def _dressing(self, text: str, end: int, *, strip: bool = False) -> int:
        """Where the dressing begins of a marker that begins at `end`.

        While the marker is only a possibility this may be too early; with `strip` it is exact: a fence that closes a
        code block of the text is no dressing.
        """
        start = max(0, end - WINDOW)
        before = "\n" if start == 0 and self._line_start else text[start - 1] if start else "x"
        window = before + text[start:end]
        match = _LEAD.search(window, 1)
        if match is None:
            return end
        if strip and match["fence"] and self._code.open_after(text[: start + match.start() - 1]):
            match = _LEAD_IN_CODE.search(window, 1)
        return start + match.start() - 1 if match else end


class _Names:
    """The declared tools, found however their names are dressed up."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = {tool.name: tool for tool in tools}
        names = sorted(self.tools, key=len, reverse=True)
        spelled = "|".join("".join(c if c.isalnum() else rf"\\?{re.escape(c)}" for c in name) for name in names)
        self._pattern = re.compile(
            rf"{_NAME_DRESS}{_PREFIX}{_NAME_DRESS}(?P<name>{spelled})(?!\\?[.:-]?[A-Za-z0-9_])" if names else r"(?!)",
            re.IGNORECASE,
        )
        self._bare: dict[str, list[str]] = {}
        for name in names:
            self._bare.setdefault(_bare(name), []).append(name)

    def find(self, text: str) -> tuple[str | None, int]:
        """The tool that `text` begins with and where its name ends; None when there is none, or two readings."""
        match = self._pattern.match(text) or _UNKNOWN.match(text)
        if match is None:
            return None, 0
        written = match.group(match.lastindex or 0).replace("\\", "")
        if written in self.tools:
            return written, match.end()
        candidates = self._bare.get(_bare(written), [])
        same = [name for name in candidates if name.lower() == written.lower()] or candidates
        return (same[0], match.end()) if len(same) == 1 else (None, 0)


def _written(name: str, body: str, *, complete: bool) -> str:
    """The arguments that stand behind the name of a tool that nobody offered; "" when they are no object."""
    after = _AFTER_NAME.match(body)
    try:
        return read_arguments(Tool(name, "", {}), body[after.end() if after else 0 :], complete=complete)[0]
    except Unusable:
        return ""


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


class _CodeBlocks:
    """Whether a text that comes in pieces stands inside a fenced code block."""

    def __init__(self) -> None:
        self._line = ""
        self._fence = ""

    def feed(self, text: str) -> None:
        self._line, self._fence = self._after(text)

    def open_after(self, text: str) -> bool:
        """Whether a block would be open after `text` too."""
        line, fence = self._after(text)
        return bool(_fence_after(line, fence))

    def _after(self, text: str) -> tuple[str, str]:
        *lines, last = text.split("\n")
        fence = self._fence
        for at, line in enumerate(lines):
            fence = _fence_after(self._line + line if at == 0 else line, fence)
        head = last if lines else self._line + last
        return head[:WINDOW], fence


def _fence_after(line: str, fence: str) -> str:
    match = re.match(r"[ \t]{0,3}(`{3,}|~{3,})(.*)", line)
    if match is None:
        return fence
    if not fence:
        return match.group(1)
    closes = match.group(1)[0] == fence[0] and len(match.group(1)) >= len(fence) and not match.group(2).strip()
    return "" if closes else fence


class Scrubber:
    """Takes the sentinel and its words out of thoughts, which are shown but never parsed."""

    def __init__(self, sentinel: str) -> None:
        self._pattern = re.compile(rf"{re.escape(sentinel)}(?:\s*tool(?:call|end|result))?", re.IGNORECASE | re.ASCII)
        self._reach = len(sentinel) + 16
        self._word = sentinel.lower()
        self._held = ""

    def feed(self, text: str) -> str:
        """The part of everything so far that may be shown now."""
        held = self._held + text
        at = max(held.lower().rfind(self._word), self._partial(held))
        end = at if at >= 0 and len(held) - at < self._reach else len(held)
        self._held = held[end:]
        return self._pattern.sub("", held[:end])

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        start = self._partial(held)
        if 0 <= start <= len(held) - TRUNCATED:
            held = held[:start]
        return self._pattern.sub("", held)

    def _partial(self, text: str) -> int:
        tail = text[-len(self._word) + 1 :].lower()
        sizes = (size for size in range(len(tail), 0, -1) if self._word.startswith(tail[-size:]))
        return next((len(text) - size for size in sizes), -1)
