"""Firefox profiles: which of them is meant, which session counts, and reading beside a writer."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gemgate.accounts import Cookies
from gemgate.cookies import browser
from gemgate.cookies.firefox import firefox_roots, firefox_source
from gemgate.errors import AccountError
from tests.support.profiles import DAY, session, write_containers, write_firefox, write_profiles_ini


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """Keeps databases open, as running browsers do."""
    with ExitStack() as stack:
        yield stack


def put(running: ExitStack, profile: Path, mark: str, **facts: object) -> None:
    running.enter_context(closing(write_firefox(profile, session(mark), **facts)))  # type: ignore[arg-type]


async def read(profile: str, home: Path, container: str = "") -> Cookies | None:
    return await firefox_source(profile, container, home=home).read()


async def test_the_profile_the_installation_opens_is_the_default(tmp_path: Path, running: ExitStack) -> None:
    root = tmp_path / ".mozilla/firefox"
    write_profiles_ini(root, {"default": "a.default", "release": "b.release"}, install="b.release", default="default")
    put(running, root / "a.default", "old")
    put(running, root / "b.release", "right", age=DAY)
    assert await read("", tmp_path) == session("right")


async def test_without_an_installation_the_marked_profile_is_the_default(tmp_path: Path, running: ExitStack) -> None:
    root = tmp_path / ".mozilla/firefox"
    write_profiles_ini(root, {"one": "a.one", "two": "b.two"}, default="two")
    put(running, root / "a.one", "one")
    put(running, root / "b.two", "two", age=DAY)
    assert await read("", tmp_path) == session("two")


async def test_a_profile_is_found_by_its_name_its_folder_and_its_path(tmp_path: Path, running: ExitStack) -> None:
    root = tmp_path / ".config/mozilla/firefox"
    elsewhere = tmp_path / "elsewhere/far"
    write_profiles_ini(root, {"one": "a.one", "two": "b.two", "far": str(elsewhere)}, install="a.one")
    for folder, mark in ((root / "a.one", "one"), (root / "b.two", "two"), (elsewhere, "far")):
        put(running, folder, mark)
    assert await read("two", tmp_path) == session("two")
    assert await read("b.two", tmp_path) == session("two")
    assert await read("far", tmp_path) == session("far")
    for path in (root / "b.two", root / "b.two/cookies.sqlite"):
        assert await read(str(path), tmp_path / "nobody") == session("two")
    for path in (root, tmp_path):
        assert await read(str(path), tmp_path / "nobody") == session("one")


async def test_an_unknown_profile_is_an_error_that_names_the_known_ones(tmp_path: Path, running: ExitStack) -> None:
    root = tmp_path / ".mozilla/firefox"
    write_profiles_ini(root, {"one": "a.one"}, install="a.one")
    put(running, root / "a.one", "one")
    with pytest.raises(AccountError, match="no profile 'two'; it has: one"):
        await read("two", tmp_path)


async def test_a_browser_that_never_ran_is_no_error(tmp_path: Path) -> None:
    for profile in ("", "someone", str(tmp_path / "not/yet")):
        source = firefox_source(profile, home=tmp_path)
        assert await source.read() is None
        assert "no browser profile" in source.missing.en


async def test_profiles_without_an_ini_are_found(tmp_path: Path, running: ExitStack) -> None:
    put(running, tmp_path / "mounted/x.default", "x")
    assert await read(str(tmp_path / "mounted"), tmp_path) == session("x")


@pytest.mark.parametrize("number", range(6))
async def test_every_kind_of_installation_is_looked_at(number: int, tmp_path: Path, running: ExitStack) -> None:
    root = firefox_roots(tmp_path, {}, "linux")[number]
    write_profiles_ini(root, {"default": "x.default"}, install="x.default")
    put(running, root / "x.default", "x")
    assert await read("", tmp_path) == session("x")


def test_the_config_folder_may_lie_elsewhere(tmp_path: Path) -> None:
    assert firefox_roots(tmp_path, {"XDG_CONFIG_HOME": "/cfg"}, "linux")[0] == Path("/cfg/mozilla/firefox")
    assert firefox_roots(tmp_path, {"XDG_CONFIG_HOME": "relative"}, "linux")[0] == tmp_path / ".config/mozilla/firefox"


async def test_of_several_containers_the_newest_sign_in_wins(tmp_path: Path, running: ExitStack) -> None:
    profile = tmp_path / "p"
    put(running, profile, "first", age=3 * DAY)
    put(running, profile, "second", attributes="^userContextId=1", age=1 * DAY)
    put(running, profile, "third", attributes="^userContextId=2", age=2 * DAY)
    assert await read(str(profile), tmp_path) == session("second")


async def test_a_rotation_elsewhere_does_not_move_the_choice(tmp_path: Path, running: ExitStack) -> None:
    profile = tmp_path / "p"
    put(running, profile, "new", age=1 * DAY)
    put(running, profile, "old", attributes="^userContextId=1", age=2 * DAY)
    connection = running.enter_context(closing(write_firefox(profile, None)))
    connection.execute(
        "UPDATE moz_cookies SET value = 'sidts-rotated', expiry = expiry + ?, lastAccessed = ?, updateTime = ? "
        "WHERE originAttributes != '' AND name LIKE '%PSIDTS'",
        (int(9 * DAY * 1000), int(time.time() * 1e6), int(time.time() * 1e6)),
    )
    assert await read(str(profile), tmp_path) == session("new")


async def test_a_container_is_chosen_by_name_or_number(tmp_path: Path, running: ExitStack) -> None:
    profile = tmp_path / "p"
    write_containers(profile, {7: "Alice"})
    put(running, profile, "outside")
    put(running, profile, "work", attributes="^userContextId=2", age=DAY)
    put(running, profile, "alice", attributes="^firstPartyDomain=google.com&userContextId=7", age=DAY)
    for container, mark in (
        ("none", "outside"),
        ("0", "outside"),
        ("Work", "work"),
        ("alice", "alice"),
        ("7", "alice"),
    ):
        assert await read(str(profile), tmp_path, container) == session(mark)
    with pytest.raises(AccountError, match="no container 'Bob'; it has: work, alice"):
        await read(str(profile), tmp_path, "Bob")


async def test_private_partitioned_foreign_and_expired_cookies_are_no_session(
    tmp_path: Path, running: ExitStack
) -> None:
    profile = tmp_path / "p"
    put(running, profile, "frame", attributes="^partitionKey=%28https%2Cexample.com%29")
    put(running, profile, "private", attributes="^privateBrowsingId=1")
    put(running, profile, "youtube", host=".youtube.com")
    put(running, profile, "expired", age=500 * DAY)
    source = firefox_source(str(profile), home=tmp_path)
    assert await source.read() is None
    assert "sign in at gemini.google.com" in source.missing.en


@pytest.mark.parametrize("schema", [10, 15, 16, 17])
async def test_expiry_is_understood_in_old_and_new_schemas(schema: int, tmp_path: Path, running: ExitStack) -> None:
    put(running, tmp_path / "old", "expired", age=401 * DAY, schema=schema)
    put(running, tmp_path / "new", "alive", age=399 * DAY, schema=schema)
    assert await read(str(tmp_path / "old"), tmp_path) is None
    assert await read(str(tmp_path / "new"), tmp_path) == session("alive")


async def test_of_two_installations_the_newest_session_wins(tmp_path: Path, running: ExitStack) -> None:
    for place, mark, age in ((".mozilla/firefox", "deb", 2), ("snap/firefox/common/.mozilla/firefox", "snap", 1)):
        write_profiles_ini(tmp_path / place, {"default": "x.default"}, install="x.default")
        put(running, tmp_path / place / "x.default", mark, age=age * DAY)
    assert await read("", tmp_path) == session("snap")


async def test_an_exclusively_locked_database_is_read_all_the_same(tmp_path: Path, running: ExitStack) -> None:
    """As Firefox holds it: what stands in the log alone is seen, and nothing else can open the file."""
    profile = tmp_path / "p"
    connection = running.enter_context(closing(write_firefox(profile, None)))
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute(
        "INSERT INTO moz_cookies (name, value, host, path, expiry) "
        "VALUES ('__Secure-1PSID', 'abc', '.google.com', '/', ?)",
        (int((time.time() + DAY) * 1000),),
    )
    connection.execute("COMMIT")
    with (
        pytest.raises(sqlite3.OperationalError),
        closing(sqlite3.connect(profile / "cookies.sqlite", timeout=0)) as one,
    ):
        one.execute("SELECT count(*) FROM moz_cookies").fetchone()
    assert await read(str(profile), tmp_path) == Cookies("abc")


async def test_an_unchanged_database_is_not_copied_again(
    tmp_path: Path, running: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = 0
    really = browser.opened_copy

    def counted(database: Path) -> object:
        nonlocal copies
        copies += 1
        return really(database)

    monkeypatch.setattr(browser, "opened_copy", counted)
    profile = tmp_path / "p"
    put(running, profile, "a")
    source = firefox_source(str(profile), home=tmp_path)
    for _ in range(20):
        assert await source.read() == session("a")
    assert copies == 1
    put(running, profile, "b")
    assert await source.read() == session("b")
    assert copies == 2


async def test_a_database_of_something_else_is_a_clear_error_and_costs_one_look(tmp_path: Path) -> None:
    profile = tmp_path / "p"
    profile.mkdir()
    (profile / "cookies.sqlite").write_bytes(b"no database at all" * 100)
    os.utime(profile / "cookies.sqlite", (1_000_000_000, 1_000_000_000))
    with pytest.raises(AccountError, match="cannot be read: DatabaseError"):
        await read(str(profile), tmp_path)
