"""Chrome profiles: which of them is meant, how values are encrypted, and what is said when the keyring is needed."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gemgate.accounts import Cookies
from gemgate.cookies.chrome import chrome_roots, chrome_source
from gemgate.cookies.keyring import Passwords, keyring_passwords
from gemgate.errors import AccountError
from tests.support.profiles import DAY, session, write_chrome

A = session("a")


async def read(profile: str, home: Path, **more: Any) -> Cookies | None:
    return await chrome_source(profile, home=home, **more).read()


@pytest.mark.parametrize("place", ["Cookies", "Network/Cookies"])
@pytest.mark.parametrize("version", [18, 23, 24, 25])
@pytest.mark.parametrize("password", [b"peanuts", b""])
async def test_values_under_the_fixed_key_are_read(version: int, place: str, password: bytes, tmp_path: Path) -> None:
    write_chrome(tmp_path / "Default", A, version=version, place=place, password=password)
    assert await read(str(tmp_path), tmp_path) == A


async def test_plain_values_are_read(tmp_path: Path) -> None:
    write_chrome(tmp_path / "Default", A, scheme=b"")
    assert await read(str(tmp_path), tmp_path) == A


async def test_values_under_the_keyrings_password_are_read_and_it_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(application: str) -> list[bytes]:
        asked.append(application)
        return [b"somebody else's", b"s3cret"]

    profile = tmp_path / ".config/google-chrome/Default"
    source = chrome_source(home=tmp_path, passwords=Passwords(ask))
    for mark in ("a", "b", "c"):
        write_chrome(profile, session(mark), scheme=b"v11", password=b"s3cret")
        assert await source.read() == session(mark)
    assert asked == ["chrome"]


async def test_a_new_password_in_the_keyring_is_fetched(tmp_path: Path) -> None:
    known = [b"old"]
    profile = tmp_path / ".config/chromium/Default"
    source = chrome_source(browser="chromium", home=tmp_path, passwords=Passwords(lambda _: list(known)))
    write_chrome(profile, session("a"), scheme=b"v11", password=b"old")
    assert await source.read() == session("a")
    known[:] = [b"new"]
    write_chrome(profile, session("b"), scheme=b"v11", password=b"new")
    assert await source.read() == session("b")


async def test_a_key_that_does_not_fit_is_never_garbage(tmp_path: Path) -> None:
    write_chrome(tmp_path / "Default", A, scheme=b"v11", password=b"another computer's")
    with pytest.raises(AccountError, match="another computer or user") as caught:
        await read(str(tmp_path), tmp_path, passwords=Passwords(lambda _: [b"ours"]))
    assert A.psid not in str(caught.value)


async def test_an_unknown_scheme_says_how_to_start_the_browser(tmp_path: Path) -> None:
    write_chrome(tmp_path / "Default", A, scheme=b"v12")
    with pytest.raises(AccountError, match=r"v12.*--password-store=basic"):
        await read(str(tmp_path), tmp_path)


class Locked(Exception):
    pass


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the keyring library: `items` by application, `down` for no service."""
    state = SimpleNamespace(items={}, down=False)
    module: Any = ModuleType("secretstorage")
    module.SecretStorageException = Locked

    def dbus_init() -> SimpleNamespace:
        if state.down:
            raise Locked("no service")
        return SimpleNamespace(close=lambda: None)

    module.dbus_init = dbus_init
    module.search_items = lambda _, wanted: state.items.get(wanted["application"], [])
    monkeypatch.setitem(sys.modules, "secretstorage", module)
    return state


def item(secret: bytes, *, locked: bool = False) -> SimpleNamespace:
    return SimpleNamespace(is_locked=lambda: locked, get_secret=lambda: secret)


async def test_the_keyring_gives_the_password_of_the_browser_that_owns_the_profile(
    keyring: SimpleNamespace, tmp_path: Path
) -> None:
    keyring.items = {"chrome": [item(b"one")], "chromium": [item(b"two")]}
    assert keyring_passwords("chrome") == [b"one", b"two"]
    assert keyring_passwords("chromium") == [b"two", b"one"]
    write_chrome(tmp_path / ".config/chromium/Default", A, scheme=b"v11", password=b"two")
    assert await read("", tmp_path) == A


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"items": {"chrome": [item(b"x", locked=True)]}}, "locked: unlock it"),
        ({"down": True}, "does not answer"),
        ({}, "another computer or user"),
    ],
)
async def test_a_keyring_that_is_needed_and_not_to_be_had_is_said_in_plain_words(
    keyring: SimpleNamespace, tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    vars(keyring).update(state)
    write_chrome(tmp_path / ".config/google-chrome/Default", A, scheme=b"v11", password=b"x")
    with pytest.raises(AccountError, match=message):
        await read("", tmp_path)


async def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    really = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "secretstorage":
            raise ImportError(name)
        return really(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    write_chrome(tmp_path / "Default", A, scheme=b"v11", password=b"x")
    with pytest.raises(AccountError, match="extra keyring"):
        await read(str(tmp_path), tmp_path)


async def test_a_profile_that_needs_no_keyring_never_asks_for_one(keyring: SimpleNamespace, tmp_path: Path) -> None:
    keyring.down = True
    write_chrome(tmp_path / ".config/chromium/Default", A)
    assert await read("", tmp_path) == A


async def test_a_profile_is_found_by_folder_name_address_and_path(tmp_path: Path) -> None:
    root = tmp_path / ".config/google-chrome"
    write_chrome(root / "Default", session("default"), age=DAY)
    write_chrome(root / "Profile 1", session("work"))
    names = {"Profile 1": {"name": "Work", "user_name": "me@example.com"}, "Default": {"name": "Person 1"}}
    (root / "Local State").write_text(json.dumps({"profile": {"info_cache": names}}))
    assert await read("", tmp_path) == session("default")
    for profile in ("Profile 1", "Work", "me@example.com", str(root / "Profile 1"), str(root / "Profile 1/Cookies")):
        assert await read(profile, tmp_path) == session("work")
    for path in (root, tmp_path):
        assert await read(str(path), tmp_path / "nobody") == session("default")
    with pytest.raises(AccountError, match="no profile 'Play'; it has: Default, Profile 1"):
        await read("Play", tmp_path)


async def test_a_browser_that_never_ran_is_no_error(tmp_path: Path) -> None:
    for profile in ("", "Work", str(tmp_path / "not/yet")):
        assert await read(profile, tmp_path) is None


async def test_one_unreadable_installation_does_not_hide_the_other(tmp_path: Path) -> None:
    write_chrome(tmp_path / ".config/google-chrome/Default", session("v12"), scheme=b"v12")
    write_chrome(tmp_path / ".config/chromium/Default", A)
    assert await read("", tmp_path) == A


async def test_chromium_alone_does_not_look_at_chrome(tmp_path: Path) -> None:
    write_chrome(tmp_path / ".config/google-chrome/Default", session("chrome"))
    write_chrome(tmp_path / ".config/chromium/Default", session("chromium"), age=DAY)
    assert await read("", tmp_path) == session("chrome")
    assert await read("", tmp_path, browser="chromium") == session("chromium")


async def test_partitioned_foreign_and_expired_cookies_are_no_session(tmp_path: Path) -> None:
    write_chrome(tmp_path / "Default", session("frame"), partition="https://example.com")
    write_chrome(tmp_path / "Default", session("youtube"), host=".youtube.com")
    write_chrome(tmp_path / "Default", session("expired"), age=401 * DAY)
    assert await read(str(tmp_path), tmp_path) is None


def test_macs_have_their_own_folders(tmp_path: Path) -> None:
    assert chrome_roots(tmp_path, {}, "darwin")[0] == tmp_path / "Library/Application Support/Google/Chrome"
