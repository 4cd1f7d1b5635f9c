"""Token counts, estimated: Google's web app names none.

Latin text runs near four characters a token, CJK near one and a half a character pair; the figures are those that
Google publishes for Gemini ("about four characters", "100 tokens are 60-80 English words") and a picture counts 258.
"""

from __future__ import annotations

import re

IMAGE_TOKENS = 258
IMAGE_TOKENS_OUT = 1290
"""What Google publishes for one generated picture."""

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
