"""The simulator's videos are strict: one at a time, and their files only for the account, by the whole address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gemgate_simulator.accounts import STRANGER, Caller
from gemgate_simulator.exchange import Request
from gemgate_simulator.films import (
    CARD,
    COMPOSING,
    HOST,
    NO_ACCESS,
    NO_MUSIC,
    SECOND_HOST,
    SONG_CARD,
    STARTED,
    Film,
    Films,
    aspect_of,
    song_of,
)
from gemgate_simulator.google import Google
from gemgate_simulator.script import Prompt

ASKED = Prompt("a fox", "alice", "gemini-flash", cid="c_1")
WHOLE = "filename=video.mp4&opi=103135050&authuser=0"


def caller(google: Google, name: str) -> Caller:
    return google.world.accounts.caller(tuple(google.cookies(name).items()), 0)


def made(films: Films, prompt: Prompt = ASKED) -> Film:
    answer, film, rule = films.ordered(prompt, "16:9", "pro")
    assert film is not None
    assert (answer.text, rule) == (STARTED, "")
    return film


def test_the_card_stands_there_after_so_many_looks() -> None:
    films = Films()
    films.studio.looks = 2
    film = made(films)
    assert film.card() == {}
    film.looked()
    assert film.card() == {}
    film.looked()
    assert list(film.card()) == [CARD]


def test_asking_again_while_one_is_made_breaks_a_rule() -> None:
    films = Films()
    film = made(films)
    assert films.ordered(ASKED, "16:9", "pro")[2]
    assert films.ordered(replace(ASKED, cid="c_2"), "16:9", "pro")[2]
    assert films.ordered(replace(ASKED, text="faster"), "16:9", "pro")[2]
    assert not films.ordered(replace(ASKED, text="a dog", cid="c_3"), "16:9", "pro")[2]
    for one in films.made.values():
        one.looked()
    assert film.is_ready
    assert not films.ordered(replace(ASKED, text="faster"), "16:9", "pro")[2]


def test_who_has_no_access_is_told_in_words() -> None:
    answer, film, rule = Films().ordered(ASKED, "16:9", "free")
    assert (answer.text, film, rule) == (NO_ACCESS, None, "")


@pytest.mark.parametrize(
    ("who", "query", "status", "wrong"),
    [
        ("alice", WHOLE, 302, False),
        ("bob", WHOLE, 403, False),
        ("", WHOLE, 403, False),
        ("alice", "filename=video.mp4&opi=103135050", 403, True),
        ("alice", "authuser=0", 403, True),
    ],
)
def test_a_file_wants_its_accounts_cookies_and_the_whole_address(
    who: str, query: str, status: int, wrong: bool
) -> None:
    google = Google(("alice", "bob"))
    film = made(google.world.films)
    asker = caller(google, who) if who else STRANGER
    for host in (HOST, SECOND_HOST):
        request = Request("GET", host, f"/download?c={film.key}&{query}", {}, "1.1", 1, 0)
        response, rule = google.world.films.respond(request, asker)
        assert response.status == (200 if status == 302 and host == SECOND_HOST else status)
        assert bool(rule) is wrong


@pytest.mark.parametrize(
    ("shape", "mode", "aspect"),
    [
        ([[[None, None, None, 1]]], [[16]], "16:9"),
        ([[[None, None, None, 2]]], [[17]], "9:16"),
        ([[[None, None, None, 1]]], [[17]], ""),
        ([[[None, None, None, 3]]], [[18]], ""),
        ([[[1]]], [[16]], ""),
    ],
)
def test_the_shape_stands_in_two_places_that_agree(shape: Any, mode: Any, aspect: str) -> None:
    message = ["a fox", 0, None, None, None, None, 0, None, None, [None] * 6 + shape]
    assert aspect_of(message, mode) == aspect
    assert aspect_of(message[:7], mode) == ""


def composed(films: Films, prompt: Prompt = ASKED) -> Film:
    answer, film, rule = films.composed(prompt, "short vocals", "free", "rows")
    assert film is not None
    assert (answer.text, rule) == (COMPOSING, "")
    return film


def test_music_has_a_card_of_its_own_and_is_asked_for_once() -> None:
    films = Films()
    film = composed(films)
    assert film.card() == {}
    assert films.composed(ASKED, "short vocals", "free", "rows")[2]
    assert films.composed(replace(ASKED, cid="c_2"), "short vocals", "free", "rows")[2]
    assert films.ordered(replace(ASKED, text="a film of it"), "16:9", "pro")[2]
    film.looked()
    assert list(film.card()) == [SONG_CARD]
    films.music.tiers = ("free",)
    answer, none, rule = films.composed(replace(ASKED, cid="c_3"), "short vocals", "free", "rows")
    assert (answer.text, none, rule) == (NO_MUSIC, None, "")


@pytest.mark.parametrize(
    ("who", "part", "query", "status", "wrong"),
    [
        ("alice", "", "filename=track.mp3&opi=103135050&authuser=0", 302, False),
        ("alice", "-1", "filename=track.mp4&opi=103135050&authuser=0", 302, False),
        ("alice", "-1", "filename=track.mp3&opi=103135050&authuser=0", 403, True),
        ("bob", "", "filename=track.mp3&opi=103135050&authuser=0", 403, False),
        ("", "-1", "filename=track.mp4&opi=103135050&authuser=0", 403, False),
        ("alice", "-2", "filename=track.mp4&opi=103135050&authuser=0", 404, False),
    ],
)
def test_files_of_music_want_what_those_of_videos_do(who: str, part: str, query: str, status: int, wrong: bool) -> None:
    google = Google(("alice", "bob"))
    film = composed(google.world.films)
    asker = caller(google, who) if who else STRANGER
    request = Request("GET", HOST, f"/download?c={film.key}{part}&{query}", {}, "1.1", 1, 0)
    response, rule = google.world.films.respond(request, asker)
    assert (response.status, bool(rule)) == (status, wrong)


@pytest.mark.parametrize(
    ("tool", "song"),
    [
        ([None, None, [4, 1]], "short instrumental"),
        ([None, None, [5, 2]], "standard vocals"),
        ([None, None, [6, 2]], ""),
        ([None, None, [4]], ""),
        ([4, 1], ""),
        ([[None, None, None, 1]], ""),
    ],
)
def test_length_and_voice_stand_in_one_place(tool: Any, song: str) -> None:
    message = ["a song", 0, None, None, None, None, 0, None, None, [None] * 6 + [tool]]
    assert song_of(message) == song
    assert song_of([*message, None]) == ""
