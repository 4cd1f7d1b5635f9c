"""Messages -> one prompt and its attachments.

The web app has one text field and no roles, so a conversation of more than one message is written as a transcript
with role headings. A lone user message goes up as it is; system text stands in front. Calls and results are written in
the grammar of `tool_calls.py`, so that what the model did before looks like what it shall do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult
from gemgate.errors import TooLarge
from gemgate.files import Inline, Source
from gemgate.prompting.tool_calls import render_call, render_result, without_sentinel

_HEADINGS = {"system": "[System]", "user": "[User]", "assistant": "[Assistant]", "tool": "[Tool]"}
_CONTINUE = "Below is a conversation. Write the assistant's next message, and only that, without a heading."
_FILED_HISTORY = (
    "The attached file history.md holds the conversation so far; read all of it. Below is how it goes on. "
    "Write the assistant's next message, and only that, without a heading."
)
_FILED_MESSAGE = (
    "The message to answer is too long for this field, so all of it is in the attached file message.md. "
    "Read it to its end and answer it as if it stood here."
)


@dataclass(frozen=True, slots=True)
class Composed:
    """What goes up: the text, and the files it speaks of in their order.

    filed: characters that had to go into files because the text would have been too long.
    """

    text: str
    attachments: tuple[Source, ...] = ()
    filed: int = 0


def compose(
    messages: Sequence[Message],
    *,
    instructions: str = "",
    reminder: str = "",
    sentinel: str = "",
    continuing: bool = False,
    limit: int = 0,
) -> Composed:
    """One prompt of all `messages`; `instructions` (tools, formats) stand after the system text, `reminder` at the end.

    System messages in the middle of a conversation keep their place. Thoughts are never sent. Attachments are named in
    the text by number so that the model can tell them apart. Without a `sentinel` earlier calls are told in words.
    `continuing`: the messages are what is new in a conversation that stands already.
    `limit`: characters that the text may have, 0 = any number. Beyond it the older turns become a file, then the last
    one too; system text, instructions and reminder always stay in the text. TooLarge when even those do not fit.
    """
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    system = [message.text for message in messages[:first] if message.text]
    turns = messages[first:]
    head = "\n\n".join(part for part in (*system, instructions) if part)
    writing = _Writing(sentinel, _call_numbers(turns))
    if len(turns) == 1 and (turns[0].role == "user" or continuing):
        body = writing.message(turns[0])
        prompt = _Prompt("", head, [], [body], reminder, headings=False)
    else:
        writing.numbered = sum(isinstance(part, Image | File) for turn in turns for part in turn.parts) > 1
        blocks = [f"{_HEADINGS[turn.role]}\n{text}" if (text := writing.message(turn)) else "" for turn in turns]
        answered = next((at for at in range(len(turns), 0, -1) if turns[at - 1].role == "assistant"), 0)
        older = answered if answered < len(turns) else max(0, len(turns) - 1)
        opening = "" if continuing else _CONTINUE
        prompt = _Prompt(opening, head, blocks[:older], blocks[older:], reminder, headings=True)
    return _fitted(prompt, tuple(writing.attachments), limit)


@dataclass(frozen=True, slots=True)
class _Prompt:
    """The pieces of a prompt in their order: `older` turns, then the `latest` ones, which are to be answered."""

    opening: str
    head: str
    older: list[str]
    latest: list[str]
    reminder: str
    headings: bool

    @property
    def text(self) -> str:
        head = f"[System]\n{self.head}" if self.head and self.headings else self.head
        return "\n\n".join(piece for piece in (self.opening, head, *self.older, *self.latest, self.reminder) if piece)


def _fitted(prompt: _Prompt, attachments: tuple[Source, ...], limit: int) -> Composed:
    """The prompt as text if it fits; else the older turns as a file; else the latest as another one."""
    text = prompt.text
    if not limit or len(text) <= limit:
        return Composed(text, attachments)
    filed = 0
    if any(prompt.older):
        history = "\n\n".join(piece for piece in prompt.older if piece)
        attachments = (*attachments, Inline(history.encode(), "text/markdown", "history.md"))
        filed += len(history)
        prompt = replace(prompt, opening=_FILED_HISTORY, older=[])
    if len(prompt.text) > limit:
        message = "\n\n".join(piece for piece in prompt.latest if piece)
        attachments = (*attachments, Inline(message.encode(), "text/markdown", "message.md"))
        filed += len(message)
        prompt = replace(prompt, latest=[_FILED_MESSAGE])
    text = prompt.text
    if len(text) > limit:
        raise TooLarge(
            f"System text and tools alone have {len(text):,} characters; this account takes at most {limit:,}",
            f"仅系统提示和工具说明就有 {len(text):,} 个字符，该账号最多接受 {limit:,} 个",
            code="context_length_exceeded",
            param="messages",
        )
    return Composed(text, attachments, filed)


def _call_numbers(turns: Sequence[Message]) -> dict[str, int]:
    """Call id -> its number among the calls of its message, where there are several."""
    numbers: dict[str, int] = {}
    for turn in turns:
        calls = [part.id for part in turn.parts if isinstance(part, ToolCall)]
        if len(calls) > 1:
            numbers |= {call_id: at for at, call_id in enumerate(calls, 1)}
    return numbers


@dataclass(slots=True)
class _Writing:
    """One prompt being written: the attachments met so far, and how calls are dressed."""

    sentinel: str
    call_numbers: dict[str, int]
    numbered: bool = False
    attachments: list[Source] = field(default_factory=list)

    def message(self, message: Message) -> str:
        lines: list[str] = []
        for part in message.parts:
            match part:
                case Text():
                    lines.append(part.text)
                case Image() | File():
                    lines.append(self._attached(part.source, named=self.numbered))
                case ToolCall():
                    lines.append(self._call(part))
                case ToolResult():
                    lines.append(self._result(part))
                case Thought():
                    pass
        return "\n".join(line for line in lines if line)

    def _attached(self, source: Source, *, named: bool) -> str:
        self.attachments.append(source)
        return f"(attached file {len(self.attachments)})" if named else ""

    def _call(self, call: ToolCall) -> str:
        if self.sentinel:
            return render_call(call, self.sentinel)
        return f"(called {call.name} with {call.arguments})"

    def _result(self, result: ToolResult) -> str:
        texts = [
            without_sentinel(part.text, self.sentinel)
            if isinstance(part, Text)
            else self._attached(part.source, named=True)
            for part in result.parts
        ]
        name, text = result.name or result.call_id, "\n".join(texts)
        if not self.sentinel:
            return f"({name} {'failed with' if result.is_error else 'returned'}) {text}"
        number = self.call_numbers.get(result.call_id, 0)
        return render_result(name, text, self.sentinel, is_error=result.is_error, number=number)


def attachments_of(messages: Iterable[Message]) -> tuple[Source, ...]:
    """All files that these messages speak of, in order."""
    writing = _Writing("", {})
    for message in messages:
        writing.message(message)
    return tuple(writing.attachments)
