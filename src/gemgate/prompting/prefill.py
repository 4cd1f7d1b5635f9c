"""An answer that goes on with what the assistant has begun: what of it is new."""

from __future__ import annotations

from collections.abc import Sequence

from gemgate.chat import Message, Text, ToolCall

_SURE = 3
"""Characters from which a beginning that comes again is a repetition and no chance; brackets are sure alone."""


def begun(messages: Sequence[Message]) -> str:
    """What the assistant has said already of the message that is wanted, "" for a new one."""
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant" or any(isinstance(part, ToolCall) for part in last.parts):
        return ""
    return last.text


class PrefillFilter:
    """Leaves out a repetition of `begun` at the start of an answer; holds text back only while it may be one."""

    def __init__(self, begun: str) -> None:
        self._begun = begun.strip()
        self._held = ""
        self._decided = not (len(self._begun) >= _SURE or self._begun in ("{", "[", "<"))

    def feed(self, text: str) -> str:
        """What of everything so far may pass now."""
        if self._decided:
            return text
        self._held += text
        seen = self._held.lstrip()
        if len(seen) < len(self._begun) and self._begun.startswith(seen):
            return ""
        return self._pass(seen[len(self._begun) :] if seen.startswith(self._begun) else self._held)

    def finish(self) -> str:
        """What was held back: the answer ended before it was a repetition."""
        return "" if self._decided else self._pass(self._held)

    def _pass(self, text: str) -> str:
        self._decided, self._held = True, ""
        return text


def answered(history: tuple[Message, ...], answer: Message) -> tuple[Message, ...]:
    """The history with the answer; one that the assistant had begun is one message, as clients send it back."""
    if not begun(history) or not answer.parts:
        return (*history, answer)
    last = history[-1]
    first, rest = answer.parts[0], answer.parts[1:]
    if isinstance(first, Text) and isinstance(last.parts[-1], Text):
        seam = Text(last.parts[-1].text + first.text)
        return (*history[:-1], Message("assistant", (*last.parts[:-1], seam, *rest), last.name))
    return (*history[:-1], Message("assistant", (*last.parts, *answer.parts), last.name))
