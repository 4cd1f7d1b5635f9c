"""Browser profiles as Firefox and Chromium lay them out, written by tests: schemas, encryption and all."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gemgate.accounts import Cookies

DAY = 86_400.0
_FIREFOX = """
CREATE TABLE IF NOT EXISTS moz_cookies (id INTEGER PRIMARY KEY, originAttributes TEXT NOT NULL DEFAULT '', name TEXT,
  value TEXT, host TEXT, path TEXT, expiry INTEGER, lastAccessed INTEGER, creationTime INTEGER, isSecure INTEGER,
  isHttpOnly INTEGER, inBrowserElement INTEGER DEFAULT 0, sameSite INTEGER DEFAULT 0, schemeMap INTEGER DEFAULT 0,
  isPartitionedAttributeSet INTEGER DEFAULT 0, updateTime INTEGER,
  CONSTRAINT moz_uniqueid UNIQUE (name, host, path, originAttributes))
"""
_CHROME = """
CREATE TABLE IF NOT EXISTS cookies(creation_utc INTEGER NOT NULL, host_key TEXT NOT NULL,
  top_frame_site_key TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, encrypted_value BLOB NOT NULL,
  path TEXT NOT NULL, expires_utc INTEGER NOT NULL, is_secure INTEGER NOT NULL, is_httponly INTEGER NOT NULL,
  last_access_utc INTEGER NOT NULL, has_expires INTEGER NOT NULL, is_persistent INTEGER NOT NULL,
  priority INTEGER NOT NULL, samesite INTEGER NOT NULL, source_scheme INTEGER NOT NULL, source_port INTEGER NOT NULL,
  last_update_utc INTEGER NOT NULL, source_type INTEGER NOT NULL, has_cross_site_ancestor INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS cookies_unique_index ON cookies(host_key, top_frame_site_key,
  has_cross_site_ancestor, name, path, source_scheme, source_port);
CREATE TABLE IF NOT EXISTS meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
"""


def session(mark: str) -> Cookies:
    """Cookies that can be told apart."""
    return Cookies(f"g.a000{mark}psid", f"sidts-{mark}ts", f"AKEy{mark}cc")


def write_firefox(
    profile: Path,
    cookies: Cookies | None,
    *,
    attributes: str = "",
    age: float = 0.0,
    schema: int = 17,
    host: str = ".google.com",
    wal: bool = True,
) -> sqlite3.Connection:
    """Put a session into a profile's database and leave it open, as a running Firefox does.

    age: seconds since the sign-in. attributes: originAttributes. The caller closes the connection.
    """
    profile.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(profile / "cookies.sqlite", isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
    connection.execute(_FIREFOX)
    connection.execute(f"PRAGMA user_version={schema}")
    unit = 1000 if schema >= 16 else 1
    now = time.time() - age
    connection.execute("BEGIN")
    for name, value in (cookies.as_dict() if cookies else {}).items():
        connection.execute(
            "INSERT OR REPLACE INTO moz_cookies (originAttributes, name, value, host, path, expiry, lastAccessed,"
            " creationTime, isSecure, isHttpOnly, updateTime) VALUES (?,?,?,?,'/',?,?,?,1,1,?)",
            (attributes, name, value, host, int((now + 400 * DAY) * unit), *(int(now * 1e6),) * 3),
        )
    connection.execute("COMMIT")
    return connection


def chrome_encrypted(value: str, *, host: str, scheme: bytes, password: bytes, hashed: bool) -> bytes:
    """A value as OSCrypt on Linux writes it."""
    key = hashlib.pbkdf2_hmac("sha1", password, b"saltysalt", 1, 16)
    plain = (hashlib.sha256(host.encode()).digest() if hashed else b"") + value.encode()
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).encryptor()
    return scheme + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def write_chrome(
    profile: Path,
    cookies: Cookies | None,
    *,
    scheme: bytes = b"v10",
    password: bytes = b"peanuts",
    version: int = 24,
    age: float = 0.0,
    place: str = "Cookies",
    host: str = ".google.com",
    partition: str = "",
) -> None:
    """Put a session into a profile's database; scheme b"" leaves the values plain."""
    database = profile / place
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executescript(_CHROME)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (str(version),))
        now = int((time.time() - age + 11_644_473_600) * 1e6)
        connection.execute("BEGIN")
        for name, value in (cookies.as_dict() if cookies else {}).items():
            secret = b""
            if scheme:
                secret = chrome_encrypted(value, host=host, scheme=scheme, password=password, hashed=version >= 24)
            connection.execute(
                "INSERT OR REPLACE INTO cookies VALUES (?,?,?,?,?,?,'/',?,1,1,?,1,1,1,-1,2,443,?,0,0)",
                (now, host, partition, name, "" if scheme else value, secret, now + int(400 * DAY * 1e6), now, now),
            )
        connection.execute("COMMIT")


def write_profiles_ini(root: Path, profiles: dict[str, str], *, install: str = "", default: str = "") -> None:
    """profiles: name -> folder. install: what the installation opens. default: the profile marked Default=1."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"[Install4F96D1932A9F858E]\nDefault={install}\nLocked=1\n"] if install else []
    for number, (name, folder) in enumerate(profiles.items()):
        relative = 0 if folder.startswith("/") else 1
        mark = "Default=1\n" if name == default else ""
        lines.append(f"[Profile{number}]\nName={name}\nIsRelative={relative}\nPath={folder}\n{mark}")
    (root / "profiles.ini").write_text("\n".join([*lines, "[General]\nStartWithLastProfile=1\nVersion=2\n"]))


def write_containers(profile: Path, names: dict[int, str]) -> None:
    """containers.json with the built-in "Work" and the person's own ones."""
    own = [{"userContextId": number, "public": True, "name": name} for number, name in names.items()]
    built_in = [
        {"userContextId": 2, "public": True, "l10nId": "user-context-work"},
        {"userContextId": 5, "public": False, "name": "userContextIdInternal.thumbnail"},
    ]
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "containers.json").write_text(json.dumps({"version": 5, "identities": [*built_in, *own]}))
