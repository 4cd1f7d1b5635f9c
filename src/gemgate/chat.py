"""The words of a conversation: what a caller sends, and the events that answer it.

Frozen values only. Every dialect is written into and out of these, and nothing else crosses the gateway.
An answer is a sequence of events: exactly one `Began` first, exactly one `Ended` last, no empty deltas;
`fold` is the only way a whole answer exists, so streaming and not streaming cannot disagree.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from gemgate.files import Inline, Link, Source, Stored
from gemgate.findings import NOTHING_FOUND, Findings
from gemgate.frozen import frozen
from gemgate.images import GeneratedImage, ImageOptions, ModelPolicy

__all__ = [
    "Began",
    "ChatRequest",
    "Ended",
    "Event",
    "File",
    "Fold",
    "Found",
    "Image",
    "ImageGenerated",
    "Inline",
    "Link",
    "Message",
    "Part",
    "Reason",
    "Reply",
    "ResponseFormat",
    "Reuse",
    "Role",
    "Search",
    "Source",
    "Stored",
    "Text",
    "TextDelta",
    "Thought",
    "ThoughtDelta",
    "Tool",
    "ToolCall",
    "ToolCalled",
    "ToolChoice",
    "ToolResult",
    "Transcription",
    "Usage",
    "afold",
    "fold",
]

Role = Literal["system", "user", "assistant", "tool"]


@frozen
class Text:
    text: str


@frozen
class Image:
    source: Source


@frozen
class File:
    source: Source


@frozen
class Thought:
    """The model's own reasoning, echoed by a client; never sent on and never part of a fingerprint."""

    text: str


@frozen
class ToolCall:
    """`arguments` is JSON text of an object."""

    id: str
    name: str
    arguments: str


@frozen
class ToolResult:
    call_id: str
    name: str
    parts: tuple[Text | Image | File, ...]
    is_error: bool = False


Part: TypeAlias = Text | Image | File | Thought | ToolCall | ToolResult


@frozen
class Message:
    role: Role
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def text(self) -> str:
        """All plain text of the message, joined by newlines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


@frozen
class Tool:
    """A function the caller offers; `parameters` is a JSON Schema of an object.

    strict: the caller wants no call that does not fit it, rather none at all.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False


@frozen
class ToolChoice:
    """`allowed` narrows the tools that may be called; empty means all of them."""

    mode: Literal["auto", "none", "required"] = "auto"
    allowed: tuple[str, ...] = ()
    parallel: bool = True


@frozen
class ResponseFormat:
    """`bare`: the schema is an enum of words, and the answer is the word itself instead of a JSON string."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    schema: Mapping[str, Any] | None = None
    name: str = ""
    strict: bool = False
    bare: bool = False


@frozen
class Transcription:
    """How the words of a recording are wanted: as they are said, or `translated` into English.

    languages: in which it is spoken, as the caller calls them. keywords: words that may be said, as they are spelt.
    style:     a text whose spelling and style is followed.
    """

    translated: bool = False
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    style: str = ""


Search = Literal["own", "offered", "demanded", "forbidden"]


@frozen
class ChatRequest:
    """One chat call, whatever dialect it came in.

    model:    a public id, a name of the web app, or None for the default.
    stream:   whether the caller reads along; a caller who does not gets Google's final text exactly.
    thinking: None leaves it to the model, True asks for extended thinking, False for none. thinking_field: where the
              body says so, for a wish that is not granted.
    n:        how many answers; each is a generation of its own.
    images:   how images are wanted, where there may be some.
    demands_picture: an image is asked for, not only welcome: words instead of one may mean trouble.
    model_policy: the caller's own rule for answers by another model, None for the service's.
    search:   of the web: the app's own matter, or by a tool that the caller offered, demanded or forbade.
    cites:    the dialect has a shape for sources (`Found`); else they stand behind the text as Markdown.
    runs_code: a tool that runs code was offered, so that code that was run is told as its calls too (`Found`).
    plays:    the dialect has a shape for sound and films (`Found`), which stand in the text as links as well.
    transcription: the answer is the words of the recording in `messages` and nothing else; what is none is an error.
    ignored:  fields we accept but cannot honour; named in the answer's `x-gemgate-ignored`.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    response_format: ResponseFormat = ResponseFormat()
    thinking: bool | None = None
    thinking_field: str = ""
    include_thoughts: bool = True
    stop: tuple[str, ...] = ()
    n: int = 1
    conversation_id: str | None = None
    images: ImageOptions | None = None
    demands_image: bool = False
    temporary: bool = False
    model_policy: ModelPolicy | None = None
    search: Search = "own"
    cites: bool = False
    runs_code: bool = False
    plays: bool = False
    transcription: Transcription | None = None
    ignored: tuple[str, ...] = ()


Reason = Literal["stop", "stop_sequence", "tool_calls", "length", "content_filter"]
Reuse = Literal["hit", "miss", "fork", "replay"]


@frozen
class Usage:
    """Token counts. Google's web app names none, so all of them are estimates and marked as such."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = True

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens + self.reasoning_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )


@frozen
class Began:
    """Google has said something. From here on an error ends the answer in-band.

    offer: the account's model that Google was asked for; attempts: prompts sent upstream so far.
    bytes, limit: UTF-8 bytes of the prompt and of the text of its files, and how many the account reads (0 = any).
    filed: how many of them went up as a file because the text would have been too long; dropped: bytes of older turns
    that were not told at all. files_left_out: older files of the caller's that were only named; uncounted: files
    whose text cannot be counted (a PDF), so that `bytes` is without them.
    """

    offer: str
    account: str = ""
    reuse: Reuse = "miss"
    attempts: int = 1
    conversation_id: str = ""
    filed: int = 0
    bytes: int = 0
    limit: int = 0
    dropped: int = 0
    files_left_out: int = 0
    uncounted: int = 0


@frozen
class TextDelta:
    text: str


@frozen
class ThoughtDelta:
    text: str


@frozen
class ToolCalled:
    call: ToolCall


@frozen
class ImageGenerated:
    image: GeneratedImage


@frozen
class Found:
    """What the answer brought besides its words, as far as it is not in the text (`findings.markdown`). Sources follow
    directly on a `TextDelta`, and their citations count the characters of all text before them.
    """

    findings: Findings


@frozen
class Ended:
    """served: Google's own name of the model that answered, which it tells at the end; "" where it told none.
    unmet: wishes that turned out not to be honoured, for `x-gemgate-ignored`.
    """

    reason: Reason
    usage: Usage
    stop_sequence: str | None = None
    served: str = ""
    unmet: tuple[str, ...] = ()


UNKNOWN = "unknown"
"""What is told where Google named no model."""


Told: TypeAlias = TextDelta | ThoughtDelta | ToolCalled | ImageGenerated | Found
"""What an answer consists of."""

Event: TypeAlias = Began | Told | Ended


@frozen
class Reply:
    """A whole answer: what `fold` makes of its events. `parts` keeps the order in which things came."""

    began: Began
    parts: tuple[Told, ...]
    ended: Ended

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextDelta))

    @property
    def thoughts(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, ThoughtDelta))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part.call for part in self.parts if isinstance(part, ToolCalled))

    @property
    def found(self) -> Findings:
        """What it brought besides its words."""
        return next((part.findings for part in self.parts if isinstance(part, Found)), NOTHING_FOUND)

    @property
    def images(self) -> tuple[GeneratedImage, ...]:
        return tuple(part.image for part in self.parts if isinstance(part, ImageGenerated))


_DELTAS = (TextDelta, ThoughtDelta)


class Fold:
    """Collects events into a `Reply`; neighbouring deltas of one kind become one part."""

    def __init__(self) -> None:
        self._began: Began | None = None
        self._ended: Ended | None = None
        self._parts: list[Told] = []
        self._pieces: list[str] = []
        self._kind: type[TextDelta] | type[ThoughtDelta] | None = None

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    @property
    def has_text(self) -> bool:
        """Whether anything has been said or shown yet."""
        return bool(self._pieces or self._parts)

    @property
    def ends_in_text(self) -> bool:
        """Whether the last thing was text."""
        return self._kind is TextDelta

    @property
    def text(self) -> str:
        """All text so far."""
        whole = "".join(part.text for part in self._parts if isinstance(part, TextDelta))
        return whole + "".join(self._pieces) if self._kind is TextDelta else whole

    def add(self, event: Event) -> None:
        if isinstance(event, _DELTAS):
            if self._kind is not type(event):
                self._flush()
                self._kind = type(event)
            self._pieces.append(event.text)
        elif isinstance(event, Began):
            self._began = event
        elif isinstance(event, Ended):
            self._ended = event
        else:
            self._flush()
            self._parts.append(event)

    def reply(self) -> Reply:
        """The whole answer; ValueError unless it began and ended."""
        self._flush()
        if self._began is None or self._ended is None:
            raise ValueError
        return Reply(self._began, tuple(self._parts), self._ended)

    def _flush(self) -> None:
        if self._kind is not None:
            self._parts.append(self._kind("".join(self._pieces)))
            self._pieces, self._kind = [], None


def fold(events: Iterable[Event]) -> Reply:
    """Make one reply of all events."""
    folding = Fold()
    for event in events:
        folding.add(event)
    return folding.reply()


async def afold(events: AsyncIterator[Event]) -> Reply:
    """Make one reply of all events, as they come."""
    folding = Fold()
    async for event in events:
        folding.add(event)
    return folding.reply()
