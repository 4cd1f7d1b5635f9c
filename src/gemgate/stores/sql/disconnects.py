"""A SQLite connection that ends its transaction before it is closed, whatever it was at.

When a writer is cancelled, SQLAlchemy closes its connection. SQLite keeps a closed connection, and with it the
transaction and the lock on the file, for as long as one of its statements is unfinished (`sqlite3_close_v2`), and
Python keeps the statement of a cursor whose rows nobody fetched for as long as somebody keeps the exception. Every
other writer then waits its whole busy timeout.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from functools import partial
from typing import Any

import aiosqlite


class Ending(aiosqlite.Connection):
    """Rolls back in its own thread, after what it is at and before it is closed."""

    @classmethod
    def connect(cls, database: str, **options: Any) -> Ending:
        connection = cls(partial(sqlite3.connect, database, **options), 64)
        connection._thread.daemon = True
        return connection

    async def close(self) -> None:
        self._end()
        await super().close()

    def stop(self) -> asyncio.Future[Any] | None:
        self._end()
        return super().stop()

    def _end(self) -> None:
        if self._connection is not None:
            self._tx.put_nowait((None, partial(_roll_back, self._connection)))


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.rollback()
