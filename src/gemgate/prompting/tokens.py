"""Token counts, estimated: Google's web app names none.

Latin text runs near four characters a token, CJK near one and a half a character pair; the figures are those that
Google publishes for Gemini ("about four characters", "100 tokens are 60-80 English words") and an image counts 258.
"""

from __future__ import annotations

import re

from gemgate.chat import (
    ChatRequest,
    File,
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
)

IMAGE_TOKENS = 258
IMAGE_TOKENS_OUT = 1290
"""What Google publishes for one generated image."""

_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


class TokenCounter:
    """Counts tokens of a text that comes in pieces, as if it had come at once."""

    def __init__(self) -> None:
        self._narrow = 0
        self._wide = 0

    def add(self, text: str) -> None:
        wide = 0 if text.isascii() else len(_WIDE.findall(text))
        self._wide += wide
        self._narrow += len(text) - wide

    @property
    def tokens(self) -> int:
        """At least 1 unless nothing came."""
        if not self._narrow and not self._wide:
            return 0
        return max(1, round(self._narrow / 4 + self._wide / 1.5))


def estimate(text: str) -> int:
    """Tokens of `text`, at least 1 unless it is empty."""
    meter = TokenCounter()
    meter.add(text)
    return meter.tokens


def prompt_tokens(request: ChatRequest, instructions: str) -> int:
    """Estimated tokens of all messages, calls and results, of the attached images, and of the tools."""
    meter = TokenCounter()
    meter.add(instructions)
    images = 0
    for message in request.messages:
        for part in message.parts:
            images += _count_part(meter, part)
    return meter.tokens + images * IMAGE_TOKENS


def _count_part(meter: TokenCounter, part: Part) -> int:
    """Add the words of a part; how many attachments it has."""
    match part:
        case Text(text):
            meter.add(text)
        case ToolCall():
            meter.add(part.name + part.arguments)
        case ToolResult():
            return sum(_count_part(meter, inner) for inner in part.parts)
        case Image() | File():
            return 1
        case _:
            pass
    return 0
