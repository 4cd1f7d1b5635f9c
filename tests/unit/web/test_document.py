"""The OpenAPI document: every operation says what it answers, and what the dialects write is what it says.

Real answers of every operation are judged in `tests/docs/test_examples.py`.
"""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.support.conforming import DOCUMENT, content, flaw
from typing_extensions import is_typeddict

from gemgate.dialects import shapes, table, wire
from gemgate.dialects.rows import SSE, Act, Dialect
from gemgate.errors import GatewayError

GOLDEN = Path(__file__).parents[2] / "golden"
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            yield f"{method.upper()} {path}", told


def references(thing: Any) -> Iterator[str]:
    if isinstance(thing, dict):
        if isinstance(thing.get("$ref"), str):
            yield thing["$ref"]
        thing = list(thing.values())
    if isinstance(thing, list):
        for one in thing:
            yield from references(one)


def test_every_answer_has_a_shape() -> None:
    for name, told in operations():
        for status, answer in told["responses"].items():
            kinds = content(answer)
            if status in ("304", "416"):  # of what is there already, and of what is not
                assert not kinds, (name, status)
                continue
            assert kinds or name == "POST /mcp", (name, status)
            assert all(one["schema"] for kind, one in kinds.items() if kind != "text/event-stream"), (name, status)
            assert status < "300" or set(kinds) == {"application/json"}, (name, status)


def test_event_streams_and_files_are_told_as_such() -> None:
    kinds = {
        name: set(content(next(one for status, one in told["responses"].items() if status < "300")))
        for name, told in operations()
    }
    assert kinds["GET /v1/batch/{batch_id}/events"] == {SSE}
    assert kinds["GET /v1/music/{music_id}/content"] == {"audio/mpeg", "video/mp4"}
    assert kinds["GET /api/gallery/{id}/thumb"] == {"image/webp"}
    streamed = {name for name, told in kinds.items() if SSE in told}
    chats = {f"{row.method} {row.path}" for row in table.operations() if row.act is Act.CHAT and row.writer}
    spoken = {"POST /v1/audio/translations"}  # has no `stream`
    assert {name.replace("{model:path}", "{model}") for name in chats} & set(kinds) - streamed == spoken


def test_schemas_are_valid_and_have_short_names_and_what_they_refer_to_is_there() -> None:
    for name, schema in SCHEMAS.items():
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)
        assert "title" not in schema
        Draft202012Validator.check_schema(schema)
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_two_schemas_of_one_name_have_their_dialect_in_front() -> None:
    assert {"GeminiToolBody", "AnthropicToolBody", "MessageBody"} <= set(SCHEMAS)


def test_every_shape_is_the_answer_of_something() -> None:
    modules = [import_module(f"{shapes.__name__}.{found.name}") for found in pkgutil.iter_modules(shapes.__path__)]
    own = {
        name
        for module in modules
        for name, shape in vars(module).items()
        if is_typeddict(shape) and shape.__module__ == module.__name__
    }
    bases = {name for module in modules for name in re.findall(r"class \w+\((\w+)\)", inspect.getsource(module))}
    assert own - set(SCHEMAS) - bases == set()


@pytest.mark.parametrize("dialect", table.ALL, ids=lambda one: one.name)
def test_what_a_dialect_writes_is_what_the_document_says(dialect: Dialect) -> None:
    name = next(row.name for row in dialect.operations if row.documented)
    for kind in _kinds(GatewayError):
        error = kind("No", "不行", param="model", code="some_code", retry_after=90.0)
        status, body = dialect.error_body(error, "en", "req_1")
        assert status == 405 or flaw(name, status, "application/json", wire.dumps(body)) == ""
    for path in (GOLDEN / dialect.name).glob("*.json"):
        assert flaw(name, 200, "application/json", path.read_bytes()) == "", path


def test_an_answer_that_does_not_fit_is_noticed() -> None:
    answer = json.loads((GOLDEN / "simple" / "text.json").read_text("utf-8"))
    assert flaw("generate", 200, "application/json", wire.dumps({**answer, "text": 1}))
    assert flaw("generate", 200, "application/json", wire.dumps({"text": "x"}))
    assert flaw("generate", 200, "text/plain", b"x")
    assert flaw("generate", 418, "application/json", b"{}")


def _kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for one in kind.__subclasses__():
        if one.__module__ == "gemgate.errors":
            yield one
            yield from _kinds(one)


def test_a_wrong_method_is_said_once_for_all_paths() -> None:
    """It is no operation's answer, so it stands in none."""
    assert "405" in DOCUMENT["info"]["description"]
    operations = [one for path in DOCUMENT["paths"].values() for one in path.values() if "responses" in one]
    assert operations
    assert not any("405" in one["responses"] for one in operations)
