"""Pairing codes by their digest, and the last push of each account: no secret, and no cookie."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from gemgate.lazy_import import later
from gemgate.ports.pairings import CookiePush, PairingCode
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import account_push, pairing_code

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")


class SqlPairingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def offer(self, code: PairingCode, now: float) -> None:
        over = or_(pairing_code.c.account == code.account, pairing_code.c.expires_at <= now)
        async with self._database.writing() as connection:
            await connection.execute(delete(pairing_code).where(over))
            await connection.execute(insert(pairing_code).values(asdict(code)))

    async def redeem(self, digest: str, now: float) -> str | None:
        taken = delete(pairing_code).where(pairing_code.c.digest == digest).returning(
            pairing_code.c.account, pairing_code.c.expires_at
        )  # fmt: skip
        async with self._database.writing() as connection:
            row = (await connection.execute(taken)).one_or_none()
            if row is None or row.expires_at <= now:
                return None
            await connection.execute(delete(account_push).where(account_push.c.account == row.account))
            return str(row.account)

    async def pushed(self, account: str) -> CookiePush | None:
        query = select(account_push).where(account_push.c.account == account)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return CookiePush(**row._mapping) if row is not None else None  # noqa: SLF001 - public

    async def keep_push(self, push: CookiePush) -> bool:
        values = asdict(push)
        older = or_(
            account_push.c.version < push.version,
            and_(account_push.c.version == push.version, account_push.c.digest == push.digest),
        )
        insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
        newest = (
            insert_one(account_push)
            .values(values)
            .on_conflict_do_update(index_elements=[account_push.c.account], set_=values, where=older)
            .returning(account_push.c.account)
        )
        try:
            async with self._database.writing() as connection:
                return (await connection.execute(newest)).one_or_none() is not None
        except IntegrityError:  # the account is gone
            return False
