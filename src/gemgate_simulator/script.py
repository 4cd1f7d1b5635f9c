"""What the service shall say and what shall go wrong: replies by prompt, faults by place. Values and matching only.

The newest reply or fault that matches wins; `times` counts it down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypedDict, cast, get_args

from gemgate_simulator.paint import Painting

Pattern: TypeAlias = str | re.Pattern[str]
"""A substring of the prompt, or a compiled expression searched in it; "" matches everything."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was uploaded; `id` is what the upload answered, `time` when (epoch seconds)."""

    id: str
    name: str
    mime: str
    data: bytes = field(repr=False)
    owner: str = ""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """One earlier turn of the chat: plain text of both sides, and the ids of the images that were made."""

    prompt: str
    answer: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a scripted answer may look at.

    account: name, "" for a guest. model: `gemini-pro`. history: earlier turns, oldest first. paints: False where the
    demo model is to refuse images, because the request named no model (`Google.pictures(named_model=True)`).
    """

    text: str
    account: str
    model: str
    thinking: bool = False
    files: tuple[Upload, ...] = ()
    history: tuple[Said, ...] = ()
    gem: str = ""
    temporary: bool = False
    language: str = "en"
    cid: str = ""
    paints: bool = True


ImageSource: TypeAlias = "Painting | bytes | Callable[[Prompt], Painting | bytes]"
"""An image to answer with: a painting, a file of one's own, or a function that looks at the prompt."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A document beside an answer (docs/google-wire.md 6.4). text: as the model writes it, code in fences."""

    title: str
    text: str
    name: str = ""
    language: str = ""

    def row(self, cid: str, number: int) -> list[Any]:
        """Its row in slot 30 of a candidate."""
        row: list[Any] = [None] * 15
        row[0], row[2], row[4] = f"{cid}_{number}", self.title, self.text.replace("<", "&lt;")
        row[9], row[10], row[14] = self.name, 2 if self.language else 1, self.language or None
        return row


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and how it is paced.

    text: plain text, grown `chars` characters a frame. frames: cumulative plain texts, literally, so that a script can
    revise text in mid-stream. raw: cumulative texts already in wire spelling (entities, escaped Markdown).
    thoughts: plain text that grows before the text does. delay: seconds of silence before the first frame;
    pace: seconds between frames. candidates: how many, or the texts of the others. queued, busy: waiting parts before
    the first candidate. rich: fields of the rich block `[12]`, by number (docs/gemini-webapi.md 6).
    codes: error codes behind the finished answer. recorded: frames that are said as they were recorded (`replayed`).
    canvas: documents written beside the text; the last frame leaves them out, the history has them.
    images: images to show in the last frame; progress: frames that only say it is still working, before them;
    fetch_delay: seconds of silence before an image's file.
    """

    text: str = ""
    frames: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    thoughts: str = ""
    chars: int = 40
    pace: float = 0.0
    delay: float = 0.0
    candidates: int | tuple[str, ...] = 1
    queued: int = 0
    busy: int = 0
    rich: Mapping[int, Any] = field(default_factory=dict)
    canvas: tuple[Canvas, ...] = ()
    images: tuple[ImageSource, ...] = ()
    progress: int = 1
    fetch_delay: float = 0.0
    codes: tuple[int, ...] = ()
    recorded: tuple[Any, ...] = ()

    @classmethod
    def replayed(cls, recording: Sequence[Any]) -> Answer:
        """What `gemgate canary --record` kept of an answer: lists of parts, ids as `c_1`, `r_1`, `rc_1`."""
        texts = []
        for part in (part for frame in recording for part in frame):
            match part:
                case ["wrb.fr", _, [_, _, _, _, [[_, [str(text), *_], *_], *_], *_], *_]:
                    texts.append(text)
                case _:
                    pass
        return cls(raw=tuple(texts), recorded=tuple(recording))

    def __post_init__(self) -> None:
        if sum(map(bool, (self.text, self.frames, self.raw))) > 1:
            raise ValueError("give one of text, frames and raw")
        if self.chars < 1:
            raise ValueError("chars is at least 1")


class Pacing(TypedDict, total=False):
    """The fields of Answer that go with any kind of text."""

    thoughts: str
    chars: int
    pace: float
    delay: float
    candidates: int | tuple[str, ...]
    queued: int
    busy: int
    rich: Mapping[int, Any]
    canvas: tuple[Canvas, ...]
    progress: int
    fetch_delay: float
    codes: tuple[int, ...]


Speaker: TypeAlias = Callable[[Prompt], "Answer | str"]


def brushes_of(image: ImageSource | Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """One image or several, as several."""
    return tuple(image) if isinstance(image, (list, tuple)) else (cast("ImageSource", image),)


@dataclass(slots=True)
class _Reply:
    pattern: Pattern
    answer: Answer | Speaker
    times: int | None
    model: str | None

    def suits(self, prompt: Prompt) -> bool:
        return (
            self.times != 0
            and matches(self.pattern, prompt.text)
            and (self.model is None or self.model.removeprefix("gemini-") == prompt.model.removeprefix("gemini-"))
        )


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` contains the substring, or the expression finds something in it."""
    return pattern in text if isinstance(pattern, str) else pattern.search(text) is not None


Kind = Literal[
    "status", "code", "reset", "reset_stream", "hangup", "close", "stall", "trickle", "garbage", "captcha", "guest",
    "slow_headers", "empty", "reject7", "unparsable", "truncated", "html", "wrong_type", "expired",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
IMAGES = ("image", "preview", "hop1", "hop2", "original")
"""An image's links: any of them, or one kind (`links.Route`)."""
PLACES = ("generate", "init", "preflight", "rotate", "upload", "login", "film", "any", *IMAGES)
RPCS = (
    "otAQ7b", "ESY5D", "MaZiqc", "jSf9Qc", "qpEbW", "aPya6c", "GPRiHf", "hNvQHb", "NkpXw", "MyzX6c", "GzXR5e", "qWymEb",
    "MUAZcd", "unqWSc", "CNgdBe", "oMH3Zd", "kHv0Vd", "UXcSJb", "c8o8Fe",
)  # fmt: skip
"""Every RPC of docs/gemini-webapi.md 4."""

_ONLY_AT: dict[str, tuple[str, ...]] = {
    "code": ("generate", *RPCS),
    "reject7": RPCS,
    "unparsable": RPCS,
    "guest": ("init",),
    "truncated": (*IMAGES, *RPCS),
    "html": (*IMAGES, *RPCS),
    "wrong_type": (*IMAGES, *RPCS),
    "expired": IMAGES,
}
_LIMITS = {1003, 1037, 1050, 1052, 1053, 1060, 1096, 1097, 1099, 1100, 1152, 1155}
"""Stream codes that say, before any word, for certain that nothing was generated (docs/google-wire.md 4.1)."""


@dataclass(slots=True)
class Fault:
    """Something that goes wrong, `times` times (-1 = for ever).

    where: a place, an rpcid or "any". account, match (over the prompt, be it that of an image that is fetched), reused
    (only requests that are not the first on their connection) narrow it down. after_frames: how many snapshots go out
    first. early: before the body was read.
    torn: `close` in the middle of a frame. finished: whether the service completes the turn in the history although the
    answer never arrived whole; by default it does once a snapshot was out.
    """

    where: str
    kind: Kind
    times: int = 1
    account: str | None = None
    after_frames: int = 0
    status: int | None = None
    code: int | None = None
    seconds: float | None = None
    match: Pattern | None = None
    reused: bool = False
    early: bool = False
    torn: bool = False
    finished: bool | None = None

    def __post_init__(self) -> None:
        if self.where not in PLACES and self.where not in RPCS:
            raise ValueError(f"unknown place {self.where!r}; one of {', '.join(PLACES + RPCS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; one of {', '.join(KINDS)}")
        if self.where not in _ONLY_AT.get(self.kind, (self.where,)):
            raise ValueError(f"{self.kind!r} cannot happen at {self.where!r}; only at {', '.join(_ONLY_AT[self.kind])}")
        if (self.kind == "status") != (self.status is not None) or (self.kind == "code") != (self.code is not None):
            raise ValueError("'status' needs status=, 'code' needs code=, and nothing else takes them")
        if self.after_frames and self.where != "generate":
            raise ValueError("after_frames counts the snapshots of 'generate'")
        if self.after_frames and self.kind in ("status", "slow_headers"):
            raise ValueError(f"{self.kind!r} happens before the first frame")
        if self.early and self.where in IMAGES[1:]:
            raise ValueError("an early fault has not read the link; give where='image'")
        if self.early and (self.match is not None or self.after_frames):
            raise ValueError("an early fault has seen neither prompt nor frames")

    def suits(self, where: Sequence[str], account: str, text: str, *, reused: bool, early: bool) -> bool:
        return (
            self.times != 0
            and (self.where == "any" or self.where in where)
            and self.early is early
            and self.account in (None, account)
            and (self.match is None or matches(self.match, text))
            and (reused or not self.reused)
        )

    @property
    def generates(self) -> bool:
        """Whether the service may have generated something for the prompt that met this fault."""
        if self.after_frames or self.finished:
            return True
        if self.kind == "status":
            return self.status is not None and self.status >= 500
        if self.kind == "code":
            return self.code not in _LIMITS
        return self.kind not in ("captcha", "guest")

    @property
    def completes(self) -> bool:
        """Whether the turn stands whole in the history afterwards."""
        return self.after_frames > 0 if self.finished is None else self.finished


class Script:
    """The replies and faults of one simulator; `demo` answers what no reply matches."""

    def __init__(self, demo: Speaker) -> None:
        self._demo = demo
        self._replies: list[_Reply] = []
        self._faults: list[Fault] = []

    def reply(self, pattern: Pattern, answer: Answer | Speaker, *, times: int | None, model: str | None) -> None:
        self._replies.append(_Reply(pattern, answer, times, model))

    def fault(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget every reply and every fault."""
        self._replies.clear()
        self._faults.clear()

    def answer(self, prompt: Prompt, otherwise: Speaker | None = None) -> Answer:
        """What to say to `prompt`; where no reply matches it is `otherwise`, or the demo, that speaks."""
        for reply in reversed(self._replies):
            if reply.suits(prompt):
                if reply.times is not None:
                    reply.times -= 1
                return _spoken(reply.answer, prompt)
        return _spoken(otherwise or self._demo, prompt)

    def next_fault(
        self, where: Sequence[str], account: str, text: str = "", *, reused: bool, early: bool = False
    ) -> Fault | None:
        """The fault that hits this request, counted down; None when it goes well."""
        for fault in reversed(self._faults):
            if fault.suits(where, account, text, reused=reused, early=early):
                if fault.times > 0:
                    fault.times -= 1
                return replace(fault)
        return None


def _spoken(answer: Answer | Speaker, prompt: Prompt) -> Answer:
    if not isinstance(answer, Answer):
        spoken = answer(prompt)
        return Answer(spoken) if isinstance(spoken, str) else spoken
    return answer
