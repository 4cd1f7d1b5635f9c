"""Google's cookies in Chrome and Chromium profiles, read while the browser runs; their values are usually encrypted.

Facts of the format (Linux): `v10` is AES-128-CBC under a key made from the word "peanuts", `v11` under one made from a
password in the desktop's keyring; databases from version 24 on put the SHA-256 of the host in front of the value.
Chrome writes its cookies to disk every 30 s, so that is how late a rotation shows. macOS: `v10` with the keychain.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gemgate.cookies.browser import EVERY, HOST, NAMES, BrowserSource, Row, Session, Unreadable, sessions_of
from gemgate.cookies.keyring import Passwords
from gemgate.cookies.spec import SourceSpec
from gemgate.lazy_import import later

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import ciphers, padding
else:
    ciphers, padding = (later(f"cryptography.hazmat.primitives.{name}") for name in ("ciphers", "padding"))

_HASHED_SINCE = 24
_EPOCH = 11_644_473_600
"""Seconds from 1601, where Chrome's clock begins, to 1970."""


def chrome_source(
    profile: str = "", *, browser: str = "chrome", home: Path | None = None, passwords: Passwords | None = None
) -> BrowserSource:
    """The source `browser:chrome[:PROFILE]`, or `browser:chromium` for Chromium alone.

    profile: a folder name (`Default`, `Profile 1`), the name or the address the profile menu shows, or a path: of a
             profile, of a user data folder, or of a home; "" takes `Default` of every installation, "*" every profile.
    """
    environ = os.environ if home is None else {}
    roots = chrome_roots(home or Path.home(), environ, sys.platform, chrome=browser == "chrome")
    spec = SourceSpec("chrome" if browser == "chrome" else "chromium", profile)
    return BrowserSource(
        str(spec), partial(databases, profile, roots), partial(_sessions, passwords=passwords or Passwords())
    )


def chrome_roots(home: Path, environ: Mapping[str, str], platform: str, *, chrome: bool = True) -> list[Path]:
    """The folders that may be user data folders, under a home."""
    if platform == "darwin":
        support = home / "Library/Application Support"
        return [*([support / "Google/Chrome"] if chrome else []), support / "Chromium"]
    xdg = environ.get("XDG_CONFIG_HOME", "")
    config = Path(xdg) if Path(xdg).is_absolute() else home / ".config"
    google = [config / name for name in ("google-chrome", "google-chrome-beta", "google-chrome-unstable")]
    google.append(home / ".var/app/com.google.Chrome/config/google-chrome")
    chromium = [
        config / "chromium",
        home / "snap/chromium/common/chromium",
        home / ".var/app/org.chromium.Chromium/config/chromium",
    ]
    return [*(google if chrome else []), *chromium]


def databases(profile: str, roots: list[Path]) -> list[Path]:
    """The cookie databases that a profile's name or path means; none when the browser has not made them yet.

    Raises Unreadable when there are profiles, but none of that name.
    """
    if "/" in profile or profile.startswith((".", "~")):
        return _at_path(Path(profile).expanduser())
    present = [root for root in roots if root.is_dir()]
    if not profile:
        return [database for root in present for database in _default(root)]
    named = [pair for root in present for pair in _profiles(root).items()]
    if profile == EVERY:
        return [database for folder, _ in named for database in _in_profile(folder)]
    fits = [folder for folder, names in named if profile in names]
    if named and not fits:
        have = ", ".join(sorted({folder.name for folder, _ in named}))
        raise Unreadable(
            f"Chrome has no profile {profile!r}; it has: {have}", f"Chrome 没有配置 {profile!r}，现有：{have}"
        )
    return [database for folder in fits for database in _in_profile(folder)]


def _at_path(path: Path) -> list[Path]:
    if path.name == "Cookies":
        return [path]
    if found := _in_profile(path):
        return found
    return [found for root in (path, *chrome_roots(path, {}, sys.platform)) for found in _default(root)]


def _default(root: Path) -> list[Path]:
    """`Default`, or every profile where there is no such folder."""
    if (root / "Default").is_dir():
        return _in_profile(root / "Default")
    return [database for folder in _profiles(root) for database in _in_profile(folder)]


def _in_profile(folder: Path) -> list[Path]:
    found = (folder / name for name in ("Network/Cookies", "Cookies"))
    return [database for database in found if database.is_file()][:1]


def _profiles(root: Path) -> dict[Path, set[str]]:
    """Profile folder -> the names it answers to."""
    try:
        cache = json.loads((root / "Local State").read_text("utf-8"))["profile"]["info_cache"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        cache = {}
    found: dict[Path, set[str]] = {}
    for folder in [root / "Default", *sorted(root.glob("Profile *"))]:
        if folder.is_dir():
            facts = cache.get(folder.name) or {}
            names = (folder.name, facts.get("name"), facts.get("user_name"), facts.get("gaia_name"))
            found[folder] = {str(name) for name in names if name}
    return found


def _sessions(connection: sqlite3.Connection, database: Path, *, passwords: Passwords) -> list[Session]:
    version = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    columns = {row[1] for row in connection.execute("PRAGMA table_info(cookies)")}
    site = "AND top_frame_site_key = ''" if "top_frame_site_key" in columns else ""
    marks = ",".join("?" * len(NAMES))
    found = connection.execute(
        "SELECT name, value, encrypted_value, expires_utc FROM cookies "  # noqa: S608 - only question marks
        f"WHERE host_key = ? AND path = '/' AND name IN ({marks}) {site}",
        (HOST, *NAMES),
    )
    hashed = version is not None and int(version[0]) >= _HASHED_SINCE
    rows = []
    for name, value, encrypted, expires in found:
        plain = value or _decrypted(bytes(encrypted), database, hashed=hashed, passwords=passwords)
        rows.append(Row("", name, plain, expires / 1e6 - _EPOCH))
    return sessions_of(rows, time.time())


def _decrypted(encrypted: bytes, database: Path, *, hashed: bool, passwords: Passwords) -> str:
    """A cookie's value; Unreadable when no key opens it. The host's hash, where there is one, proves the key right."""
    prefix, body = encrypted[:3], encrypted[3:]
    if not encrypted:
        return ""
    if prefix not in (b"v10", b"v11"):
        scheme = prefix.decode("ascii", "replace")
        raise Unreadable(
            f"its cookies are encrypted in a way that is not supported ({scheme}); "
            "start the browser with --password-store=basic and sign in again",
            f"其 Cookie 的加密方式（{scheme}）不受支持，请用 --password-store=basic 启动浏览器并重新登录",
        )
    for key in _keys(prefix, database, passwords):
        plain = _aes_cbc(key, body)
        if plain is None:
            continue
        digest = hashlib.sha256(HOST.encode()).digest()
        if hashed and not plain.startswith(digest):
            continue
        try:
            return plain.removeprefix(digest).decode("ascii")
        except UnicodeDecodeError:
            continue
    raise Unreadable(
        "the key that is known does not open its cookies; is this profile from another computer or user?",
        "已知密钥无法解密其 Cookie，该配置是否来自其他电脑或用户？",
    )


def _keys(prefix: bytes, database: Path, passwords: Passwords) -> Iterator[bytes]:
    if sys.platform == "darwin":
        for password in passwords.of(_application(database)):
            yield _derived(password, 1003)
        return
    if prefix == b"v11":
        yield _derived(b"", 1)  # what Chrome used while its keyring gave nothing
        for password in passwords.of(_application(database)):
            yield _derived(password, 1)
    else:
        yield _derived(b"peanuts", 1)
        yield _derived(b"", 1)


def _application(database: Path) -> str:
    return "chromium" if any("chromium" in part.lower() for part in database.parts) else "chrome"


@functools.lru_cache(maxsize=16)
def _derived(password: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", password, b"saltysalt", rounds, 16)


def _aes_cbc(key: bytes, body: bytes) -> bytes | None:
    """The plain bytes, None when the key does not fit."""
    if not body or len(body) % 16:
        return None
    decryptor = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(b" " * 16)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        return None
