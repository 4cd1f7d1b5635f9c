"""JSON as models write it: read what has one meaning, refuse the rest with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.prompting.loose_json import Unreadable, dump, read_value

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 3))
@settings(max_examples=400)
def test_strict_json_is_read_exactly(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_value(text + " tail") == (value, len(text))
    assert json.loads(dump(value)) == value


@given(value=st.dictionaries(TEXT, VALUES, max_size=4), data=st.data())
@settings(max_examples=400)
def test_json_that_is_cut_is_never_read_as_if_it_were_whole(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = data.draw(st.integers(1, max(1, len(text) - 1)))
    if cut < len(text):
        with pytest.raises(Unreadable):
            read_value(text[:cut], complete=False)


@given(text=st.text(alphabet="{}[]\"':,\\ \n`abc123.-“”：，#/*&;=()", max_size=60), complete=st.booleans())
@settings(max_examples=1500)
def test_any_text_is_read_or_refused_with_a_reason(text: str, complete: bool) -> None:
    reason = ""
    try:
        value, end = read_value(text, complete=complete)
    except Unreadable as unreadable:
        reason = str(unreadable)
    else:
        assert 0 < end <= len(text)
        reason = dump(value)
        json.loads(reason)
    assert 0 < len(reason) < 200


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000, '{"a": 1e400}', '"\\ud83d', "'"])
def test_what_would_break_a_reader_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_value(text)


def test_lone_surrogates_are_replaced_before_anything_encodes_them() -> None:
    value, _ = read_value('{"a": "x\\ud800y", "b": "\\ud83d\\ude80"}')
    assert json.loads(dump(value)) == {"a": "x\ufffdy", "b": "🚀"}
    dump(value).encode()
