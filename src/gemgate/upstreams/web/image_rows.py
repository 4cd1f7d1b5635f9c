"""A generated image as its row in an answer tells of it (docs/google-wire.md 3.4)."""

from __future__ import annotations

from typing import Any, Final

from gemini_webapi.utils import get_nested_value as at

from gemgate.ports.upstream import ImageRef

MOST_PROMPT: Final = 4_000
"""Characters of the prompt that the full-size route is told."""

_TOKEN: Final = 5


def read(row: Any, index: int, ids: tuple[str, str, str], prompt: str) -> ImageRef | None:
    """The image of one row, None when it has no address. ids: cid, rid and rcid of its answer.

    The token stands at a place of its own; the announced width, height and bytes are found by what they are, behind it.
    """
    facts = at(row, [0, 3])
    url = at(facts, [3])
    if not isinstance(url, str) or not url:
        return None
    image_id = at(row, [1, 0]) or f"http://googleusercontent.com/image_generation_content/{index}"
    token = at(facts, [_TOKEN], "")
    token = token if isinstance(token, str) else ""
    cid, rid, rcid = ids
    return ImageRef(
        url,
        str(image_id),
        cid,
        rid,
        rcid,
        str(at(facts, [2], "")),
        token=token,
        prompt=prompt[:MOST_PROMPT] if token else "",
        announced=_announced(facts[_TOKEN + 1 :]),
    )


def _announced(facts: list[Any]) -> tuple[int, ...]:
    for value in facts:
        if isinstance(value, list) and len(value) == 3 and all(type(each) is int and each > 0 for each in value):
            return tuple(value)
    return ()
