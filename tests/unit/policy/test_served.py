"""What a model's name says of it, and whether it is the one that was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.policy.model_rank import Rank, fits, is_painter, named, rank


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3.1 Pro", Rank("pro")),
        ("3 Pro", Rank("pro")),
        ("gemini-pro", Rank("pro")),
        ("gemini-3.0-pro", Rank("pro")),
        ("3.6 Flash", Rank("flash")),
        ("Fast", Rank("flash")),
        ("3.5 Flash-Lite", Rank("lite")),
        ("3.1 Flash Lite", Rank("lite")),
        ("gemini-flash-lite", Rank("lite")),
        ("3 Flash Thinking", Rank("flash", thinking=True)),
        ("3.1 Pro Extended", Rank("pro", extended=True)),
        ("3.6 Flash Extended", Rank("flash", extended=True)),
        ("Nano Banana", Rank("flash", painter=True)),
        ("Nano Banana 2", Rank("flash", painter=True)),
        ("Nano Banana Pro", Rank("pro", painter=True)),
        ("gemini-2.5-flash-image", Rank("flash", painter=True)),
        ("gemini-3-pro-image-preview", Rank("pro", painter=True)),
        ("Veo 3.1", None),
        ("approximate", None),
        ("", None),
    ],
)
def test_names_tell_their_rank(name: str, expected: Rank | None) -> None:
    assert rank(name) == expected
    assert is_painter(name) is (expected is not None and expected.painter)


@pytest.mark.parametrize(
    ("asked", "served", "expected"),
    [
        ("gemini-pro", "3.1 Pro", True),
        ("gemini-pro", "4 Pro Extended", True),
        ("gemini-pro", "3.6 Flash", False),
        ("gemini-pro", "3.5 Flash-Lite", False),
        ("gemini-flash", "3.5 Flash-Lite", False),
        ("gemini-flash", "3.1 Pro", False),
        ("gemini-flash", "3 Flash Thinking", True),
        ("gemini-flash-thinking", "3 Flash", False),
        ("gemini-pro", "Something New", None),
        ("gemini-pro", "", None),
        ("something-new", "3.1 Pro", None),
        ("gemini-flash", "Nano Banana 2", None),
        ("pro image", "Nano Banana 2", False),
        ("pro image", "Nano Banana Pro", True),
        ("flash image", "Nano Banana 2", True),
    ],
)
def test_families_are_compared_and_numbers_are_not(asked: str, served: str, expected: bool | None) -> None:
    assert fits(asked, served) is expected


_FAMILIES = st.sampled_from(["Pro", "Flash", "Flash-Lite", "Flash Lite"])
_NUMBERS = st.sampled_from(["", "3 ", "3.1 ", "12.75 "])


@given(family=_FAMILIES, one=_NUMBERS, other=_NUMBERS, end=st.sampled_from(["", " Extended", " Preview"]))
def test_a_new_number_is_still_the_same_model(family: str, one: str, other: str, end: str) -> None:
    assert fits(f"{one}{family}", f"{other}{family}{end}") is True


@given(st.text(max_size=200))
def test_any_name_can_stand_in_a_header(name: str) -> None:
    line = named(name)
    assert line
    assert len(line) <= 60
    assert line.isascii()
    assert line.isprintable()
    assert rank(name) is None or rank(name) == rank(name.upper())
