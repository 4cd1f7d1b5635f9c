"""Where an answer says who gave it (docs/google-wire.md 2.1, 3.1, 3.2): places only, what they mean is for others."""

from __future__ import annotations

import re
from typing import Any

from gemini_webapi.utils import get_nested_value as at

_TURN_NAME, _TURN_IDS = 21, (17, 14)
_LOADING = re.compile(r"\bLoading\s+(.{2,40}?)\s*(?:\.{2,}|…|$)")


def of_turn(turn: Any) -> tuple[str, str]:
    """Display name and hex id of the model that gave a turn in the history, "" for what it does not say; images name
    their painter there.
    """
    return text(at(turn, [3, _TURN_NAME])), next(filter(None, (text(at(turn, [3, n])) for n in _TURN_IDS)), "")


def painter(progress: str) -> str:
    """The painter that a progress line announces ("Loading Nano Banana 2..."), or ""."""
    found = _LOADING.search(progress)
    return found.group(1) if found else ""


def text(value: Any) -> str:
    """A name as it stands there, "" where there is none."""
    return value if isinstance(value, str) else ""
