"""What a piece of the wire looks like, without a word of what it says: kinds, slots, and scrubbed copies. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson

_KINDS = (
    ("cid", re.compile(r"c_[0-9a-z_]+")),
    ("rid", re.compile(r"r_[0-9a-z_]+")),
    ("rcid", re.compile(r"rc_[0-9a-z_]+")),
    ("hex16", re.compile(r"[0-9a-f]{16}")),
    ("link", re.compile(r"https?://\S+")),
    ("context", re.compile(r"AwAA\S+")),
)
_IDS = ("cid", "rid", "rcid")
_KEPT = frozenset(("wrb.fr", "di", "e", "er", "af.httprm", "generic", "data_analysis_tool"))
_CHARACTER = re.compile(r"\w")


def kind(value: Any) -> str:
    """`str`, `int`, `list` …, or what a string looks like: `cid`, `rid`, `rcid`, `hex16`, `link`, `context`."""
    if isinstance(value, str):
        return next((name for name, pattern in _KINDS if pattern.fullmatch(value)), "str")
    return "none" if value is None else type(value).__name__


def slots(row: Any) -> frozenset[str]:
    """`place:kind` of everything in a list that is there; the keys of a dictionary at its end as `"key":kind`."""
    if not isinstance(row, list):
        return frozenset((f"not a list but {kind(row)}",))
    *places, last = row or [None]
    found = {f"{at}:{kind(value)}" for at, value in enumerate(places) if value is not None}
    if isinstance(last, dict):
        found |= {f'"{key}":{kind(value)}' for key, value in last.items()}
    elif last is not None:
        found.add(f"{len(row) - 1}:{kind(last)}")
    return frozenset(found)


def common(rows: Iterable[Any]) -> frozenset[str]:
    """The slots that all of `rows` have; nothing when there is no row."""
    found = [slots(row) for row in rows]
    return frozenset.intersection(*found) if found else frozenset()


class Scrubber:
    """Makes copies that keep every shape and no content: ids become `c_1`, `r_1` …, letters and digits `x`.

    Lengths stay, so that snapshots that grow still grow. One scrubber serves one recording: an id keeps its name.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def frame(self, text: str) -> Any:
        """A scrubbed frame: a list of parts, the JSON inside them decoded."""
        return [self._part(part) for part in orjson.loads(text)]

    def _part(self, part: Any) -> Any:
        if isinstance(part, list) and len(part) > 2 and isinstance(part[2], str):
            try:
                return [*map(self.value, part[:2]), self.value(orjson.loads(part[2])), *map(self.value, part[3:])]
            except orjson.JSONDecodeError:
                pass
        return self.value(part)

    def value(self, value: Any) -> Any:
        """The same shape without content."""
        match value:
            case str():
                return self._string(value)
            case bool() | None:
                return value
            case int():
                return value if -1000 < value < 10_000 else int("1" * len(str(abs(value))))
            case float():
                return round(value, 2) if abs(value) < 1000 else 1.0
            case list():
                return [self.value(item) for item in value]
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case _:
                return None

    def _string(self, text: str) -> str:
        if text in _KEPT:
            return text
        what = kind(text)
        if what in _IDS:
            prefix = text.partition("_")[0]
            count = sum(name.startswith(f"{prefix}_") for name in self._ids.values())
            return self._ids.setdefault(text, f"{prefix}_{count + 1}")
        if what == "hex16":
            return "0" * 16
        if what == "context":
            return "AwAA" + "x" * (len(text) - 4)
        if what == "link":
            parts = urlsplit(text)
            return f"{parts.scheme}://{parts.hostname or 'host'}/x"
        return _CHARACTER.sub("x", text)
