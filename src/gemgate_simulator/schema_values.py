"""Values that fit a JSON Schema and have something to do with what was asked: what a sensible model would write.

Pure and deterministic. Numbers and quoted words of the question are used in their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

DEEPEST = 6
"""Nesting beyond which optional parts of a (recursive) schema are left out."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“「'`]([^\"”」'`\n]{1,80})[\"”」'`]")
_PLACE = re.compile(r"\b(?:in|for|at|to)\s+([A-Z][\w.'-]*(?:[ ,]+(?:and\s+)?[A-Z][\w.'-]*)*)")
_PLACE_ZH = re.compile(r"([\u4e00-\u9fff]{2,4}?)的?天气")
_FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T10:00:00Z",
    "time": "10:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
_CANDIDATES = (*_FORMATS.values(), "ada", "Ada", "A1", "42", "+1-555-0100", "#aabbcc", "1.0.0", "a_b", "12345")
_PLACES = re.compile(r"city|location|place|where|town|country|destination", re.IGNORECASE)


def places(text: str) -> list[str]:
    """The places a question names: `Paris` and `London` of `the weather in Paris and London`."""
    found = [match[1] for match in (*_PLACE.finditer(text), *_PLACE_ZH.finditer(text))]
    return [place.strip(" ,.") for phrase in found for place in re.split(r",?\s+and\s+", phrase)]


class Filler:
    """Writes values for one question; `place` is which of its places is meant."""

    def __init__(self, question: str, root: Schema, *, place: int = 0) -> None:
        self._question = question
        self._root = root
        self._numbers = [float(number) for number in _NUMBER.findall(question)]
        self._quoted = _QUOTED.findall(question)
        self._places = places(question)[place:]

    def value(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """A value for `schema`, which belongs to the property `name`."""
        if not isinstance(schema, Mapping):
            return self._text({}, name)
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                branches = [branch for branch in schema[word] if branch != {"type": "null"}]
                rest = {key: inner for key, inner in schema.items() if key != word}
                return self.value(
                    {**rest, **self._resolved(branches[0])} if branches else {"type": "null"}, name, depth
                )
        return self._typed(schema, name, depth)

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        kinds = schema.get("type", "object" if "properties" in schema else "string")
        kind = next((k for k in kinds if k != "null"), "null") if isinstance(kinds, list) else kinds
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                items = schema.get("items", {})
                least = max(int(schema.get("minItems", 1 if depth < DEEPEST else 0)), 0)
                if isinstance(items, Mapping) and items.get("type") in ("integer", "number"):
                    least = max(least, min(len(self._numbers), int(schema.get("maxItems", 1000))))
                return [self.value(items, name, depth + 1) for _ in range(least)]
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._text(schema, name)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        wanted = [
            (name, inner) for name, inner in schema.get("properties", {}).items() if name in required or depth < DEEPEST
        ]
        return {name: self.value(inner, name, depth + 1) for name, inner in wanted}

    def _number(self, schema: Schema) -> float:
        least, most = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            least = schema["exclusiveMinimum"] + 1
        for at, number in enumerate(self._numbers):
            if (least is None or number >= least) and (most is None or number <= most):
                return self._numbers.pop(at)
        return float(least if least is not None else min(1, most) if most is not None else 1)

    def _one_of(self, values: list[Any]) -> Any:
        question = self._question.lower()
        return next((value for value in values if str(value).lower() in question), values[0])

    def _text(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        pattern = schema.get("pattern")
        if self._places and _PLACES.search(name):
            candidates = [self._places[0]]
        elif self._quoted:
            candidates = [self._quoted[0]]
        else:
            about = " ".join(self._question.split())[:60]
            candidates = [f"{name.replace('_', ' ') or 'answer'}: {about}"]
        if pattern:
            candidates = [text for text in (*candidates, *_CANDIDATES) if _fits(pattern, text)] or candidates
        text = candidates[0]
        if self._quoted and text == self._quoted[0] and len(self._quoted) > 1:
            self._quoted.pop(0)
        return text.ljust(int(schema.get("minLength", 0)), ".")[: int(schema.get("maxLength", 10_000))]

    def _resolved(self, schema: Schema) -> Schema:
        """Without references and `allOf`, as far as they lead somewhere."""
        for _ in range(10):
            if "$ref" in schema:
                found: Any = self._root
                for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                    found = found.get(step, {}) if isinstance(found, Mapping) else {}
                schema = {**found, **{key: inner for key, inner in schema.items() if key != "$ref"}}
            elif "allOf" in schema:
                merged: dict[str, Any] = {key: inner for key, inner in schema.items() if key != "allOf"}
                for branch in schema["allOf"]:
                    merged |= branch
                schema = merged
            else:
                break
        return schema


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True
