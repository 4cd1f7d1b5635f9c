"""The promises of `ports.CookieSource`, held by every adapter that can change by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gemgate.accounts import Cookies
from gemgate.cookies.chrome import chrome_source
from gemgate.cookies.env import FixedSource
from gemgate.cookies.file import FileSource
from gemgate.cookies.firefox import firefox_source
from gemgate.ports.cookies import CookieSource
from tests.support.profiles import session, write_chrome, write_firefox


@dataclass
class Place:
    """A source, and how whoever owns it puts cookies there."""

    source: CookieSource
    put: Callable[[Cookies], object]
    live: bool
    wipe: Callable[[], object]
    stack: ExitStack = field(default_factory=ExitStack)


def file_place(folder: Path) -> Place:
    path = folder / "cookies.json"

    def put(cookies: Cookies) -> None:
        path.write_text("; ".join(f"{name}={value}" for name, value in cookies.as_dict().items()))
        os.utime(path, (1_000_000_000, 1_000_000_000 + path.stat().st_ino % 97))  # long at rest

    return Place(FileSource(path), put, live=False, wipe=path.unlink)


def firefox_place(folder: Path) -> Place:
    profile = folder / "abc.default"
    stack = ExitStack()

    def put(cookies: Cookies) -> None:
        stack.enter_context(closing(write_firefox(profile, cookies)))

    def wipe() -> None:
        with closing(write_firefox(profile, None)) as connection:
            connection.execute("DELETE FROM moz_cookies")

    return Place(firefox_source(str(profile)), put, live=True, wipe=wipe, stack=stack)


def chrome_place(folder: Path) -> Place:
    profile = folder / "Default"

    def wipe() -> None:
        (profile / "Cookies").unlink()
        write_chrome(profile, None)

    return Place(chrome_source(str(folder)), lambda cookies: write_chrome(profile, cookies), live=True, wipe=wipe)


@pytest.fixture(params=[file_place, firefox_place, chrome_place], ids=["file", "firefox", "chrome"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place: Place = request.param(tmp_path)
    with place.stack:
        yield place


async def test_holds_nothing_before_anybody_put_cookies_there(place: Place) -> None:
    assert await place.source.read() is None
    assert place.source.missing.en


async def test_reads_what_was_put_there(place: Place) -> None:
    place.put(session("a"))
    assert await place.source.read() == session("a")
    assert not place.source.missing.en


async def test_sees_every_change_at_the_next_read(place: Place) -> None:
    for mark in ("one", "two", "three"):
        place.put(session(mark))
        assert await place.source.read() == session(mark)


async def test_reads_the_same_again_and_again(place: Place) -> None:
    place.put(session("a"))
    assert [await place.source.read() for _ in range(3)] == [session("a")] * 3


async def test_notices_that_the_cookies_went_away(place: Place) -> None:
    place.put(session("a"))
    assert await place.source.read() == session("a")
    place.wipe()
    assert await place.source.read() is None


async def test_says_whether_it_changes_by_itself_and_who_rotates(place: Place) -> None:
    assert place.source.watched is True
    assert place.source.live is place.live


async def test_shows_no_cookie_in_its_name(place: Place) -> None:
    place.put(session("a"))
    await place.source.read()
    assert not any(value in f"{place.source.name} {place.source!r}" for value in session("a").as_dict().values())


async def test_leaves_the_folder_as_it_was(place: Place, tmp_path: Path) -> None:
    place.put(session("a"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    await place.source.read()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


async def test_cookies_given_once_never_change() -> None:
    source = FixedSource(session("a"))
    assert (source.live, source.watched) == (False, False)
    assert await source.read() == session("a")
