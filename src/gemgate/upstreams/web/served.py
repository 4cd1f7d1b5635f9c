"""Where an answer says who gave it (docs/google-wire.md 2.1, 3.1, 3.2): places only, what they mean is for others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gemini_webapi.utils import get_nested_value as at

from gemgate.upstreams.web import fields

_TURN_NAME, _TURN_IDS = 21, (17, 14)
_LOADING = re.compile(r"\bLoading\s+(.{2,40}?)\s*(?:\.{2,}|…|$)")


def of_fields(said: Mapping[int, Any]) -> tuple[str, str]:
    """Display name and hex id of the model that serves, from a frame's fields; "" for what it does not say."""
    return _text(said.get(fields.MODEL_NAME)), _text(said.get(fields.MODEL_ID))


def of_turn(turn: Any) -> tuple[str, str]:
    """The same of a turn in the history, where images name their painter."""
    return _text(at(turn, [3, _TURN_NAME])), next(filter(None, (_text(at(turn, [3, n])) for n in _TURN_IDS)), "")


def painter(progress: str) -> str:
    """The painter that a progress line announces ("Loading Nano Banana 2..."), or ""."""
    found = _LOADING.search(progress)
    return found.group(1) if found else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
