"""Answers as events, fixed and made up, for tests of what dialects write."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from gemgate.chat import (
    Began,
    Ended,
    Event,
    Found,
    ImageGenerated,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    ToolCalled,
    Usage,
)
from gemgate.dialects.wire import ResponseMeta, dumps
from gemgate.findings import Citation, Findings, WebSource
from gemgate.images import GeneratedImage

HEX = "0123456789abcdef0123456789abcdef"
CREATED = 1_795_255_200


def sent(value: Any) -> Any:
    """What a client reads of an answer."""
    return json.loads(dumps(value))


def meta(prefix: str) -> ResponseMeta:
    return ResponseMeta(prefix + HEX, CREATED, "http://gate.test")


def image(data: bytes | None = b"\x89PNG picture", url: str = "/images/202611/20261121/x.png") -> GeneratedImage:
    return GeneratedImage(
        width=2048,
        height=1152,
        nbytes=12,
        mime="image/png",
        sha256="ab" * 32,
        source="full_size",
        logo="removed",
        model="gemini-3-pro-image-preview",
        name="202611/20261121/x.png",
        url=url,
        requested=2048,
        prompt="a [red] fox",
        data=data,
    )


CALL = ToolCall("call_1", "get_weather", '{"city":"北京","days":3}')
USAGE = Usage(11, 7, 5)

FOUND = Found(
    Findings(
        (
            WebSource("https://example.org/tides", "How tides work", "The moon pulls.", 1),
            WebSource("https://example.net/sea", "海"),
        ),
        (Citation(0, 3, (0,)), Citation(4, 8, (0,))),
        suggestions=("Why?",),
    )
)

ANSWERS: dict[str, list[Event]] = {
    "text": [
        Began("gemini-flash"),
        TextDelta("Hello, "),
        TextDelta("世界 🚀\n"),
        Ended("stop", Usage(3, 4), served="3.6 Flash"),
    ],
    "thoughts": [
        Began("gemini-pro", conversation_id="conv_1"),
        ThoughtDelta("let me "),
        ThoughtDelta("<think>"),
        TextDelta("Done."),
        Ended("stop", USAGE),
    ],
    "calls": [
        Began("gemini-flash"),
        TextDelta("Looking."),
        ToolCalled(CALL),
        ToolCalled(ToolCall("call_2", "list_files", "{}")),
        Ended("tool_calls", USAGE),
    ],
    "picture": [
        Began("gemini-pro"),
        TextDelta("Here: "),
        ImageGenerated(image()),
        TextDelta("Enjoy."),
        Ended("stop", USAGE),
    ],
    "stored picture": [Began("gemini-pro"), ImageGenerated(image(None)), Ended("stop", USAGE)],
    "stopped": [Began("gemini-flash"), TextDelta("one two"), Ended("stop_sequence", USAGE, "three")],
    "refused": [Began("gemini-flash"), Ended("content_filter", USAGE)],
    "sources": [
        Began("gemini-flash"),
        TextDelta("月亮 "),
        TextDelta("🚀 low, high"),
        FOUND,
        ImageGenerated(image()),
        Ended("stop", USAGE),
    ],
    "cut": [Began("gemini-flash"), TextDelta("and so"), Ended("length", USAGE)],
}

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_ARGUMENTS = st.dictionaries(_TEXT, st.integers() | st.booleans() | _TEXT | st.lists(_TEXT, max_size=2), max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Any sequence of events that a gateway may tell."""
    parts: list[Event] = []
    kinds = draw(st.lists(st.sampled_from(["text", "thought", "call", "image"]), max_size=8))
    for number, kind in enumerate(kinds):
        match kind:
            case "text":
                parts.append(TextDelta(draw(_TEXT)))
            case "thought":
                parts.append(ThoughtDelta(draw(_TEXT)))
            case "call":
                arguments = json.dumps(draw(_ARGUMENTS), ensure_ascii=False)
                parts.append(ToolCalled(ToolCall(f"call_{number}", draw(st.sampled_from(["f", "g.h-i"])), arguments)))
            case _:
                parts.append(ImageGenerated(image(draw(st.none() | st.binary(min_size=1, max_size=20)))))
    called = any(isinstance(part, ToolCalled) for part in parts)
    if parts and isinstance(parts[-1], TextDelta) and draw(st.booleans()):
        parts.append(Found(Findings((WebSource("https://example.org", draw(_TEXT)),), (Citation(0, 1, (0,)),))))
    reason = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
    usage = Usage(draw(st.integers(0, 999)), draw(st.integers(0, 999)), draw(st.integers(0, 99)))
    return [Began("gemini-flash"), *parts, Ended(reason, usage)]
