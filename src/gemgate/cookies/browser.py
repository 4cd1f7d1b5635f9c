"""What Firefox and Chrome profiles have in common: databases that a running browser changes, looked at every 2 s.

A look costs a few stats while nothing changed. Of several sessions the newest wins: the one whose identity cookie
expires last, since a sign-in sets it and a rotation does not touch it, so the choice never flaps between two accounts.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from gemgate.accounts import COMPANIONS, PSID, PSIDCC, PSIDTS, Cookies
from gemgate.cookies.snapshot import CannotCopy, Stamp, opened_copy, stamp
from gemgate.errors import NO_TEXT, AccountError, BadRequest, LocalText
from gemgate.frozen import frozen

NAMES = (PSID, PSIDTS, PSIDCC, *sorted(COMPANIONS))
HOST = ".google.com"
EVERY = "*"
"""In the place of a profile: all of them."""
TROUBLE_SECONDS = 30.0
"""How long a profile that could not be understood is left alone while it does not change."""


@frozen
class Session:
    """One signed-in session of a profile. expires: epoch seconds of its identity cookie. jar: see `Row`."""

    cookies: Cookies
    expires: float
    jar: str = ""


@frozen
class Row:
    """One cookie row. jar: what keeps sessions of one profile apart (a container), "" for none."""

    jar: str
    name: str
    value: str
    expires: float


def sessions_of(rows: Iterable[Row], now: float) -> list[Session]:
    """The sessions in cookie rows, one per jar at most; what has expired or makes no session is left out."""
    jars: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.expires > now and row.value:
            jars.setdefault(row.jar, {})[row.name] = row
    found = []
    for name, jar in jars.items():
        if PSID in jar:
            with suppress(BadRequest):
                found.append(Session(Cookies.of({n: r.value for n, r in jar.items()}), jar[PSID].expires, name))
    return found


class Unreadable(Exception):
    """A profile's cookies cannot be understood; the texts say what to do."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en, self.zh = en, zh


@frozen
class _Look:
    """What a look at one database found, and under which stamp; trouble is kept for a while, then looked at again."""

    stamp: Stamp | None
    at: float
    sessions: tuple[Session, ...] = ()
    trouble: AccountError | None = None

    @property
    def session(self) -> Session | None:
        """The newest."""
        return max(self.sessions, key=lambda one: one.expires, default=None)

    def holds(self, seen: Stamp, now: float) -> bool:
        if self.stamp != seen:
            return False
        if self.trouble is not None:
            return now - self.at < TROUBLE_SECONDS
        return self.session is None or self.session.expires > now


class BrowserSource:
    """The newest Google session in a browser's profiles.

    databases: the cookie databases to look at, asked every time, for profiles come and go; raises Unreadable.
    sessions:  the sessions in one of them, given a connection to a copy; raises Unreadable.
    Both run in a worker thread.
    """

    live = True
    watched = True

    def __init__(
        self,
        name: str,
        databases: Callable[[], Sequence[Path]],
        sessions: Callable[[sqlite3.Connection, Path], list[Session]],
    ) -> None:
        self.name = name
        self.missing = NO_TEXT
        self._databases = databases
        self._sessions = sessions
        self._looks: dict[Path, _Look] = {}
        self._reading = asyncio.Lock()

    async def read(self) -> Cookies | None:
        """The newest session's cookies, None while there is none; AccountError says why a profile cannot be read."""
        async with self._reading:
            return await asyncio.to_thread(self._read)

    async def sessions(self) -> list[tuple[Path, Session]]:
        """Every session with the database it lies in, the newest first. AccountError when none can be read."""
        async with self._reading:
            looks = await asyncio.to_thread(self._look_everywhere)
        found = [(database, one) for database, look in looks.items() for one in look.sessions]
        trouble = next((look.trouble for look in looks.values() if look.trouble is not None), None)
        if not found and trouble is not None:
            raise trouble
        return sorted(found, key=lambda pair: -pair[1].expires)

    def _look_everywhere(self) -> dict[Path, _Look]:
        try:
            databases = self._databases()
        except (Unreadable, OSError) as error:
            raise self._trouble(error) from None
        now = time.time()
        self._looks = {database: self._look(database, now) for database in databases}
        if not any(look.sessions for look in self._looks.values()):
            self.missing = _missing(databases)
        return self._looks

    def _read(self) -> Cookies | None:
        looks = self._look_everywhere().values()
        newest = max((one.session for one in looks if one.session), key=lambda one: one.expires, default=None)
        if newest is not None:
            self.missing = NO_TEXT
            return newest.cookies
        for one in looks:
            if one.trouble is not None:
                raise one.trouble
        return None

    def _look(self, database: Path, now: float) -> _Look:
        """Look at one database; its stamp is taken first, so that no later change is missed."""
        before = self._looks.get(database)
        try:
            seen = stamp(database)
            if seen is None:
                return _Look(None, now)
            if before is not None and before.holds(seen, now):
                return before
            with opened_copy(database) as connection:
                found = self._sessions(connection, database)
        except CannotCopy as error:
            return before or _Look(None, now, trouble=self._trouble(error))
        except (Unreadable, OSError, sqlite3.Error) as error:
            return _Look(seen if isinstance(error, Unreadable) else None, now, trouble=self._trouble(error))
        return _Look(seen, now, tuple(found))

    def _trouble(self, error: Exception) -> AccountError:
        match error:
            case Unreadable():
                en, zh = error.en, error.zh
            case CannotCopy():
                en, zh = "the browser writes without a pause; look again", "浏览器正在持续写入，请稍后再试"
            case PermissionError():
                en = f"no permission to read {error.filename}; run gemgate as the user who runs the browser"
                zh = f"没有权限读取 {error.filename}，请以运行浏览器的用户身份运行 gemgate"
            case _:
                en = zh = f"{type(error).__name__}: {error}"
        return AccountError(
            f"The cookies of {self.name} cannot be read: {en}",
            f"无法读取 {self.name} 的 Cookie：{zh}",
            code="cookies_unreadable",
        )


def _missing(databases: Sequence[Path]) -> LocalText:
    if not databases:
        return LocalText("there is no browser profile (yet)", "（还）没有浏览器配置文件")
    folders = ", ".join(str(database.parent) for database in databases)
    return LocalText(
        f"no Google session in {folders}; sign in at gemini.google.com in that browser",
        f"{folders} 中没有 Google 会话，请在该浏览器中登录 gemini.google.com",
    )
