"""Wishes that are not honoured are named, in a header of the answer and in the facts of its request."""

from __future__ import annotations

from collections.abc import Iterable

from gemgate.web.context import NodeContext


def unmet(context: NodeContext, names: Iterable[str]) -> None:
    """Name wishes that are not honoured: those that never could be, and beside them those that turned out so."""
    if names := tuple(names):
        before = context.headers.get("x-gemgate-ignored")
        context.headers["x-gemgate-ignored"] = all_names = ", ".join(filter(None, (before, *names)))
        context.note("request.ignored", names=all_names)
