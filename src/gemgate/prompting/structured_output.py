"""Answers in JSON: how they are asked for, found in what the model wrote, checked, and asked for once more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from gemgate.chat import ResponseFormat
from gemgate.frozen import frozen
from gemgate.prompting.loose_json import Unreadable, dump, read_value
from gemgate.prompting.schemas import compiled

CANDIDATES = 32
"""Places of an answer at which JSON may begin that are looked at; a real answer has it at the first or second."""


@frozen
class Found:
    """JSON of an answer. `flaw` is what the schema has against it, "" when nothing; `text` is what a client gets."""

    text: str
    flaw: str = ""


def instructions(wanted: ResponseFormat, *, beside_tools: bool = False) -> str:
    """What the model is told about the form of its answer. "" for plain text."""
    if wanted.kind == "text":
        return ""
    opening = "# Form of the answer\n\n" + ("When you answer without a function call, a" if beside_tools else "A")
    if wanted.kind == "json_object":
        return (
            f"{opening}nswer with one JSON object and nothing else: no sentence before or after it. "
            "Put it into one ```json code block."
        )
    return (
        f"{opening}nswer with one JSON value that fits this JSON Schema, and nothing else: no sentence before or after "
        "it, no key that the schema does not name. Put it into one ```json code block.\n\n"
        f"JSON Schema: {dump(dict(wanted.schema or {}))}"
    )


def find(answer: str, wanted: ResponseFormat) -> Found | None:
    """The JSON in an answer: the longest that fits, else the longest there is; None when there is none.

    Fences and chatter round it are left out, slips with one reading are mended.
    """
    best: tuple[bool, int, Found] | None = None
    for value, size, exact in _candidates(answer, wanted):
        found = _checked(value, exact, wanted)
        rank = (not found.flaw, size, found)
        if best is None or rank[:2] >= best[:2]:
            best = rank
    return best[2] if best else None


def bare_word(answer: str, wanted: ResponseFormat) -> str | None:
    """The one word of the schema's enum that an answer is, quoted or not; None when it is none of them."""
    words = (wanted.schema or {}).get("enum", ())
    whole = answer.strip()
    found = find(answer, wanted)
    read = orjson.loads(found.text) if found is not None and not found.flaw else None
    return next((text for text in (whole, whole.strip("`\"'*."), read) if text in words), None)


def _checked(value: Any, exact: str | None, wanted: ResponseFormat) -> Found:
    if wanted.kind == "json_object":
        return Found(exact or dump(value), "" if isinstance(value, dict) else "$ must be a JSON object")
    before = dump(value)
    mended, flaw = compiled(wanted.schema or {}).settle(value)
    after = dump(mended)
    return Found(exact if exact is not None and after == before else after, str(flaw) if flaw else "")


_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_OPENS = re.compile(r"[{\[\uff5b\uff3b]")
_SCALAR = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)\s*', re.DOTALL)


def _candidates(answer: str, wanted: ResponseFormat) -> Iterator[tuple[Any, int, str | None]]:
    """JSON values of the answer with their length, and their own text where it is strict JSON already.

    The whole answer, then what stands in code blocks, then whatever opens a bracket in the text.
    """
    whole = answer.strip()
    tried = 0
    for text in (whole, *(match.group(2).strip() for match in _FENCED.finditer(answer))):
        tried += 1
        if (read := _read(text, wanted)) is not None:
            yield read
        if tried > CANDIDATES:
            return
    at = 0
    while (match := _OPENS.search(whole, at)) and tried <= CANDIDATES:
        tried += 1
        at = match.end()
        try:
            value, end = read_value(whole, match.start(), complete=False)
        except Unreadable:
            continue
        at = max(at, end)
        yield value, end - match.start(), _strict(whole[match.start() : end])


def _read(text: str, wanted: ResponseFormat) -> tuple[Any, int, str | None] | None:
    """A text that is one JSON value from end to end. Bare scalars count only where a schema may want them."""
    if not text or (text[0] not in "{[\uff5b\uff3b" and (wanted.kind == "json_object" or not _SCALAR.fullmatch(text))):
        return None
    try:
        value, end = read_value(text, complete=False)
    except Unreadable:
        return None
    return None if text[end:].strip() else (value, len(text), _strict(text))


def _strict(text: str) -> str | None:
    """The text itself when it is strict JSON that any encoder takes, so that numbers and layout stay the model's."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return text


def repair_prompt(found: Found | None, wanted: ResponseFormat) -> str:
    """What the model is told once when its answer is not the JSON that was asked for."""
    problem = f"it does not fit the schema: {found.flaw}" if found else "it holds no readable JSON"
    return (
        f"Your last answer cannot be used: {problem}.\n\nWrite the whole answer again as one corrected JSON value in "
        f"one ```json code block, and nothing else.\n\n{instructions(wanted)}"
    )
