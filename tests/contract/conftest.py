"""Real servers for the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gemgate.stores.sql.database import Database, open_database
from tests.support.servers import database_url, own_redis, postgres_server, postgres_url, redis_server

__all__ = ["database_url", "own_redis", "postgres_server", "postgres_url", "redis_server"]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()
