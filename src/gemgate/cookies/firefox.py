"""Google's cookies in Firefox profiles, read while Firefox runs: plain SQLite rows, kept apart by container.

Facts: `expiry` is in milliseconds from schema 16 on (Firefox 142), in seconds before; `originAttributes` reads
`^key=value&...`; profiles live in `~/.config/mozilla/firefox` from Firefox 147 on, before in `~/.mozilla/firefox`.
"""

from __future__ import annotations

import configparser
import functools
import json
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

from gemgate.cookies.browser import EVERY, HOST, NAMES, BrowserSource, Row, Session, Unreadable, sessions_of
from gemgate.cookies.spec import SourceSpec

DATABASE = "cookies.sqlite"
_MILLISECONDS_SINCE = 16
_BUILT_IN = {"personal": "1", "work": "2", "banking": "3", "shopping": "4"}
"""The containers of a profile whose containers.json Firefox has not written yet."""


def firefox_source(profile: str = "", container: str = "", *, home: Path | None = None) -> BrowserSource:
    """The source `browser:firefox[:PROFILE][#CONTAINER]`.

    profile:   a name, a profile's folder name, or a path: of a profile, of a folder with profiles.ini, or of a home;
               "" takes the default profile of every Firefox installation (deb, snap, flatpak), "*" every profile.
    container: its name or number, "none" for outside all containers; "" takes the newest session of any.
    """
    roots = firefox_roots(home or Path.home(), os.environ if home is None else {}, sys.platform)
    return BrowserSource(
        str(SourceSpec("firefox", profile, container)),
        partial(databases, profile, roots),
        partial(_sessions, container=container),
    )


def firefox_roots(home: Path, environ: Mapping[str, str], platform: str) -> list[Path]:
    """The folders that may hold a profiles.ini, under a home."""
    if platform == "darwin":
        return [home / "Library/Application Support/Firefox"]
    xdg = environ.get("XDG_CONFIG_HOME", "")
    return [
        (Path(xdg) if Path(xdg).is_absolute() else home / ".config") / "mozilla/firefox",
        home / ".mozilla/firefox",
        home / "snap/firefox/common/.mozilla/firefox",
        home / "snap/firefox/common/.config/mozilla/firefox",
        home / ".var/app/org.mozilla.firefox/.mozilla/firefox",
        home / ".var/app/org.mozilla.firefox/config/mozilla/firefox",
    ]


def databases(profile: str, roots: list[Path]) -> list[Path]:
    """The cookie databases that a profile's name or path means; none when Firefox has not made them yet.

    Raises Unreadable when there are profiles, but none of that name.
    """
    if "/" in profile or profile.startswith((".", "~")):
        return [folder / DATABASE for folder in _at_path(Path(profile).expanduser())]
    if not profile:
        return [folder / DATABASE for root in roots for folder in _defaults(root)]
    named = {folder: names for root in roots for folder, names in _profiles(root).items()}
    if profile == EVERY:
        return [folder / DATABASE for folder in named]
    fits = [folder for folder, names in named.items() if profile in names]
    if named and not fits:
        have = ", ".join(sorted({min(names, key=len) for names in named.values()}))
        raise Unreadable(
            f"Firefox has no profile {profile!r}; it has: {have}", f"Firefox 没有配置 {profile!r}，现有：{have}"
        )
    return [folder / DATABASE for folder in fits]


def _at_path(path: Path) -> list[Path]:
    if path.name == DATABASE:
        return [path.parent]
    if (path / DATABASE).exists():
        return [path]
    roots = [root for root in (path, *firefox_roots(path, {}, sys.platform)) if (root / "profiles.ini").exists()]
    if roots:
        return [folder for root in roots for folder in _defaults(root)]
    return _folders(path)


def _profiles(root: Path) -> dict[Path, set[str]]:
    """Profile folder -> the names it answers to."""
    ini = _read_ini(root)
    found: dict[Path, set[str]] = {}
    for section in ini.sections():
        if section.startswith("Profile") and (path := ini.get(section, "Path", fallback="")):
            folder = _folder(root, path, relative=ini.get(section, "IsRelative", fallback="1") != "0")
            found[folder] = {name for name in (ini.get(section, "Name", fallback=""), folder.name) if name}
    return found or {folder: {folder.name} for folder in _folders(root)}


def _defaults(root: Path) -> list[Path]:
    """What Firefox opens when nobody says which profile: the installation's own choice, else the one marked default."""
    ini = _read_ini(root)
    installs = [ini.get(s, "Default", fallback="") for s in ini.sections() if s.startswith("Install")]
    chosen = [_folder(root, path, relative=not Path(path).is_absolute()) for path in installs if path]
    if not chosen:
        marked = [s for s in ini.sections() if s.startswith("Profile") and ini.get(s, "Default", fallback="") == "1"]
        paths = [ini.get(s, "Path", fallback="") for s in marked]
        chosen = [_folder(root, path, relative=not Path(path).is_absolute()) for path in paths if path]
    return list(dict.fromkeys(chosen)) or list(_profiles(root))


def _folder(root: Path, path: str, *, relative: bool) -> Path:
    return root / path if relative else Path(path)


def _folders(root: Path) -> list[Path]:
    return sorted(database.parent for database in root.glob(f"*/{DATABASE}"))


def _read_ini(root: Path) -> configparser.RawConfigParser:
    try:
        return _parsed((root / "profiles.ini").read_text("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return _parsed("")
    except (configparser.Error, UnicodeDecodeError):
        raise Unreadable(f"{root / 'profiles.ini'} is damaged", f"{root / 'profiles.ini'} 已损坏") from None


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> configparser.RawConfigParser:
    ini = configparser.RawConfigParser(strict=False)
    ini.read_string(text)
    return ini


def _sessions(connection: sqlite3.Connection, database: Path, *, container: str) -> list[Session]:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    unit = 1000 if schema >= _MILLISECONDS_SINCE else 1
    marks = ",".join("?" * len(NAMES))
    found = connection.execute(
        "SELECT originAttributes, name, value, expiry FROM moz_cookies "  # noqa: S608 - only question marks
        f"WHERE host = ? AND path = '/' AND name IN ({marks})",
        (HOST, *NAMES),
    )
    wanted = _container_number(container, database.parent) if container else None
    rows = []
    for attributes, name, value, expiry in found:
        jar = _jar(attributes)
        if jar is not None and wanted in (None, jar):
            rows.append(Row(jar, name, value, expiry / unit))
    return sessions_of(rows, time.time())


def _jar(attributes: str) -> str | None:
    """The container's number, "0" outside all; None for what is no first-party cookie of a normal window."""
    fields = parse_qs(attributes.removeprefix("^"))
    if fields.get("partitionKey") or fields.get("privateBrowsingId", ["0"]) != ["0"]:
        return None
    return fields.get("userContextId", ["0"])[0]


def _container_number(container: str, profile: Path) -> str:
    """The number of a container that may be given by name; Unreadable when the profile has none of that name."""
    if container.isdigit():
        return container
    if container.lower() == "none":
        return "0"
    try:
        identities = json.loads((profile / "containers.json").read_text("utf-8"))["identities"]
        names = {_container_name(one): str(one["userContextId"]) for one in identities if one.get("public", True)}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        names = _BUILT_IN
    if number := names.get(container.lower()):
        return number
    have = ", ".join(filter(None, names)) or "none"
    raise Unreadable(
        f"the profile {profile.name} has no container {container!r}; it has: {have}",
        f"配置 {profile.name} 没有容器 {container!r}，现有：{have}",
    )


def _container_name(identity: Mapping[str, object]) -> str:
    """In lower case; the four built-in ones carry a label such as `user-context-work` instead of a name."""
    label = str(identity.get("l10nId") or identity.get("l10nID") or "")
    built_in = label.lower().removeprefix("user-context-").removeprefix("usercontext").removesuffix(".label")
    return str(identity.get("name") or built_in).lower()
