"""Google's schema (an OpenAPI 3.0 subset with upper-case types) as JSON Schema (docs/client-contracts.md 5).

Both spellings of every keyword are read: the SDKs mix `anyOf` and `any_of` in one body. Names of properties are data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemgate.errors import BadRequest, said

_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
_RENAMED = {
    "any_of": "anyOf",
    "one_of": "oneOf",
    "all_of": "allOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
    "prefix_items": "prefixItems",
    "defs": "$defs",
    "ref": "$ref",
}
_ONE = {"items", "not", "additionalProperties"}
_LIST = {"anyOf", "oneOf", "allOf", "prefixItems"}
_NAMED = {"properties", "$defs", "definitions", "patternProperties"}
_WHOLE = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
_DROPPED = {"propertyOrdering", "example", "nullable"}


def json_schema(schema: object, where: str) -> dict[str, Any]:
    """`schema` with JSON Schema's words; BadRequest names what is not one. Unknown keywords are kept."""
    if not isinstance(schema, Mapping):
        raise BadRequest(f"{where} must be a schema object", f"{where} 必须是 schema 对象", param=where)
    result: dict[str, Any] = {}
    for spelling, value in schema.items():
        key: str = _RENAMED.get(spelling) or spelling
        if value is not None and value != "TYPE_UNSPECIFIED" and key not in _DROPPED:
            result[key] = _keyword(key, value, f"{where}.{spelling}")
    if schema.get("nullable") is True:
        return _nullable(result)
    return result


def _keyword(key: str, value: Any, where: str) -> Any:
    if key == "type":
        return _type(value, where)
    if key in _ONE:
        return value if isinstance(value, bool) else json_schema(value, where)
    if key in _LIST and isinstance(value, list):
        return [json_schema(inner, f"{where}[{at}]") for at, inner in enumerate(value)]
    if key in _NAMED and isinstance(value, Mapping):
        return {name: json_schema(inner, f"{where}.{name}") for name, inner in value.items()}
    if key in _WHOLE:
        return _whole(value, where)
    return value


def _type(value: Any, where: str) -> Any:
    """Google's proto types in any case; JSON Schema's list of types passes."""
    if isinstance(value, list):
        return [_type(inner, where) for inner in value]
    if isinstance(value, str) and value.upper() in _TYPES:
        return value.lower()
    raise BadRequest(
        f"{where} is {said(str(value))!r}; use one of {', '.join(sorted(_TYPES))}",
        f"{where} 的值 {said(str(value))!r} 无效，请使用 {'、'.join(sorted(_TYPES))}",
        param=where,
    )


def _whole(value: Any, where: str) -> int:
    """Google writes 64-bit numbers as strings."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise BadRequest(f"{where} must be a whole number", f"{where} 必须是整数", param=where) from None


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if isinstance(kind, str):
        wider: dict[str, Any] = {**schema, "type": [kind, "null"]}
        if "enum" in wider and None not in wider["enum"]:
            wider["enum"] = [*wider["enum"], None]
        return wider
    return {"anyOf": [schema, {"type": "null"}]}
