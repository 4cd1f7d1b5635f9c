"""The page's views, and the model its tests ask for."""

from __future__ import annotations

PAGES = (
    "overview", "connect", "accounts", "chat", "playground", "playground/edit", "gallery", "jobs", "history",
    "nodes", "requests", "keys", "alerts", "settings", "reference",
)  # fmt: skip


MODEL = "gemini-3-flash-preview"
