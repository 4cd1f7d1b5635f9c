"""A SQLite connection that ends its transaction before it is closed, whatever it was at, and its thread once.

When a writer is cancelled, SQLAlchemy closes its connection. SQLite keeps a closed connection, and with it the
transaction and the lock on the file, for as long as one of its statements is unfinished (`sqlite3_close_v2`), and
Python keeps the statement of a cursor whose rows nobody fetched for as long as somebody keeps the exception. Every
other writer then waits its whole busy timeout.

SQLAlchemy asks a connection to close, and when it is cancelled a second time meanwhile, to stop as well. The thread
runs nothing of what comes behind a stop: who waited for the second one waited for ever, and his loop could not end.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any
from weakref import WeakSet

import aiosqlite

ENDING_SECONDS = 5.0
"""How long threads are waited for; a connection that somebody still holds does not end."""


class Endings:
    """The connections to one file. A thread tells its loop how its work went, so that the loop must not end before."""

    def __init__(self) -> None:
        self._threads: WeakSet[Thread] = WeakSet()

    def connect(self, database: str, **options: Any) -> Ending:
        connection = Ending(database, **options)
        self._threads.add(connection.thread)
        return connection

    async def ended(self) -> None:
        """Wait until all threads have ended, which were asked to."""
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        over = time.monotonic() + ENDING_SECONDS
        for thread in [one for one in self._threads if one.is_alive()]:
            thread.join(max(0.0, over - time.monotonic()))


class Ending(aiosqlite.Connection):
    """Rolls back in its own thread, after what it is at and before it is closed."""

    _stops = False
    _stopped: asyncio.Future[Any] | None = None

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(partial(sqlite3.connect, database, **options), 64)
        self._thread.daemon = True

    @property
    def thread(self) -> Thread:
        return self._thread

    async def close(self) -> None:
        self._end()
        await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        if not self._stops:
            self._stops = True
            self._end()
            self._stopped = super().stop()
        return self._stopped

    def _end(self) -> None:
        if self._connection is not None:
            self._tx.put_nowait((None, partial(_roll_back, self._connection)))


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.rollback()
