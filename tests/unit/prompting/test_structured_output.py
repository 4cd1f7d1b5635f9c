"""Finding the JSON in what a model wrote, and saying what is wrong with it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.chat import ResponseFormat
from gemgate.prompting import structured_output as so

ANY = ResponseFormat("json_schema", {})
OBJECT = ResponseFormat("json_object")
NUMBER = ResponseFormat("json_schema", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})

CASES: list[tuple[str, ResponseFormat, str]] = [
    ('{"n": 1}', NUMBER, '{"n": 1}'),
    ('  \n{"n": 1}\n ', NUMBER, '{"n": 1}'),
    ('```json\n{"n": 1}\n```', NUMBER, '{"n": 1}'),
    ('```\n{"n": 1}\n```\n', NUMBER, '{"n": 1}'),
    ('Sure! Here it is:\n\n```json\n{"n": 1}\n```\n\nLet me know.', NUMBER, '{"n": 1}'),
    ('Sure: {"n": 1}. Anything else?', NUMBER, '{"n": 1}'),
    ('当然，结果如下：\n```json\n{"n": 1}\n```\n希望有帮助。', NUMBER, '{"n": 1}'),
    ('For example {"m": 0}. The answer is {"n": 1}.', NUMBER, '{"n": 1}'),
    ('First draft:\n```json\n{"n": 1}\n```\nFinal:\n```json\n{"n": 2}\n```', NUMBER, '{"n": 2}'),
    ('```json\n{"n": 1,}\n```', NUMBER, '{"n":1}'),
    ("```json\n{'n': 1}\n```", NUMBER, '{"n":1}'),
    ('{"n": "1"}', NUMBER, '{"n":1}'),
    ('```json\n{"n": 1}', NUMBER, '{"n": 1}'),
    ("{“n”：1}", NUMBER, '{"n":1}'),
    ('\\{"n": 1\\}', NUMBER, '{"n":1}'),
    ("{&quot;n&quot;: 1}", NUMBER, '{"n":1}'),
    ("[1, 2, 3]", ANY, "[1, 2, 3]"),
    ("The list: [1, 2, 3]", ANY, "[1, 2, 3]"),
    ('"text"', ANY, '"text"'),
    ("42", ANY, "42"),
    ("```json\ntrue\n```", ANY, "true"),
    ('{"a": 123456789012345678901234567890}', ANY, '{"a": 123456789012345678901234567890}'),
    ('{"s": "```json\\n{}\\n```"}', OBJECT, '{"s": "```json\\n{}\\n```"}'),
    ('{"a": {"b": [1, {"c": "}"}]}}', OBJECT, '{"a": {"b": [1, {"c": "}"}]}}'),
    ('The set {1, 2} is small: {"n": 3}', NUMBER, '{"n": 3}'),
]


@pytest.mark.parametrize(("answer", "wanted", "text"), CASES)
def test_only_the_json_is_taken(answer: str, wanted: ResponseFormat, text: str) -> None:
    found = so.find(answer, wanted)
    assert found is not None
    assert found == so.Found(text)
    json.loads(found.text)


@pytest.mark.parametrize(
    "answer", ["", "I cannot.", "No braces here", "{", '{"n": 1', "42", "```json\n```", "{unclear"]
)
def test_no_json_object_is_none(answer: str) -> None:
    assert so.find(answer, OBJECT) is None


@pytest.mark.parametrize(
    ("answer", "flaw"),
    [
        ("{}", "$ lacks 'n'"),
        ('{"n": "x"}', "$.n must be of type integer, not string"),
        ("[]", "$ must be of type object, not array"),
        ('{"n": 1.5}', "$.n must be of type integer, not number"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(answer: str, flaw: str) -> None:
    found = so.find(answer, NUMBER)
    assert found is not None
    assert found.flaw == flaw
    assert flaw in so.repair_prompt(found, NUMBER)


def test_an_object_is_wanted_for_json_object() -> None:
    found = so.find("[1]", OBJECT)
    assert found is not None
    assert "object" in found.flaw


def test_lone_surrogates_do_not_get_out() -> None:
    found = so.find('{"a": "\\ud800"}', OBJECT)
    assert found is not None
    found.text.encode()
    assert json.loads(found.text) == {"a": "\ufffd"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PROSE = st.text(alphabet="abc äß北京，。 \n.!?", max_size=40)


@given(value=st.dictionaries(st.text(max_size=8), VALUES, max_size=4), before=PROSE, after=PROSE, fenced=st.booleans())
@settings(max_examples=400)
def test_json_survives_fences_and_chatter(value: Any, before: str, after: str, fenced: bool) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    answer = f"{before}\n```json\n{text}\n```\n{after}" if fenced else f"{before}\n{text}\n{after}"
    found = so.find(answer, OBJECT)
    assert found is not None
    assert json.loads(found.text) == value


@pytest.mark.parametrize(
    "answer", ["{" * 200_000, "[" * 200_000, '{"a":' * 50_000, "```\n" * 50_000, '{"a":1}' * 30_000]
)
def test_hostile_answers_are_bounded(answer: str) -> None:
    began = time.process_time()
    so.find(answer, NUMBER)
    assert time.process_time() - began < 5


def test_the_instructions_name_the_schema_and_text_needs_none() -> None:
    assert so.instructions(ResponseFormat()) == ""
    assert "one JSON object" in so.instructions(OBJECT)
    assert '{"type":"object"' in so.instructions(NUMBER)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("hawk moth", "hawk moth"),
        (' "hawk moth"\n', "hawk moth"),
        ("**clothes moth**.", "clothes moth"),
        ('```json\n"clothes moth"\n```', "clothes moth"),
        ("It is a hawk moth, I think.", None),
        ("", None),
    ],
)
def test_a_bare_word_is_found_with_and_without_its_quotes(answer: str, word: str | None) -> None:
    words = {"type": "string", "enum": ["hawk moth", "clothes moth"]}
    assert so.bare_word(answer, ResponseFormat("json_schema", words, "answer", strict=True, bare=True)) == word
