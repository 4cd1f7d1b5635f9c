"""A configuration as text, read into tables: JSON, YAML, or `NAME=value` by lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from gemgate.dialects.gateways import plain_yaml
from gemgate.dialects.gateways.taken import Taken
from gemgate.errors import BadRequest
from gemgate.frozen import frozen

_ASSIGNMENT = re.compile(r"[ \t]{0,9}(?:export[ \t]{1,9})?([A-Za-z_]\w{0,100})[ \t]{0,9}=(.*)")
_COMMENT = re.compile(r"[ \t]#")
Table = Mapping[str, Any]


@frozen
class Document:
    """is_env: names of the environment and their values, all texts."""

    value: Any
    is_env: bool = False

    @property
    def table(self) -> Table:
        """The outermost table, empty where it is none."""
        return table(self.value)


@frozen
class Format:
    """How one project writes its configuration.

    name: for --from; title: for people; is_it: whether a document is this project's; read: what is taken of it.
    """

    name: str
    title: str
    is_it: Callable[[Document], bool]
    read: Callable[[Document], Taken]


def table(value: Any) -> Table:
    """A table with names that are texts, empty where the value is none."""
    return {str(name): inner for name, inner in value.items()} if isinstance(value, dict) else {}


def rows(value: Any) -> list[Table]:
    """The tables of a list, empty where the value is none."""
    return [table(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def parse(text: str) -> Document:
    """What the text says, whichever of the three it is. BadRequest says where it cannot be read, never what stands
    there.
    """
    text = text.strip("\ufeff \t\r\n")
    if text[:1] in ("{", "["):
        try:
            return Document(json.loads(text))
        except (ValueError, RecursionError) as error:
            at = getattr(error, "lineno", 1)
            raise BadRequest(f"Line {at} is no JSON", f"第 {at} 行不是有效的 JSON", code="json") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and all(_ASSIGNMENT.match(line) for line in lines):
        return Document(_environment(lines), is_env=True)
    return Document(plain_yaml.read(text))


def _environment(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if assigned := _ASSIGNMENT.match(line):
            value = assigned[2].strip()
            quote = value[:1]
            if quote in ("'", '"') and (end := value.find(quote, 1)) > 0:
                value = value[1:end]
            elif comment := _COMMENT.search(value):
                value = value[: comment.start()].rstrip()
            found[assigned[1].upper()] = value
    return found
