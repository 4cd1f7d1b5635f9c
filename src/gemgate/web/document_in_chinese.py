"""The OpenAPI document for whoever asks for Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemgate.chinese import chinese


def in_chinese(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its texts for people in Chinese; one that has none stays English."""
    told: dict[str, Any] = _told(document, chinese("gemgate.web"))
    return told


def _told(part: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(part, list):
        return [_told(one, texts) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        name: texts.get(" ".join(value.split()), value)
        if name in ("summary", "description") and isinstance(value, str)
        else _told(value, texts)
        for name, value in part.items()
    }
