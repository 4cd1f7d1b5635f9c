"""Schemas of callers: what is wrong and where, what is mended, and what they may cost."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gemgate.errors import BadRequest
from gemgate.prompting.schemas import compiled


def settle(schema: dict[str, Any], value: Any) -> tuple[Any, str]:
    settled, flaw = compiled(schema).settle(value)
    return settled, str(flaw or "")


def prop(schema: Any, *, required: bool = False) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, **({"required": ["x"]} if required else {})}


@pytest.mark.parametrize(
    ("schema", "value", "mended"),
    [
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "-5", -5),
        ({"type": "number"}, "1.25", 1.25),
        ({"type": "boolean"}, "False", False),
        ({"type": "string"}, 12, "12"),
        ({"type": "array"}, "[1]", [1]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"enum": ["Red", "Blue"]}, "red", "Red"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "7", 7),
        ({"type": ["integer", "null"]}, "7", 7),
        ({"type": "array", "items": {"type": "integer"}}, ["1", "2"], [1, 2]),
        ({"$ref": "#/$defs/n"}, "3", 3),
    ],
)
def test_slips_with_one_reading_are_mended(schema: Any, value: Any, mended: Any) -> None:
    whole = {**prop(schema), "$defs": {"n": {"type": "integer"}}}
    assert settle(whole, {"x": value}) == ({"x": mended}, "")


@pytest.mark.parametrize(
    ("schema", "value", "flaw"),
    [
        ({"type": "integer"}, "five", "$.x must be of type integer, not string"),
        ({"type": "integer"}, 1.5, "$.x must be of type integer, not number"),
        ({"type": "integer"}, True, "$.x must be of type integer, not boolean"),
        ({"type": ["integer", "boolean"]}, "maybe", "$.x must be of type integer or boolean, not string"),
        ({"enum": ["a", "A"]}, "á", '$.x must be one of ["a","A"]'),
        ({"type": "string"}, True, "$.x must be of type string, not boolean"),
        ({"type": "string", "maxLength": 2}, "abc", "$.x breaks maxLength: 2"),
        ({"type": "array", "uniqueItems": True}, [1, 1.0], "$.x has items that stand twice"),
        ({"const": 1}, 2, "$.x must be 1"),
        ({"type": "object", "patternProperties": {"^a": {"type": "integer"}}}, {"ab": "x"}, "$.x.ab must be of type"),
        ({"additionalProperties": False, "patternProperties": {"^a": {}}}, {"b": 1}, "$.x has unknown properties: b"),
    ],
)
def test_what_has_two_readings_is_a_flaw_with_its_path(schema: Any, value: Any, flaw: str) -> None:
    settled, found = settle(prop(schema), {"x": value})
    assert found.startswith(flaw)
    assert settled == {"x": value}


def test_true_and_one_are_different_items() -> None:
    assert settle(prop({"uniqueItems": True}), {"x": [True, 1, "1", [1], {"a": 1}]})[1] == ""


def test_null_is_left_out_only_where_the_property_may_be_missing() -> None:
    assert settle(prop({"type": "string"}), {"x": None}) == ({}, "")
    assert settle(prop({"type": "string"}, required=True), {"x": None})[1] == "$.x must be of type string, not null"


def test_odd_property_names_are_quoted_in_the_path() -> None:
    schema = {"properties": {"a b": {"type": "array", "items": {"type": "integer"}}}}
    assert settle(schema, {"a b": [1, "x"]})[1] == '$["a b"][1] must be of type integer, not string'


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": []},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"properties": {"x": {"$ref": "file:///etc/passwd"}}},
        {"minimum": "one"},
    ],
)
def test_what_is_no_schema_is_refused_and_nothing_is_fetched(schema: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        compiled(schema)
    assert caught.value.code == "invalid_json_schema"


def test_recursive_schemas_and_anchors_work() -> None:
    tree = {
        "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}
        }
    }
    schema = {**tree, "$ref": "#/$defs/node"}
    assert settle(schema, {"next": {"next": {"n": "x"}}})[1] == "$.next.next.n must be of type integer, not string"
    anchored = {"$defs": {"s": {"$anchor": "text", "type": "string"}}, "properties": {"x": {"$ref": "#text"}}}
    assert settle(anchored, {"x": []})[1] == "$.x must be of type string, not array"


def _doubling(levels: int) -> dict[str, Any]:
    defs: dict[str, Any] = {
        f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(levels)
    }
    defs[f"a{levels}"] = {"type": "string"}
    return {"$defs": defs, **prop({"$ref": "#/$defs/a0"})}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (prop({"pattern": "^(a+)+$"}), "a" * 200_000 + "b"),
        (prop({"pattern": "(?:a?){60}a{60}"}), "a" * 60),
        (prop({"pattern": "^(?=a)b"}), "ab"),
        (prop({"pattern": "("}), "x"),
        (_doubling(40), 1),
        ({"$ref": "#"}, 1),
        ({"patternProperties": {"^(a+)+$": {"type": "integer"}}, "additionalProperties": False}, 1),
        (prop({"uniqueItems": True}), [{"i": i} for i in range(20_000)]),
    ],
)
def test_no_schema_costs_more_than_it_may(schema: Any, value: Any) -> None:
    began = time.process_time()
    compiled(schema).settle({"x": value})
    assert time.process_time() - began < 5


def test_a_schema_is_compiled_once() -> None:
    schema = prop({"type": "integer"})
    assert compiled(schema) is compiled({**schema})


def test_large_honest_values_are_checked_to_the_end() -> None:
    schema = prop({"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}})
    rows: list[dict[str, Any]] = [{"n": i} for i in range(5_000)]
    rows[-1] = {"n": "last"}
    assert settle(schema, {"x": rows})[1] == "$.x[4999].n must be of type integer, not string"
