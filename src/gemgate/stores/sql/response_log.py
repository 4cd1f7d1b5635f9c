"""The log of background responses in the database: a row for what was said at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gemgate.batches import Claim
from gemgate.lazy_import import later
from gemgate.ports.vault import Sealed
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.job_statements import locked
from gemgate.stores.sql.schema import response_event as table
from gemgate.stores.sql.schema import task

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")


class SqlResponseLog:
    """The port `ResponseLog` on SQLite and PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, claim: Claim, number: int, said: Sealed) -> bool:
        held = select(task.c.id).where(
            task.c.id == claim.task.id,
            task.c.status == "running",
            task.c.lease_owner == claim.owner,
            task.c.attempt == claim.task.attempt,
        )
        row = {"response": claim.batch.id, "number": number, "events": said.text, "events_key": said.key_id}
        async with self._database.writing() as connection:
            order = await locked(connection, claim.batch.id)  # so that nothing is said once it is cancelled
            if order is None or order.state != "active" or await connection.scalar(held) is None:
                return False
            insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
            await connection.execute(insert_one(table).values(row).on_conflict_do_nothing())
        return True

    async def read(self, response_id: str, after: int = -1) -> Sequence[tuple[int, Sealed]]:
        query = select(table).where(table.c.response == response_id, table.c.number > after).order_by(table.c.number)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.number, Sealed(row.events_key, row.events)) for row in rows]
