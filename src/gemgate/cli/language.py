"""The language of the terminal; nothing else is imported for it."""

from __future__ import annotations

import os


def language() -> str:
    """The language of the terminal, "zh" or "en"."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"
