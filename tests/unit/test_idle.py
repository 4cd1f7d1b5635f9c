"""An idle node leaves its database alone: transactions are counted in a minute of a clock that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gemgate.assembly.node import open_service
from gemgate.settings import explicit
from gemgate.stores.sql.database import Database
from gemgate.testing import FakeClock
from gemgate.web.auth.access import Access
from gemgate.web.auth.key_cache import ALONE

IDLE_MINUTE = 30
"""Transactions at most: two every ten seconds for the accounts' leases, one every fifteen for each of three loops."""


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with every transaction of this process."""
    counted: list[str] = []
    for name in ("reading", "writing"):
        really = getattr(Database, name)

        @asynccontextmanager
        async def counting(
            self: Database, *arguments: Any, _really: Any = really, _name: str = name
        ) -> AsyncIterator[Any]:
            counted.append(_name)
            async with _really(self, *arguments) as connection:
                yield connection

        monkeypatch.setattr(Database, name, counting)
    return counted


async def pass_a_minute(clock: FakeClock, database: Database) -> None:
    for _ in range(120):
        await clock.advance(0.5)
        async with asyncio_turns(database):
            pass


@asynccontextmanager
async def asyncio_turns(database: Database) -> AsyncIterator[None]:
    """Let what the turn of the clock has woken go through the database, whose answers come from a thread."""
    async with database._reader.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
    yield


async def test_an_idle_minute_costs_few_transactions(tmp_path: Path, transactions: list[str]) -> None:
    clock = FakeClock()
    settings = explicit(data_dir=tmp_path / "data", cookie_key_file=tmp_path / "cookie.key")
    async with open_service(settings, clock=clock) as service:
        access = Access(settings, service.keys, clock)
        service.run("keys", lambda: access.keybook.run(ALONE))
        await pass_a_minute(clock, service.database)
        transactions.clear()
        await pass_a_minute(clock, service.database)
        assert 1 <= len(transactions) <= IDLE_MINUTE, len(transactions)
