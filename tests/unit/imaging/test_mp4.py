"""The reader of MP4 headers: measures what the simulator writes, and never believes a file that is cut or damaged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemgate.imaging import mp4
from gemgate_simulator.mp4 import Movie

MOVIES = st.builds(
    Movie,
    st.integers(1, 8192),
    st.integers(1, 8192),
    st.floats(0.1, 600).map(lambda seconds: round(seconds, 2)),
    st.integers(0, 3000),
    st.sampled_from(["avc1", "hvc1", "av01", "vp09"]),
    st.booleans(),
)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda at, count: data[at : at + count]


def measured(data: bytes) -> mp4.Movie:
    return mp4.measure(reader(data), len(data))


@given(MOVIES)
def test_what_was_written_is_measured(movie: Movie) -> None:
    data = movie.data()
    assert len(data) == movie.size
    assert measured(data) == mp4.Movie("mp4", movie.codec, movie.width, movie.height, movie.seconds, len(data))


@given(MOVIES, st.data())
def test_a_file_that_is_cut_anywhere_is_damaged(movie: Movie, data: st.DataObject) -> None:
    whole = movie.data()
    with pytest.raises(mp4.DamagedMovie):
        measured(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(MOVIES, st.binary(max_size=200), st.binary(max_size=50))
def test_a_file_is_found_inside_of_what_it_came_in(movie: Movie, head: bytes, tail: bytes) -> None:
    whole = movie.data()
    wrapped = head.replace(b"ftyp", b"") + whole + b"\x1a" + tail
    begin = mp4.begin(reader(wrapped))
    assert begin is not None
    if wrapped.find(b"ftyp") == begin + 4 == len(head.replace(b"ftyp", b"")) + 4:
        assert mp4.length(reader(wrapped), begin, len(wrapped)) >= len(whole)


@settings(max_examples=300)
@given(st.binary(max_size=600))
def test_bytes_at_random_end_in_a_word(data: bytes) -> None:
    mp4.begin(reader(data))
    mp4.length(reader(data), 0, len(data))
    with pytest.raises(mp4.DamagedMovie):
        measured(data)


@settings(max_examples=300)
@given(MOVIES, st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), max_size=8))
def test_a_file_with_wrong_bytes_is_measured_or_damaged(movie: Movie, changes: list[tuple[int, int]]) -> None:
    data = bytearray(movie.data())
    for place, value in changes:
        if place < len(data):
            data[place] = value
    try:
        found = measured(bytes(data))
    except mp4.DamagedMovie:
        return
    assert (found.width > 0) == (found.height > 0)  # neither where no track of pictures is left
    assert found.seconds >= 0
    assert found.codec.isascii()


def test_only_the_heads_of_a_long_file_are_read() -> None:
    movie = Movie(nbytes=50_000_000, last=True)
    data, read = movie.data(), []

    def at(start: int, count: int) -> bytes:
        read.append(count)
        return data[start : start + count]

    mp4.measure(at, len(data))
    assert sum(read) < 5_000
