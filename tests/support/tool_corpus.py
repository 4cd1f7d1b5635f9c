"""The tools, code words and corpus that tests of the tool grammar share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from gemgate.chat import Tool
from gemgate.prompting.tool_parser import Called, InvalidCall, Item, ToolParser

SENTINEL = "zq7f3k2m9xbd"
WRONG = "zq8h4n6p2rtw"
CORPUS = Path(__file__).parents[1] / "corpus" / "tool_calls"


def _tool(name: str, required: list[str], /, *, closed: bool = False, **properties: Any) -> Tool:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if closed:
        schema["additionalProperties"] = False
    return Tool(name, f"The tool {name}", schema)


STRING = {"type": "string"}
PERSON = {"type": "object", "properties": {"name": STRING, "email": STRING}, "required": ["name", "email"]}

TOOLS = (
    _tool(
        "get_weather",
        ["city"],
        city=STRING,
        unit={"enum": ["celsius", "fahrenheit"]},
        days={"type": "integer", "minimum": 1, "maximum": 14},
    ),
    _tool("list_files", []),
    _tool(
        "search_files",
        ["pattern"],
        pattern=STRING,
        path=STRING,
        max_results={"type": "integer"},
        case_sensitive={"type": "boolean"},
    ),
    _tool("write_file", ["path", "content"], closed=True, path=STRING, content=STRING),
    _tool(
        "run_command",
        ["command"],
        command=STRING,
        timeout_s={"type": "number"},
        env={"type": "object", "additionalProperties": STRING},
    ),
    _tool(
        "create_event",
        ["title", "start"],
        title=STRING,
        start=STRING,
        attendees={"type": "array", "items": PERSON},
        reminder={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ),
    _tool("translate", ["text", "target"], text=STRING, target=STRING),
    _tool("math.evaluate", ["expression"], expression=STRING),
    _tool(
        "send-mail",
        ["to", "subject"],
        to={"type": "string", "pattern": "^[^@]+@[^@]+$"},
        subject={"type": "string", "minLength": 1},
    ),
    _tool("_ping", ["host"], host=STRING),
    _tool("echo", [], input={}, name=STRING),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer of a model and what shall come of it."""

    id: str
    note: str
    output: str
    expect: tuple[Any, ...]
    allowed: tuple[str, ...]


def filled(value: Any, word: str = SENTINEL) -> Any:
    """`%S%` is the right code word, `%W%` a wrong one, `%U%` the right one in capitals, `%5%` its first letters."""
    if isinstance(value, str):
        for mark, meant in (("%S%", word), ("%W%", WRONG), ("%U%", word.upper()), ("%5%", word[:5])):
            value = value.replace(mark, meant)
        return value
    if isinstance(value, list):
        return [filled(inner, word) for inner in value]
    if isinstance(value, dict):
        return {key: filled(inner, word) for key, inner in value.items()}
    return value


def corpus(word: str = SENTINEL) -> list[Entry]:
    """All entries, with `word` as the code word."""
    entries = []
    for path in sorted(CORPUS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = filled(json.loads(line), word)
            expect, allowed = tuple(row["expect"]), tuple(row.get("allowed", ()))
            entries.append(Entry(row["id"], row["note"], row["output"], expect, allowed))
    return entries


def parsed(entry: Entry, cuts: tuple[int, ...] = ()) -> list[Item]:
    """What the parser makes of an entry that arrives in pieces, neighbouring texts joined."""
    parser = ToolParser(TOOLS, SENTINEL, allowed=entry.allowed)
    edges = (0, *cuts, len(entry.output))
    items: list[Item] = []
    for start, end in pairwise(edges):
        items += parser.feed(entry.output[start:end])
    return joined(items + parser.finish())


def joined(items: list[Item]) -> list[Item]:
    made: list[Item] = []
    for item in items:
        if isinstance(item, str) and made and isinstance(made[-1], str):
            made[-1] += item
        else:
            made.append(item)
    return made


def shown(items: list[Item]) -> list[Any]:
    """Items in the form in which the corpus expects them."""
    rows: list[Any] = []
    for item in items:
        match item:
            case str():
                rows.append(item)
            case Called(name, arguments):
                rows.append({"call": name, "arguments": json.loads(arguments)})
            case InvalidCall(name, reason):
                rows.append({"broken": name, "because": reason})
    return rows


def fits(found: list[Any], expect: tuple[Any, ...]) -> bool:
    """Whether these items are the expected ones; a reason only has to hold the expected words."""
    if len(found) != len(expect):
        return False
    for have, want in zip(found, expect, strict=True):
        if isinstance(want, dict) and "broken" in want:
            if (
                not isinstance(have, dict)
                or have.get("broken") != want["broken"]
                or want["because"] not in have["because"]
            ):
                return False
        elif have != want or type(have) is not type(want):
            return False
    return True
