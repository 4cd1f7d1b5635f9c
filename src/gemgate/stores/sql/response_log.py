"""The log of background responses in the database: a row for what was said at once, under the data key of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gemgate.batches import Claim
from gemgate.lazy_import import later
from gemgate.offload import offload
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.sql.data_keys import KEY_COLUMNS, DataKeys
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.job_statements import held_by, locked
from gemgate.stores.sql.kept_words import ChatShare, size
from gemgate.stores.sql.schema import batch, task
from gemgate.stores.sql.schema import response_event as table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")


class SqlResponseLog:
    """The port `ResponseLog` on SQLite and PostgreSQL."""

    def __init__(self, database: Database, vault: Vault, share: ChatShare | None = None) -> None:
        self._database = database
        self._share = share or ChatShare()
        self._keys = DataKeys(vault)

    async def append(self, claim: Claim, number: int, said: str) -> bool:
        response_id = claim.batch.id
        async with self._database.writing() as connection:
            order = await locked(connection, response_id)  # so that nothing is said once it is cancelled
            held = select(task.c.id).where(held_by(claim))
            if order is None or order.state != "active" or await connection.scalar(held) is None:
                return False
            key = await self._keys.open(response_id, Sealed(order.data_key_id, order.data_key))
            row = {"response": response_id, "number": number, "events": key.seal(_subject(response_id, number), said)}
            insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
            new = await connection.execute(insert_one(table).values(row).on_conflict_do_nothing())
            if new.rowcount:
                grown = size(str(row["events"]))
                more = update(batch).where(batch.c.id == response_id).values(bytes=batch.c.bytes + grown)
                await connection.execute(more)
                await self._share.make_room(connection, order.tenant, response_id, grown)
        return True

    async def read(self, response_id: str, after: int = -1) -> Sequence[tuple[int, str]]:
        query = select(table).where(table.c.response == response_id, table.c.number > after).order_by(table.c.number)
        return await self._opened(response_id, query)

    async def last(self, response_id: str) -> Sequence[tuple[int, str]]:
        query = select(table).where(table.c.response == response_id).order_by(table.c.number.desc()).limit(1)
        return await self._opened(response_id, query)

    async def _opened(self, response_id: str, query: Select[Any]) -> Sequence[tuple[int, str]]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            held = (await connection.execute(select(*KEY_COLUMNS).where(batch.c.id == response_id))).one_or_none()
        if held is None or not rows:
            return []
        key = await self._keys.open(response_id, Sealed(held.data_key_id, held.data_key))
        size = sum(len(row.events) for row in rows)
        return await offload(
            size, lambda: [(row.number, key.open(_subject(response_id, row.number), row.events)) for row in rows]
        )


def _subject(response_id: str, number: int) -> str:
    return f"events {number} of {response_id}"
