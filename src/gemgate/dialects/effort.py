"""How hard a model shall think, in the words and the order that the dialects grade it by."""

from __future__ import annotations

from typing import Final, Literal

from gemgate.dialects.wire import is_wish

Level = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_LEVELS: Final[tuple[Level, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OPEN: Final = "thinking_level_unspecified"
"""How Gemini's protocol says that nothing is wished."""


def thinking_of(effort: str | None, *, least: Level = "medium") -> bool | None:
    """Extended thinking, for the web app knows on and off only: on from `least`; None for a level that nobody knows."""
    level = (effort or "").lower()
    return _LEVELS.index(level) >= _LEVELS.index(least) if level in _LEVELS else None


def unknown_effort(effort: str | None, name: str) -> tuple[str, ...]:
    """The field's name, where it wishes for a level that there is not: that wish is not honoured."""
    level = (effort or "").lower()
    return () if level in (*_LEVELS, _OPEN) or not is_wish(name, level) else (name,)
