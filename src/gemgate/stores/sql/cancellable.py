"""A PostgreSQL connection that lets go at once when what waits for it is cancelled.

psycopg first asks the server to cancel the query and waits for up to ten seconds. A server that hangs would hold a call
for so long after its deadline; a connection costs a millisecond.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg import pq, waiting
from psycopg.abc import RV, PQGen

INTERVAL = 0.1


class CancellableConnection(psycopg.AsyncConnection[Any]):
    """Ends when the query that it is at is cancelled; the pool opens another."""

    async def wait(self, gen: PQGen[RV], interval: float = INTERVAL, timeout: float | None = None) -> RV:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except (asyncio.CancelledError, KeyboardInterrupt):
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
