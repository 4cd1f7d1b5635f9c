"""JSON Schemas of callers, compiled: what is wrong with a value and where.

The schemas come from outside, so they cost what we allow: they have so many nodes at most, references are never
fetched, patterns run in an engine of linear time, and every validation has a budget of steps, that of the schema itself
against its metaschema included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urljoin

import orjson

from gemgate.errors import BadRequest
from gemgate.frozen import frozen
from gemgate.lazy_import import later
from gemgate.prompting import schema_repair
from gemgate.prompting.linear_patterns import matches

if TYPE_CHECKING:
    import attrs
    import jsonschema
    import jsonschema.exceptions
    import jsonschema.validators
    import jsonschema_specifications
    import referencing.exceptions
    import referencing.jsonschema
else:
    attrs, jsonschema, jsonschema_specifications = map(later, ("attrs", "jsonschema", "jsonschema_specifications"))
    referencing = later("referencing")

LIBRARIES = jsonschema, jsonschema_specifications
"""To `load` before the first schema is compiled on the event loop: some 50 ms of work."""

STEPS, STEPS_PER_NODE, STEPS_AT_MOST = 20_000, 30, 300_000
"""Keyword evaluations that one validation may take, by the size of the value: far above any honest schema."""

MAX_NODES, MAX_NODES_TOGETHER = 10_000, 50_000
"""Values in one schema, and in all schemas of a request. 2000 described properties are 10,000."""
MAX_SCHEMAS = 512
"""Schemas (tools, and the answer's) of a request; as many are kept compiled."""
META_STEPS_PER_NODE = 40
COMPARED_PER_STEP = 16
_AGAIN = (b'"$ref"', b'"$dynamicRef"', b'"$recursiveRef"', b"attern")
"""What may make few values of a schema cost as much as many."""
MAX_NAME = 500
"""Characters of an `$id`, an `$anchor` or a reference: they are read again whenever somebody comes by."""

Keyword: TypeAlias = "Callable[[Any, Any, Any, Any], Iterable[jsonschema.ValidationError] | None]"


@frozen
class Flaw:
    """What a schema has against a value: `$.items[2].price must be a number`."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path} {self.problem}"


class TooCostly(Exception):
    """The schema wants more steps than a validation may take, or leads to where nothing can be asked."""


_left: ContextVar[list[int]] = ContextVar("schema_steps_left")
"""What is left of the steps of the validation at work: the same schema may be at work in several threads."""


def _allow(steps: int) -> None:
    _left.set([steps])


def _spend(steps: int) -> None:
    left = _left.get()
    left[0] -= steps
    if left[0] < 0:
        raise TooCostly


@frozen
class Compiled:
    """A schema ready for use. weight: how much it may ask of each character of a value, about."""

    validator: Any
    weight: int = 1

    def flaw(self, value: Any) -> Flaw | None:
        """What weighs most of what is wrong, or None. A schema that costs too much is not held against the value."""
        _allow(min(STEPS + STEPS_PER_NODE * _nodes(value), STEPS_AT_MOST))
        try:
            return self._flaw(value)
        except TooCostly:
            return None

    def settle(self, value: Any, *, drop_unknown: bool = False) -> tuple[Any, Flaw | None]:
        """`value` with slips mended that have one reading, and the flaw that is left.

        Mended in place: "5" where 5 is wanted, null for an optional property, JSON in a string, a wrong case.
        drop_unknown: properties go that the schema neither knows nor allows.
        """
        _allow(min(STEPS + STEPS_PER_NODE * _nodes(value), STEPS_AT_MOST))
        try:
            for _ in range(8):
                mended = [
                    error
                    for error in self._errors(value)
                    if schema_repair.mend(value, error, self._errors)
                    or (drop_unknown and schema_repair.drop_unknown(value, error))
                ]
                if not mended:
                    break
            return value, self._flaw(value)
        except TooCostly:
            return value, None

    def _flaw(self, value: Any) -> Flaw | None:
        error = jsonschema.exceptions.best_match(iter(self._errors(value)))
        return None if error is None else Flaw(_path(error.absolute_path), _problem(error))

    def _errors(self, value: Any) -> list[jsonschema.ValidationError]:
        try:
            return list(islice(self.validator.iter_errors(value), 32))
        except (RecursionError, referencing.exceptions.Unresolvable) as error:
            raise TooCostly from error
        except (AttributeError, TypeError, ValueError) as error:
            raise TooCostly from error  # a reference may lead to what is no schema, or through what is no address


def compiled(schema: Mapping[str, Any]) -> Compiled:
    """`schema` compiled, from a small memory of the last ones; BadRequest when it is no schema."""
    try:
        return _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    except jsonschema.SchemaError as error:
        where = _path(error.absolute_path)
        raise BadRequest(
            f"The JSON Schema is not valid at {where}: {error.message[:200]}",
            f"JSON Schema 在 {where} 处无效：{error.message[:200]}",
            code="invalid_json_schema",
        ) from None
    except (RecursionError, orjson.JSONEncodeError):
        raise BadRequest(
            "The JSON Schema is nested too deep", "JSON Schema 嵌套过深", code="invalid_json_schema"
        ) from None


def check_sizes(schemas: Sequence[Mapping[str, Any]]) -> None:
    """BadRequest when the schemas of a request are too many, or too large together."""
    if len(schemas) > MAX_SCHEMAS + 1:
        raise BadRequest(
            f"More than {MAX_SCHEMAS} tools are offered",
            f"工具数量超过 {MAX_SCHEMAS} 个",
            param="tools",
            code="too_many_tools",
        )
    if sum(map(_nodes, schemas)) > MAX_NODES_TOGETHER:
        raise _too_large(MAX_NODES_TOGETHER)


def _too_large(most: int) -> BadRequest:
    return BadRequest(
        f"The JSON Schema is larger than {most} values", f"JSON Schema 超过 {most} 个值", code="schema_too_large"
    )


@lru_cache(maxsize=MAX_SCHEMAS + 1)
def _compiled(schema: bytes) -> Compiled:
    document = orjson.loads(schema)
    nodes = _nodes(document)
    if nodes > MAX_NODES:
        raise _too_large(MAX_NODES)
    _check_references(document)
    if error := jsonschema.exceptions.best_match(iter(oddities(document))):
        raise jsonschema.SchemaError.create_from(error)
    base: Any = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
    weight = MAX_NODES if any(word in schema for word in _AGAIN) else nodes
    return Compiled(_extended(base, schema)(document, _resolver=_resolver(base, document)), weight)


def _resolver(base: Any, document: Any) -> Any:
    """Finds what a schema calls by name. The stock one looks through the whole schema for each reference to an anchor;
    this one has done so once.
    """
    draft = referencing.jsonschema.specification_with(base.META_SCHEMA["$schema"])
    resource = draft.create_resource(document)
    place = resource.id() or ""
    try:
        return jsonschema_specifications.REGISTRY.with_resource(place, resource).crawl().resolver(place)
    except ValueError as error:
        raise jsonschema.SchemaError(f"an $id is no address: {error}") from None


def oddities(document: Any) -> list[jsonschema.ValidationError]:
    """What a schema's own draft has against it, the first few of it; BadRequest when that costs too much to find."""
    base: Any = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
    _allow(META_STEPS_PER_NODE * (_nodes(document) + 50))
    try:
        judge = _extended(base, b"")(_metaschema(base), registry=jsonschema_specifications.REGISTRY)
        return list(islice(judge.iter_errors(document), 32))
    except TooCostly:
        raise _too_large(MAX_NODES) from None


def _extended(base: Any, schema: bytes) -> Any:
    """The stock validator with our keywords, every evaluation paid for."""
    keywords = {name: _counted(function, name) for name, function in base.VALIDATORS.items()}
    ours: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    keywords |= {name: _counted(function, name) for name, function in ours.items()}
    if b'"patternProperties"' in schema:
        # The stock keyword would run the patterns in the backtracking engine.
        keywords["unevaluatedProperties"] = lambda *_: None
    made: Any = jsonschema.validators.extend(base, keywords)  # type: ignore[no-untyped-call]
    names = [(field.name, field.alias) for field in attrs.fields(made) if field.init]

    def evolve(self: Any, **changes: Any) -> Any:
        # The stock one changes to the stock keywords at every inner `$schema`, and away from budget and safe patterns.
        return made(**{alias: getattr(self, name) for name, alias in names if alias not in changes}, **changes)

    visit = made.descend

    def descend(self: Any, *place: Any, **more: Any) -> Any:
        _spend(1)  # also where there is nothing to be asked: an empty schema for each of many items
        return visit(self, *place, **more)

    made.evolve, made.descend = evolve, descend
    return made


@lru_cache(maxsize=16)
def _metaschema(base: Any) -> dict[str, Any]:
    """The metaschema of a draft in one piece.

    From 2019 on it comes as several vocabularies, each of which looks at every place again: six times the cost.
    """
    whole: dict[str, Any] = {**base.META_SCHEMA, "$defs": {}, "properties": dict(base.META_SCHEMA["properties"])}
    for reference in whole.pop("allOf", ()):
        part: Any = jsonschema_specifications.REGISTRY.contents(urljoin(whole["$id"], reference["$ref"]))
        whole["properties"].update(part["properties"])
        whole["$defs"].update(part.get("$defs", {}))
    if not whole["$defs"]:
        return dict(base.META_SCHEMA)
    whole.pop("$dynamicAnchor", whole.pop("$recursiveAnchor", None))
    flat: dict[str, Any] = _flattened(whole)
    return flat


def _flattened(value: Any) -> Any:
    if isinstance(value, list):
        return [_flattened(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {key: _flattened(inner) for key, inner in value.items() if key not in ("$dynamicRef", "$recursiveRef")}
    if isinstance(value.get("$dynamicRef", value.get("$recursiveRef")), str):
        made["$ref"] = "#"
    elif isinstance(reference := made.get("$ref"), str):
        made["$ref"] = "#" + reference.partition("#")[2]
    return made


def _check_references(document: Any) -> None:
    """BadRequest for a reference out of the document (nothing is ever fetched) or to a place that is not in it."""
    for reference in lost_references(document):
        raise BadRequest(
            f"The JSON Schema refers to {reference[:80]!r}, which is not in it; references are never fetched",
            f"JSON Schema 引用了不存在的 {reference[:80]!r}；引用不会从网络获取",
            code="invalid_json_schema",
        )


_ADDRESSES = ("$id", "id", "$anchor", "$dynamicAnchor", "$ref", "$dynamicRef", "$recursiveRef")


def lost_references(document: Any) -> set[str]:
    """The references that lead nowhere inside the document; BadRequest for addresses that are too long to be any."""
    references: set[str] = set()
    names: set[str] = set()
    level = [document]
    while level:
        inner = level.pop()
        if isinstance(inner, list):
            level.extend(inner)
        elif isinstance(inner, dict):
            level.extend(inner.values())
            if any(len(name) > MAX_NAME for key in _ADDRESSES if isinstance(name := inner.get(key), str)):
                raise BadRequest(
                    f"A name or a reference in the JSON Schema is longer than {MAX_NAME} characters",
                    f"JSON Schema 中的名称或引用超过 {MAX_NAME} 个字符",
                    code="invalid_json_schema",
                )
            names.update(name for key in ("$id", "$anchor") if isinstance(name := inner.get(key), str))
            if isinstance(reference := inner.get("$ref"), str):
                references.add(reference)
    return {reference for reference in references if not _resolves(document, reference, names)}


def _resolves(document: Any, reference: str, names: Collection[str]) -> bool:
    """Whether a reference leads into the document; `names` are what its `$id`s and `$anchor`s call parts of it."""
    if not reference.startswith("#"):
        return reference in names
    if not reference.startswith("#/"):
        return reference == "#" or reference[1:] in names
    place = document
    for step in reference[2:].split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and len(name) < 10 and int(name) < len(place):
            place = place[int(name)]
        else:
            return False
    return True


def _counted(keyword: Keyword, name: str) -> Keyword:
    looked_at = _LOOKED_AT.get(name)

    def count(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[jsonschema.ValidationError]:
        # What a keyword compares inside of itself is paid for as well: many names, values or patterns at once.
        steps = 1 + (len(wanted) // COMPARED_PER_STEP if isinstance(wanted, dict | list | str) else 0)
        if looked_at is not None:
            steps += looked_at(wanted, instance)
        _spend(steps)
        return keyword(validator, wanted, instance, schema) or ()

    return count


def _each_item(_: Any, instance: Any) -> int:
    return _nodes(instance) // 4 if isinstance(instance, list) else 0


def _each_alternative(wanted: Any, instance: Any) -> int:
    return _nodes(wanted) // 4 if isinstance(instance, dict | list) else 0


def _each_letter(_: Any, instance: Any) -> int:
    return len(instance) // COMPARED_PER_STEP if isinstance(instance, str) else 0


def _each_beside_each(_: Any, instance: Any) -> int:
    return len(instance) ** 2 // 256 if isinstance(instance, dict | list) else 0


_LOOKED_AT: Mapping[str, Callable[[Any, Any], int]] = {
    "uniqueItems": _each_item,
    "enum": _each_alternative,
    "const": _each_alternative,
    "pattern": _each_letter,
    "additionalProperties": lambda _, instance: len(instance) // COMPARED_PER_STEP if isinstance(instance, dict) else 0,
    "unevaluatedItems": _each_beside_each,
    "unevaluatedProperties": _each_beside_each,
}
"""Steps for what some keywords look at of a value without asking about each part of it."""


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield jsonschema.ValidationError(f"does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    if not isinstance(instance, dict):
        return
    _spend(len(patterns) * len(instance))
    for pattern, subschema in patterns.items():
        for key, value in instance.items():
            if matches(pattern, key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    _spend(len(patterns) * len(instance))
    extras = [key for key in instance if key not in known and not any(matches(p, key) for p in patterns)]
    if isinstance(allowed, dict):
        for extra in extras:
            yield from validator.descend(instance[extra], allowed, path=extra)
    elif not allowed and extras:
        yield jsonschema.ValidationError(f"has unknown properties: {', '.join(extras[:5])}")


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    if wanted and isinstance(instance, list) and len({_frozen(item) for item in instance}) < len(instance):
        yield jsonschema.ValidationError("has items that stand twice")


def _frozen(value: Any) -> Any:
    """A hashable twin under which JSON values are equal as JSON Schema says: 1 is 1.0, but not true."""
    if isinstance(value, bool) or value is None:
        return (type(value), value)
    if isinstance(value, dict):
        return (dict, frozenset((key, _frozen(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return (list, tuple(_frozen(inner) for inner in value))
    return value


def _path(steps: Iterable[str | int]) -> str:
    path = "$"
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_]\w*", step):
            path += f".{step}"
        else:
            path += f"[{orjson.dumps(step).decode()}]"
    return path


def _problem(error: jsonschema.ValidationError) -> str:
    """What is wrong, in a few words and without the value, which may be long."""
    wanted: Any = error.validator_value
    found = _kind(error.instance)
    instance: Any = error.instance
    match error.validator:
        case "type":
            kinds = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
            return f"must be of type {kinds}, not {found}"
        case "required":
            missing = [name for name in wanted if name not in instance]
            return f"lacks {', '.join(repr(name) for name in missing[:5])}"
        case "enum":
            return f"must be one of {_short(wanted)}"
        case "const":
            return f"must be {_short(wanted)}"
        case "anyOf" | "oneOf":
            return f"fits none of the allowed forms, or more than one ({found})"
        case "additionalProperties" | "pattern" | "uniqueItems":
            return error.message[:200]
        case keyword:
            return f"breaks {keyword}: {_short(wanted)}"


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 160 else text[:157] + "..."


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _nodes(value: Any) -> int:
    """How many values there are in `value`."""
    count, level = 0, [value]
    while level:
        inner = level.pop()
        count += 1
        if isinstance(inner, dict):
            level.extend(inner.values())
        elif isinstance(inner, list):
            level.extend(inner)
    return count
