"""The schemas of offered tools, odd ones included: told as they are, held against calls as far as they can be.

Half of all agents in the wild offer some tool whose schema is no JSON Schema (`"type": "any"`, `"required": true`, a
reference out of the document). The tool works all the same, so what makes no sense is left out of the validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from gemgate.errors import BadRequest
from gemgate.prompting.schemas import MAX_SCHEMAS, Compiled, compiled, lost_references, oddities

ROUNDS = 8
"""How often a schema is gone through; one that is still odd then is not validated."""

_KINDS = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
_PLACES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def tool_schema(schema: Mapping[str, Any]) -> Compiled:
    """The compiled schema of a tool, without what is no JSON Schema in it. BadRequest when it is not even JSON."""
    try:
        return compiled(schema)
    except BadRequest as error:
        if error.code == "schema_too_large":
            raise
        try:
            key = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            raise BadRequest(
                "The schema cannot be written as JSON", "schema 无法写成 JSON", code="invalid_json_schema"
            ) from None
        return _mended(key)


@lru_cache(maxsize=MAX_SCHEMAS)
def _mended(key: bytes) -> Compiled:
    document = orjson.loads(key)
    try:
        return compiled(_sound(document))
    except (BadRequest, RecursionError):
        return compiled({})


def _sound(document: Any) -> dict[str, Any]:
    """`document` without the keywords that its own meta-schema refuses, and without references that lead nowhere."""
    if not isinstance(document, dict):
        return {}
    _drop_references(document)
    for _ in range(ROUNDS):
        errors = oddities(document)
        if not errors:
            break
        for error in errors:
            if not _without(document, list(error.absolute_path)):
                return {}
    return document


def _drop_references(document: dict[str, Any]) -> None:
    lost = lost_references(document)
    level: list[Any] = [document] if lost else []
    while level:
        inner = level.pop()
        if isinstance(inner, dict):
            if isinstance(reference := inner.get("$ref"), str) and reference in lost:
                del inner["$ref"]
            level.extend(inner.values())
        elif isinstance(inner, list):
            level.extend(inner)


def _without(document: Any, path: list[str | int]) -> bool:
    """Take out the keyword that an error is about; a property whose schema is none may be anything."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    if not path:
        return False
    place = document
    for step in path[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return True  # an earlier error took it along
    if not isinstance(place, dict) or path[-1] not in place:
        return True
    if path[-1] == "type" and (kinds := _kinds(place["type"])):
        place["type"] = kinds
    elif len(path) > 1 and path[-2] in _PLACES:
        place[path[-1]] = True
    else:
        del place[path[-1]]
    return True


def _kinds(written: object) -> list[str]:
    """Types in another case, as Google's dialect writes them; empty when one of them is none at all."""
    words = written if isinstance(written, list) else [written]
    kinds = [word.lower() for word in words if isinstance(word, str)]
    plain = list(dict.fromkeys(kinds))
    return plain if len(kinds) == len(words) and set(plain) <= _KINDS and plain != written else []
