"""What the name of a model says of its rank, and whether the one that answered is the one that was asked for. Pure.

Google names models as people read them ("3.1 Pro", "3.6 Flash", "3.5 Flash-Lite", "3 Flash Thinking", "3.1 Pro
Extended"; docs/google-wire.md 2.1) and changes the numbers in place, so only families are compared, never numbers.
A name of no known family proves nothing.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

from gemgate.chat import UNKNOWN
from gemgate.frozen import frozen
from gemgate.images import ModelPolicy

Family = Literal["lite", "flash", "pro"]
Policy = ModelPolicy
_WORDS = re.compile(r"[a-z]+")
_LONGEST = 60


@frozen
class Rank:
    """family: which size of model, or which painter for images (`lite` is none). thinking: a model of its own that
    thinks, not the wish to think longer; extended: the latter was granted.
    """

    family: Family
    painter: bool = False
    thinking: bool = False
    extended: bool = False


@functools.lru_cache(maxsize=256)
def rank(name: str) -> Rank | None:
    """The rank that a display name or an id tells; None for one of no known family."""
    words = _WORDS.findall(name.lower())
    if {"nano", "banana"} <= set(words) or "imagen" in words:
        return Rank("pro" if "pro" in words else "flash", painter=True)
    family: Family | None = None
    if "lite" in words:
        family = "lite"
    elif "pro" in words:
        family = "pro"
    elif "flash" in words or "fast" in words:
        family = "flash"
    if family is None:
        return None
    return Rank(family, "image" in words, "thinking" in words, "extended" in words)


def is_painter(name: str) -> bool:
    """Whether a name is a painter's."""
    found = rank(name)
    return found is not None and found.painter


@functools.lru_cache(maxsize=256)
def fits(asked: str, served: str) -> bool | None:
    """Whether `served` is of the family and kind that `asked` names; None when one of the names does not tell.

    An image's text model says nothing of its painter, and the other way round.
    """
    wanted, got = rank(asked), rank(served)
    if wanted is None or got is None or wanted.painter != got.painter:
        return None
    return wanted.family == got.family and (got.thinking or not wanted.thinking)


@functools.lru_cache(maxsize=256)
def named(name: str) -> str:
    """A name from outside as headers and labels can carry it: one short line of printable ASCII, or `unknown`."""
    clean = name.strip()
    if not (clean.isascii() and clean.isprintable()):
        clean = "".join(char if " " <= char <= "~" else "?" for char in clean)
    return clean[:_LONGEST] or UNKNOWN
