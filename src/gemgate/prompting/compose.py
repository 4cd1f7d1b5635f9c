"""Messages -> one prompt and its attachments.

The web app has one text field and no roles, so a conversation of more than one message is written as a transcript
with role headings. A lone user message goes up as it is; system text stands in front. Calls and results are written in
the grammar of `tool_calls.py`, so that what the model did before looks like what it shall do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult
from gemgate.files import Source
from gemgate.prompting.tool_calls import render_call, render_result, without_sentinel

_HEADINGS = {"system": "[System]", "user": "[User]", "assistant": "[Assistant]", "tool": "[Tool]"}
_CONTINUE = "Below is a conversation. Write the assistant's next message, and only that, without a heading."


@dataclass(frozen=True, slots=True)
class Composed:
    """What goes up: the text, and the files it speaks of in their order."""

    text: str
    attachments: tuple[Source, ...] = ()


def compose(
    messages: Sequence[Message],
    *,
    instructions: str = "",
    reminder: str = "",
    sentinel: str = "",
    continuing: bool = False,
) -> Composed:
    """One prompt of all `messages`; `instructions` (tools, formats) stand after the system text, `reminder` at the end.

    System messages in the middle of a conversation keep their place. Thoughts are never sent. Attachments are named in
    the text by number so that the model can tell them apart. Without a `sentinel` earlier calls are told in words.
    `continuing`: the messages are what is new in a conversation that stands already.
    """
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    system = [message.text for message in messages[:first] if message.text]
    turns = messages[first:]
    head = "\n\n".join(part for part in (*system, instructions) if part)
    writing = _Writing(sentinel, _call_numbers(turns))
    if len(turns) == 1 and (turns[0].role == "user" or continuing):
        body = writing.message(turns[0])
        text = "\n\n".join(part for part in (head, body, reminder) if part)
        return Composed(text, tuple(writing.attachments))
    writing.numbered = sum(isinstance(part, Image | File) for turn in turns for part in turn.parts) > 1
    blocks = [f"{_HEADINGS[turn.role]}\n{text}" for turn in turns if (text := writing.message(turn))]
    system_block = [f"[System]\n{head}"] if head else []
    opening = [] if continuing else [_CONTINUE]
    text = "\n\n".join([*opening, *system_block, *blocks, *([reminder] if reminder else [])])
    return Composed(text, tuple(writing.attachments))


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
