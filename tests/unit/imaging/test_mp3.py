"""MP3 files by their frames: their facts, and whether all of them is there."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemgate.imaging import media_files, mp3
from gemgate.imaging.mp4 import Reader
from gemgate_simulator.mp3 import Recording
from gemgate_simulator.mp4 import Movie
from tests.support import audio_files as made


def reader(data: bytes) -> Reader:
    return lambda at, count: data[at : at + count]


def measured(data: bytes) -> mp3.Sound:
    return mp3.measure(reader(data), len(data))


@pytest.mark.parametrize("head", [b"", made.id3(), made.id3(90_000 % 16_000)])
@pytest.mark.parametrize("tail", [b"", b"TAG" + bytes(125), b"APETAGEX" + bytes(500), bytes(64)])
def test_the_frames_are_counted(head: bytes, tail: bytes) -> None:
    sound = measured(made.mp3(200, head=head, tail=tail))
    assert (sound.sample_rate, sound.channels) == (44_100, 2)
    assert sound.seconds == round(200 * 1152 / 44_100, 3)


def test_a_frame_that_only_counts_the_others_is_no_sound() -> None:
    counting = made.xing()[:36] + b"Xing\0\0\0\x01" + (200).to_bytes(4, "big")
    counting = counting.ljust(417, b"\0")
    assert measured(counting + made.mp3(200)).seconds == round(200 * 1152 / 44_100, 3)
    with pytest.raises(mp3.DamagedSound):
        measured(counting + made.mp3(150))  # cut between two frames


@given(st.integers(1, 400 * 417 - 1))
def test_a_cut_file_is_never_whole_unless_the_cut_is_between_frames(at: int) -> None:
    whole = made.mp3(400)
    if at % 417 == 0:
        assert measured(whole[:at]).nbytes == at
    else:
        with pytest.raises(mp3.DamagedSound):
            measured(whole[:at])


@given(st.binary(max_size=3_000))
def test_what_is_no_mp3_file_is_told_so_or_measured(data: bytes) -> None:
    try:
        media_files.measure(reader(data), len(data))
    except media_files.DamagedMedia:
        return


@given(st.integers(0, 2_000), st.integers(0, 2**32), st.sampled_from(["mp3", "mp4"]), st.integers(0, 200))
def test_a_file_is_found_inside_of_an_envelope(before: int, seed: int, kind: str, behind: int) -> None:
    noise = random.Random(seed).randbytes(before).replace(b"\xff", b"\0").replace(b"ID3", b"xxx")
    noise = noise.replace(b"ftyp", b"xxxx")
    inside = Recording(2.0).data() if kind == "mp3" else Movie(seconds=2).data()
    data = noise + inside + b"\x1a" + bytes(behind)
    found = media_files.find(reader(data))
    assert found == (kind, len(noise))
    length = media_files.length(reader(data), found[0], found[1], len(data))
    assert data[len(noise) : len(noise) + length] == inside
    facts = media_files.measure(reader(inside), len(inside))
    assert (facts.container, facts.nbytes) == (kind, len(inside))


def test_a_film_without_pictures_is_sound() -> None:
    film = Movie(seconds=3).data()
    start = film.index(b"vide")
    facts = media_files.measure(reader(film[:start] + b"soun" + film[start + 4 :]), len(film))
    assert (facts.mime, facts.width, facts.seconds) == ("audio/mp4", 0, 3.0)
