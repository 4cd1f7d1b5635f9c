"""Cursors of an account's chats: each comes back as it went out, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.errors import BadRequest
from gemgate.policy.history_place import Place, read_cursor

SHELVES = st.sampled_from(["pinned", "rest", "found"])


@given(st.text(max_size=60), SHELVES, st.text(max_size=300), st.integers(0, 1000))
def test_a_cursor_comes_back_as_it_went_out(account: str, shelf: str, token: str, skip: int) -> None:
    place = Place(account, shelf, token, skip)  # type: ignore[arg-type]
    assert read_cursor(place.cursor) == place


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(lambda data: data.decode("latin-1"))))
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(BadRequest):
        read_cursor(text)


def test_none_is_the_beginning() -> None:
    assert read_cursor("") is None


@given(SHELVES, st.text(max_size=20))
def test_an_account_ends(shelf: str, token: str) -> None:
    place: Place | None = Place("a", shelf, token)  # type: ignore[arg-type]
    for _ in range(2):
        place = place.following("") if place else None
    assert place is None
