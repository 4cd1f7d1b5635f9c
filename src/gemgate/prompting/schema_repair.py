"""Plain slips of a value, mended in place where they have one reading under its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from gemgate.prompting.linear_patterns import matches

if TYPE_CHECKING:
    import jsonschema

Errors: TypeAlias = "Callable[[Any], Iterable[jsonschema.ValidationError]]"
"""What the schema has against a value."""


def mend(root: Any, error: jsonschema.ValidationError, errors: Errors) -> bool:
    """Mend what one error complains of, inside `root`; whether anything was done."""
    path = list(error.absolute_path)
    wanted: Any = error.validator_value
    if not path:
        return False
    parent, last = _at(root, path[:-1]), path[-1]
    kinds = _wanted_kinds(error)
    if error.instance is None and isinstance(parent, dict) and "null" not in kinds:
        return _drop(root, parent, path, errors)
    if error.validator == "enum":
        return _replace(parent, last, _same_but_case(error.instance, wanted))
    return _replace(parent, last, [made for kind in sorted(kinds) for made in _converted(error.instance, kind)])


def _drop(root: Any, parent: dict[str, Any], path: list[str | int], errors: Errors) -> bool:
    """Leave out a null property, unless it is a required one."""
    name = str(path[-1])
    value = parent.pop(name)
    for error in errors(root):
        if _lacks(error, name) and list(error.absolute_path) == path[:-1]:
            parent[name] = value
            return False
    return True


def drop_unknown(root: Any, error: jsonschema.ValidationError) -> bool:
    """Leave out what an object may not hold; whether anything went."""
    schema: Any = error.schema
    if error.validator != "additionalProperties" or error.validator_value is not False or not isinstance(schema, dict):
        return False
    parent = _at(root, list(error.absolute_path))
    patterns = schema.get("patternProperties", {})
    extras = [
        key
        for key in parent
        if key not in schema.get("properties", {}) and not any(matches(pattern, key) for pattern in patterns)
    ]
    for key in extras:
        del parent[key]
    return bool(extras)


def _at(root: Any, path: list[str | int]) -> Any:
    for step in path:
        root = root[step]
    return root


def _replace(parent: Any, last: str | int, candidates: list[Any]) -> bool:
    """Put the one candidate there is in its place."""
    if len(candidates) != 1 or parent[last] == candidates[0]:
        return False
    parent[last] = candidates[0]
    return True


def _same_but_case(text: object, wanted: list[Any]) -> list[Any]:
    if not isinstance(text, str):
        return []
    return [word for word in wanted if isinstance(word, str) and word.lower() == text.strip().lower()]


def _lacks(error: jsonschema.ValidationError, name: str) -> bool:
    wanted: Any = error.validator_value
    return error.validator == "required" and name in wanted


def _wanted_kinds(error: jsonschema.ValidationError) -> set[str]:
    if error.validator == "type":
        wanted: Any = error.validator_value
        return {wanted} if isinstance(wanted, str) else set(wanted)
    if error.validator in ("anyOf", "oneOf"):
        inner = [e for e in error.context or () if not list(e.relative_path)]
        return {kind for e in inner if e.validator == "type" for kind in _wanted_kinds(e)}
    return set()


def _converted(value: Any, kind: str) -> list[Any]:
    """What `value` plainly means as `kind`: none or one."""
    if isinstance(value, str):
        return _from_text(value.strip(), kind)
    if kind == "string" and isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    return []


def _from_text(text: str, kind: str) -> list[Any]:
    match kind:
        case "integer" if re.fullmatch(r"[+-]?(0|[1-9]\d{0,17})", text, re.ASCII):
            return [int(text)]
        case "number" if re.fullmatch(r"[+-]?(0|[1-9]\d{0,17})(\.\d{1,17})?", text, re.ASCII):
            return [float(text) if "." in text else int(text)]
        case "boolean" if text.lower() in ("true", "false"):
            return [text.lower() == "true"]
        case "array" | "object" if text[:1] == ("[" if kind == "array" else "{"):
            try:
                return [orjson.loads(text)]
            except orjson.JSONDecodeError:
                return []
        case _:
            return []
