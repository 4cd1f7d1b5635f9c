"""How cookie sources are spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemgate.cookies.file import FileSource
from gemgate.cookies.sources import source_of
from gemgate.cookies.spec import SourceSpec, parse_source
from gemgate.errors import BadRequest
from tests.support.profiles import session


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("env", SourceSpec("env")),
        (" ENV ", SourceSpec("env")),
        ("file:/a/b.json", SourceSpec("file", "/a/b.json")),
        ("file:C:/a#b.json", SourceSpec("file", "C:/a#b.json")),
        ("browser:firefox", SourceSpec("firefox")),
        ("browser:Firefox:default-release", SourceSpec("firefox", "default-release")),
        ("browser:firefox:/mnt/profile", SourceSpec("firefox", "/mnt/profile")),
        ("browser:firefox#Work", SourceSpec("firefox", "", "Work")),
        ("browser:firefox:me#alice", SourceSpec("firefox", "me", "alice")),
        ("browser:chrome:Profile 1", SourceSpec("chrome", "Profile 1")),
        ("browser:chrome:a#1", SourceSpec("chrome", "a#1")),
        ("browser:chromium", SourceSpec("chromium")),
    ],
)
def test_a_source_is_read_as_it_is_meant(text: str, spec: SourceSpec) -> None:
    assert parse_source(text) == spec
    assert parse_source(str(spec)) == spec


@pytest.mark.parametrize("text", ["", "file:", "file", "env:x", "browser:", "browser:opera", "cookies.txt", "browser"])
def test_what_is_no_source_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadRequest, match="browser:firefox"):
        parse_source(text)


async def test_env_is_what_the_environment_holds() -> None:
    assert await source_of("env", environment=session("a")).read() == session("a")
    assert await source_of("env").read() is None


def test_a_relative_file_lies_beside_the_accounts_file(tmp_path: Path) -> None:
    source = source_of("file:a.json", folder=tmp_path)
    assert isinstance(source, FileSource)
    assert source.name == f"file:{tmp_path / 'a.json'}"
    assert source_of("file:/x/a.json", folder=tmp_path).name == "file:/x/a.json"


def test_browsers_are_live_and_say_which_they_are(tmp_path: Path) -> None:
    for text in ("browser:firefox:me#Work", "browser:chrome:Default", "browser:chromium"):
        source = source_of(text, home=tmp_path)
        assert source.live
        assert source.name == text
