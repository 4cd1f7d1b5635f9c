"""Things of other services as words, and fields that nobody reads by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.dialects import history, wire
from gemgate.errors import BadRequest
from gemgate.files import Inline, Link


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ({"type": "radar_call", "id": "r1", "query": "boats"}, '[radar_call] {"query":"boats"}'),
        ({"type": "thinking", "thinking": "so", "signature": "EqQB"}, "[thinking] so"),
        ({"type": "compaction", "encrypted_content": "gAAA"}, None),
        ({"type": "tool_reference", "tool_name": "Fetch"}, "[tool_reference] Fetch"),
        ({"type": "shot", "image": "A" * 600}, None),
        ({"type": "shot", "image": "data:image/png;base64," + "A" * 600, "of": "door"}, '[shot] {"of":"door"}'),
        ({"type": "found", "content": [{"type": "hit", "title": "T"}]}, '[found] [{"title":"T"}]'),
        ({"type": None}, None),
        ({"count": 0}, '{"count":0}'),
    ],
)
def test_a_foreign_thing_says_what_can_be_read_of_it(thing: dict[str, Any], words: str | None) -> None:
    text = history.text_of(thing)
    assert (text.text if text else None) == words


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ({"path": "/b"}, '{"path":"/b"}'),
        (None, "{}"),
        ("", "{}"),
        ("null", "{}"),
        ([], "{}"),
        ("[]", "{}"),
        ({}, "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ("ls -la", "ls -la"),
        ('"ls"', '"ls"'),
        (["x"], '["x"]'),
    ],
)
def test_arguments_are_read_in_every_form(kept: object, text: str) -> None:
    assert history.arguments_of(kept) == text


def test_what_a_tool_gave_back_is_told_whatever_its_form() -> None:
    assert history.words_of(["a", "b"]) == "a\nb"
    assert history.words_of({"ok": True}) == '{"ok":true}'
    assert history.words_of([{"a": 1}]) == '[{"a":1}]'
    assert history.words_of(None) == ""
    assert history.id_of(7) == "7"
    assert history.id_of(None) == ""


def test_the_last_turn_is_what_stands_behind_the_model() -> None:
    assert history.last_turn(["user", "assistant", "tool", "user"]) == 2
    assert history.last_turn(["user"]) == 0
    assert history.last_turn(["user", "model"]) == 2


class _Asked(wire.Wishes):
    temperature: float | None = None


def test_unknown_wishes_are_named_and_empty_ones_are_none() -> None:
    body = _Asked.model_validate(
        {
            "temperature": 1,
            "steps": 4,
            "mood": "auto",
            "user": "u",
            "tone": None,
            "x\r\ny: z": 1,
            "size": "",
            "on": False,
        }
    )
    assert wire.ignored(body, "temperature") == ("temperature", "steps", "x__y__z", "on")
    assert wire.ignored(body, prefix="config.") == ("config.steps", "config.x__y__z", "config.on")


@given(st.dictionaries(st.text(min_size=1), st.integers(), max_size=60))
def test_a_header_of_ignored_names_is_always_a_header(fields: dict[str, int]) -> None:
    names = ", ".join(wire.ignored(_Asked.model_validate(fields)))
    assert names.isascii()
    assert names.isprintable()
    assert len(names) < 4000


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb'"a\ud83d b"', "a\ufffd b"),
        (rb'"\ude00"', "\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d \ud83d\\"', "\\ud83d \ufffd\\"),
        (rb'"\ud83d\u0041"', "\ufffdA"),
    ],
)
def test_half_of_a_pair_is_the_replacement_character(text: bytes, read: str) -> None:
    assert wire.load_json(text) == read


@given(st.text(alphabet=st.sampled_from('\\u"d8e0Aé\U0001f600\n')))
def test_whole_texts_are_read_as_they_are(text: str) -> None:
    both = orjson.dumps([text])[:-1] + rb',"\ud800"]'
    assert wire.load_json(both) == [text, "\ufffd"]


def test_a_image_is_read_from_its_bare_base64_and_from_odd_data_urls() -> None:
    png = "iVBORw0KGgoAAAAN"
    for url in (png, f"data:image/png;name=my%20cat.png;base64,{png}", f'data:image/png;name="a b";base64,{png}'):
        source = wire.source_of_url(url, "url")
        assert isinstance(source, Inline)
        assert (source.mime, source.data[:4]) == ("image/png", b"\x89PNG")
    assert wire.source_of_url("HTTPS://Example.org/A.png", "url") == Link("https://Example.org/A.png")
    with pytest.raises(BadRequest):
        wire.source_of_url("bm90IGEgcGljdHVyZQ==", "url")
    with pytest.raises(BadRequest):
        wire.source_of_url("data:image/svg+xml;utf8,<svg/>", "url")
