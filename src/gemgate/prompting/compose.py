"""Messages -> one prompt and its attachments.

The web app has one text field and no roles, so a conversation of more than one message is written as a transcript
with role headings. A lone user message goes up as it is; system text stands in front. Calls and results are written in
the grammar of `tool_calls.py`, so that what the model did before looks like what it shall do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gemgate.accounts import Walls
from gemgate.chat import File, Image, Message, Text, Thought, ToolCall, ToolResult
from gemgate.files import Source
from gemgate.prompting.fitting import Block, Composed, Draft, fitted, room_for_older_files
from gemgate.prompting.prefill import begun
from gemgate.prompting.tool_calls import render_call, render_result, without_sentinel

_HEADINGS = {"system": "[System]", "user": "[User]", "assistant": "[Assistant]", "tool": "[Tool]"}
_CONVERSATION = "Below is a conversation. "
_NEXT = "Write the assistant's next message, and only that, without a heading."
_REST = "The assistant has begun its next message already, and it stands last: write only the rest of it."
_GO_ON = (
    "(Go on with the assistant's last message exactly where it stops. Write only what comes behind its last character: "
    "repeat nothing of it, begin no new message and write no heading.)"
)
_ANYTHING = Walls()
_MOST_NAME = 80
"""Characters of a file's name that are told of one that is left out."""


def compose(
    messages: Sequence[Message],
    *,
    instructions: str = "",
    reminder: str = "",
    sentinel: str = "",
    continuing: bool = False,
    walls: Walls = _ANYTHING,
    file_sizes: Sequence[int] = (),
    most_files: int = 1 << 30,
    unloaded: int = 0,
    before: Sequence[Message] = (),
) -> Composed:
    """One prompt of all `messages`; `instructions` (tools, formats) stand after the system text, `reminder` at the end.

    System messages in the middle of a conversation keep their place. Thoughts are never sent. Attachments are named in
    the text by number so that the model can tell them apart. Without a `sentinel` earlier calls are told in words.
    A conversation that ends with the assistant's own words asks for the rest of them.
    `continuing`: the messages are what is new in a conversation that stands already, `before` what was said in it.
    `walls`: what is read of it, see `fitting`; `file_sizes`: bytes of text in each attached file, 0 for none;
    `most_files`: so many can go up with it: the oldest of older turns give way to newer ones and to files of ours.
    `unloaded`: so many of the oldest files are not there to be sent.
    PromptTooLong when what must be read does not fit.
    """
    numbers = _call_numbers((*before, *messages))

    def write(without: frozenset[int]) -> Draft:
        return _draft(messages, _Writing(sentinel, numbers, without=without), instructions, reminder, continuing)

    sizes = list(file_sizes)
    left_out = frozenset(range(unloaded))
    draft = write(left_out)
    if unread := _too_many_files(draft, walls, sizes):
        left_out |= unread
        draft = write(left_out)
    dropped = sum(sizes[at] for at in left_out) if sizes else 0
    composed = fitted(draft, walls, sum(sizes) - dropped)
    over = len(composed.attachments) - most_files
    if over > 0 and (oldest := [at for at in range(draft.older_files) if at not in left_out][:over]):
        left_out = left_out.union(oldest)
        dropped = sum(sizes[at] for at in left_out) if sizes else 0
        composed = fitted(write(left_out), walls, sum(sizes) - dropped)
    return replace(composed, dropped=composed.dropped + dropped) if dropped else composed


def _too_many_files(draft: Draft, walls: Walls, sizes: list[int]) -> frozenset[int]:
    """Which files of older turns, the oldest first, the account would not read."""
    if not any(sizes[: draft.older_files]):
        return frozenset()
    room = room_for_older_files(draft, walls) - sum(sizes[draft.older_files :])
    left_out: set[int] = set()
    for at in reversed(range(draft.older_files)):
        room -= sizes[at]
        if room < 0 and sizes[at]:
            left_out.add(at)
    return frozenset(left_out)


def _draft(messages: Sequence[Message], writing: _Writing, instructions: str, reminder: str, continuing: bool) -> Draft:
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    system = [message.text for message in messages[:first] if message.text]
    turns = messages[first:]
    head = "\n\n".join(part for part in (*system, instructions) if part)
    if not turns or (len(turns) == 1 and (turns[0].role == "user" or (continuing and not begun(turns)))):
        latest = tuple(Block("", writing.message(turn)) for turn in turns)
        return Draft("", "", head, (), latest, reminder, headings=False, attachments=tuple(writing.attachments))
    prefilled = bool(begun(turns))
    writing.numbered = sum(isinstance(part, Image | File) for turn in turns for part in turn.parts) > 1
    older = _first_of_latest(turns, prefilled=prefilled)
    blocks: list[Block] = []
    older_files = 0
    for at, turn in enumerate(turns):
        if at == older:
            older_files = writing.met
        blocks.append(Block(_HEADINGS[turn.role], writing.message(turn)))
    task = _REST if prefilled else _NEXT
    return Draft(
        "" if continuing and not prefilled else task if continuing else _CONVERSATION + task,
        task,
        head,
        tuple(blocks[:older]),
        tuple(blocks[older:]),
        "\n\n".join(filter(None, (reminder, _GO_ON if prefilled else ""))),
        headings=True,
        attachments=tuple(writing.attachments),
        older_files=older_files,
        left_out=writing.without,
    )


def _first_of_latest(turns: Sequence[Message], *, prefilled: bool) -> int:
    """Where the turns begin that are to be answered: behind the assistant's last whole message."""
    end = len(turns) - 1 if prefilled else len(turns)
    answered = next((at for at in range(end, 0, -1) if turns[at - 1].role == "assistant"), 0)
    return answered if answered < end else max(0, end - 1)


def _call_numbers(turns: Iterable[Message]) -> dict[str, int]:
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
    call_numbers: Mapping[str, int]
    numbered: bool = False
    attachments: list[Source] = field(default_factory=list)
    without: frozenset[int] = frozenset()
    met: int = 0

    def message(self, message: Message) -> tuple[str, ...]:
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
        return tuple(line for line in lines if line)

    def _attached(self, source: Source, *, named: bool) -> str:
        self.met += 1
        if self.met - 1 in self.without:
            name = " ".join(source.name.split())[:_MOST_NAME]
            return f"(the attached file {name} is left out here)" if name else "(an attached file is left out here)"
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
    return tuple(source for message in messages for source in _sources(message))


def files_to_answer(messages: Sequence[Message]) -> int:
    """How many of their files belong to the turns that are to be answered: these have to go up, all of them."""
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    turns = messages[first:]
    if not turns:
        return 0
    latest = turns[_first_of_latest(turns, prefilled=bool(begun(turns))) :]
    return sum(len(_sources(turn)) for turn in latest)


def _sources(message: Message) -> list[Source]:
    found: list[Source] = []
    for part in message.parts:
        inner = part.parts if isinstance(part, ToolResult) else (part,)
        found += [one.source for one in inner if isinstance(one, Image | File)]
    return found
