"""Names of stored images: `{yyyymmdd_hhmmss}_{keyword}_{6 hex}.{extension}`, easy to grep, safe everywhere.

The time and the hex digits are arguments; a batch takes them from its task, so the same task has the same name.
"""

from __future__ import annotations

import re
from datetime import datetime

from anyascii import anyascii

LONGEST = 40
FALLBACK = "picture"
_HAN = re.compile("([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_HEX = re.compile("[0-9a-f]{6}")
_EXTENSION = re.compile("[a-z0-9]{1,5}")


def file_name(prompt: str, at: datetime, hex6: str, extension: str) -> str:
    """The name of an image made from `prompt` at the time `at`; `hex6` tells namesakes apart.

    ValueError unless `hex6` is six lower-case hex digits and `extension` a plain one without its dot.
    """
    if not _HEX.fullmatch(hex6) or not _EXTENSION.fullmatch(extension):
        message = "a name needs six lower-case hex digits and an extension of letters and digits"
        raise ValueError(message)
    return f"{at:%Y%m%d_%H%M%S}_{keyword(prompt)}_{hex6}.{extension}"


def keyword(prompt: str) -> str:
    """The first words of a prompt in any script, as lower-case ASCII joined by '-': never empty, never a path.

    Chinese characters become a syllable each, because their words are not written apart.
    """
    start = _HAN.sub(r" \1 ", prompt[: LONGEST * 4])
    words = re.findall("[a-z0-9]+", anyascii(start).lower())
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:LONGEST]
        if len(longer) > LONGEST:
            break
        name = longer
    return name or FALLBACK
