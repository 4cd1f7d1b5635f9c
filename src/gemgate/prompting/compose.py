"""Messages -> one prompt and its attachments.

The web app has one text field and no roles, so a conversation of more than one message is written as a transcript
with role headings. A lone user message goes up as it is; system text stands in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult
from gemgate.files import Source

_HEADINGS = {"user": "[User]", "assistant": "[Assistant]", "tool": "[Tool]"}
_CONTINUE = "Below is a conversation. Write the assistant's next message, and only that, without a heading."


@dataclass(frozen=True, slots=True)
class Composed:
    """What goes up: the text, and the files it speaks of in their order."""

    text: str
    attachments: tuple[Source, ...] = ()


def compose(messages: Sequence[Message], *, instructions: str = "") -> Composed:
    """One prompt of all `messages`; `instructions` (tools, formats) stand after the system text.

    Thoughts are never sent. Attachments are named in the text by number so that the model can tell them apart.
    """
    attachments: list[Source] = []
    system = [message.text for message in messages if message.role == "system" and message.text]
    turns = [message for message in messages if message.role != "system"]
    head = "\n\n".join(part for part in (*system, instructions) if part)
    if len(turns) == 1 and turns[0].role == "user":
        body = _render(turns[0], attachments, number=False)
        return Composed("\n\n".join(part for part in (head, body) if part), tuple(attachments))
    several = sum(isinstance(part, Image | File) for turn in turns for part in turn.parts) > 1
    blocks = [
        f"{_HEADINGS[turn.role]}\n{text}" for turn in turns if (text := _render(turn, attachments, number=several))
    ]
    system_block = [f"[System]\n{head}"] if head else []
    return Composed("\n\n".join([_CONTINUE, *system_block, *blocks]), tuple(attachments))


def _render(message: Message, attachments: list[Source], *, number: bool) -> str:
    lines: list[str] = []
    for part in message.parts:
        match part:
            case Text():
                lines.append(part.text)
            case Image() | File():
                attachments.append(part.source)
                if number:
                    lines.append(f"(attached file {len(attachments)})")
            case ToolCall():
                lines.append(f"(called {part.name} with {part.arguments})")
            case ToolResult():
                lines.append(_result(part, attachments))
            case Thought():
                pass
    return "\n".join(line for line in lines if line)


def _result(result: ToolResult, attachments: list[Source]) -> str:
    texts: list[str] = []
    for part in result.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        else:
            attachments.append(part.source)
            texts.append(f"(attached file {len(attachments)})")
    label = "failed with" if result.is_error else "returned"
    return f"({result.name or result.call_id} {label}) " + "\n".join(texts)


def attachments_of(messages: Iterable[Message]) -> tuple[Source, ...]:
    """All files that these messages speak of, in order."""
    found: list[Source] = []
    for message in messages:
        _render(message, found, number=False)
    return tuple(found)
