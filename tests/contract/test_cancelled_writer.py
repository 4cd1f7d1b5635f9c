"""A writer that is cancelled, at whatever it is at, once or twice, ends its transaction: the next writes at once."""

from __future__ import annotations

import asyncio
import gc
import threading
import types
import weakref
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gemgate.stores.sql.database import Database, open_database, unopened
from tests.support.patience import AT_ONCE, PATIENCE

GAPS = (None, 0, 1, 3)


@types.coroutine
def _cancelled(work: Coroutine[Any, Any, int], *at: int) -> Generator[Any, Any, tuple[int, bool]]:
    """Run, cancelled whenever it waits for the n-th time; how often it waited, and whether it came to its end."""
    waits, sent = 0, None
    thrown: list[BaseException] = []
    while True:
        try:
            awaited = work.throw(thrown.pop()) if thrown else work.send(sent)
        except StopIteration:
            return waits, waits <= min(at)
        if waits in at:
            _cancel()
        waits += 1
        sent = None
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - it is the work's
            thrown.append(error)


def _cancel() -> None:
    """The task that runs now; no frame that an error holds may name it, for it holds the error that ends it."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def _write(database: Database) -> int:
    """Rows that come back, rows that are read, and a change: three rows a time."""
    async with database.writing() as connection:
        inserted = await connection.execute(text("INSERT INTO tried(x) VALUES (1), (2), (3) RETURNING x"))
        (await connection.execute(text("SELECT x FROM tried"))).all()
        await connection.execute(text("UPDATE tried SET x = x + 1"))
        return len(inserted.all())


async def test_a_cancelled_writer_lets_the_next_one_write(database_url: str) -> None:
    database = await open_database(database_url)
    kept: list[BaseException] = []
    gc.disable()
    try:
        async with database.writing() as connection:
            await connection.execute(text("CREATE TABLE tried (x INTEGER)"))
        for gap in GAPS:
            await _at_every_wait(database, gap, kept)
        assert len(kept) > 10
    finally:
        gc.enable()
        await database.close()


async def _at_every_wait(database: Database, gap: int | None, kept: list[BaseException]) -> None:
    """The exceptions are kept, as a task or a log keeps them: what they hold must not matter."""
    at, ended = 0, False
    while not ended:
        once = (at,) if gap is None else (at, at + 1 + gap)
        [told] = await asyncio.gather(_begun(_write(database), once), return_exceptions=True)
        if isinstance(told, BaseException):
            kept.append(told)
        else:
            ended = told[1]
        async with asyncio.timeout(AT_ONCE):  # a lock that nobody lets go of costs 30 s
            async with database.writing() as connection:
                await connection.execute(text("INSERT INTO tried(x) VALUES (1), (2), (3)"))
        async with database.reading() as connection:
            rows = await connection.scalar(text("SELECT count(*) FROM tried"))
        assert rows % 3 == 0, "half a transaction is there"
        at += 1


async def _begun(work: Coroutine[Any, Any, int], at: tuple[int, ...]) -> tuple[int, bool]:
    return await _cancelled(work, *at)


async def test_a_cancelled_writer_goes_without_the_collector(database_url: str) -> None:
    database = await open_database(database_url)
    gone: list[weakref.ref[BaseException]] = []
    gc.disable()
    try:
        async with database.writing() as connection:
            await connection.execute(text("CREATE TABLE tried (x INTEGER)"))
        for gap in GAPS:
            at, ended = 0, False
            while not ended:
                once = (at,) if gap is None else (at, at + 1 + gap)
                [told] = await asyncio.gather(_noted(_write(database), once, gone), return_exceptions=True)
                ended = not isinstance(told, BaseException) and told[1]
                del told
                at += 1
        assert len(gone) > 10
    finally:
        await database.close()
        held = sum(error() is not None for error in gone)
        gc.enable()
    assert held == 0


async def _noted(
    work: Coroutine[Any, Any, int], at: tuple[int, ...], gone: list[weakref.ref[BaseException]]
) -> tuple[int, bool]:
    try:
        return await _cancelled(work, *at)
    except BaseException as error:
        gone.append(weakref.ref(error))
        raise


async def test_whoever_was_cancelled_no_thread_outlives_a_closed_file(tmp_path: Path) -> None:
    """Cancelled as it connects, reads or closes, once or twice: its loop ends, and there is nobody left to tell it."""
    others = set(threading.enumerate())
    await (await open_database(tmp_path / "gemgate.db")).close()
    for gap in GAPS:
        at, ended = 0, False
        while not ended:
            database = unopened(tmp_path / "gemgate.db")
            once = (at,) if gap is None else (at, at + 1 + gap)
            [told] = await asyncio.gather(_begun(_read(database), once), return_exceptions=True)
            ended = not isinstance(told, BaseException) and told[1]
            await database.close()
            left = {one for one in set(threading.enumerate()) - others if "connection_worker" in one.name}
            assert not left, (at, gap)
            at += 1
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    async with asyncio.timeout(PATIENCE):  # closings that SQLAlchemy shields from their caller's end
        await asyncio.gather(*waiting, return_exceptions=True)


async def _read(database: Database) -> int:
    """Some rows, for which SQLite needs a while."""
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30000) SELECT max(x) FROM n"
    async with database.reading() as connection:
        return int(await connection.scalar(text(rows)))
