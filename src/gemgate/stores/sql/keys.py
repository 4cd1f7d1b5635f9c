"""Keys made on the page and its signed-in sessions: digests only, never a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from gemgate.caller import Budget
from gemgate.errors import Conflict
from gemgate.lazy_import import later
from gemgate.ports.keys import ClientKey, PageSession
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.job_statements import give_up
from gemgate.stores.sql.schema import client_key, page_session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

_CONFIGURED = "API_KEY:"
"""Begins the digest of a row that only keeps a name for an entry of API_KEY: no digest of a secret has a colon."""


class SqlKeyStore:
    """Revoked keys stay as rows, so that nobody takes their name and with it what belonged to them.

    The names of API_KEY stand beside them, under the same unique index and without a secret: a name is one owner's for
    ever, in whatever order keys are made, settings changed, nodes started and backups restored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self) -> Sequence[ClientKey]:
        made = ~client_key.c.digest.startswith(_CONFIGURED, autoescape=True)
        query = select(client_key).where(made).order_by(client_key.c.created_at.desc(), client_key.c.id)
        async with self._database.reading() as connection:
            return [_key(row) for row in await connection.execute(query)]

    async def add_key(self, key: ClientKey) -> None:
        values = {
            "id": key.id,
            "name": key.name,
            "digest": key.digest,
            "hint": key.hint,
            "models": " ".join(sorted(key.models)),
            "operations": " ".join(sorted(key.operations)),
            "per_hour": key.per_hour,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "account": key.account,
            "budget": str(key.budget),
        }
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(client_key).values(values))
        except IntegrityError:
            raise Conflict(
                f"There is or was a key named {key.name}; choose another name",
                f"名为 {key.name} 的密钥已存在或曾经存在，请换一个名称",
                param="name",
                code="key_exists",
            ) from None

    async def reserve(self, names: Sequence[str], now: float) -> None:
        insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
        async with self._database.writing() as connection:
            for name in names:
                mark = _CONFIGURED + name
                values = {"id": mark, "name": name, "digest": mark, "hint": "", "created_at": now}
                entry = insert_one(client_key).values(values).on_conflict_do_nothing()
                await connection.execute(entry)
            holders = select(client_key.c.name, client_key.c.digest).where(client_key.c.name.in_(names))
            taken = [row.name for row in await connection.execute(holders) if row.digest != _CONFIGURED + row.name]
        if taken:
            raise Conflict(
                f"The key named {min(taken)} is or was made on the page",
                f"名为 {min(taken)} 的密钥是（或曾经）在页面上创建的",
                param=min(taken),
                code="key_exists",
            )

    async def set_budget(self, key_id: str, budget: Budget) -> bool:
        made = ~client_key.c.digest.startswith(_CONFIGURED, autoescape=True)
        mine = (client_key.c.id == key_id) & (client_key.c.revoked_at == 0) & made
        async with self._database.writing() as connection:
            changed = await connection.execute(update(client_key).where(mine).values(budget=str(budget)))
        return bool(changed.rowcount)

    async def revoke_key(self, key_id: str, at: float) -> bool:
        mine = (client_key.c.id == key_id) & (client_key.c.revoked_at == 0)
        revoked = update(client_key).where(mine).values(revoked_at=at).returning(client_key.c.name)
        async with self._database.writing() as connection:
            name = (await connection.execute(revoked)).scalar_one_or_none()
        if name is not None:
            await give_up(self._database, name)
        return name is not None

    async def used(self, moments: Mapping[str, float]) -> None:
        async with self._database.writing() as connection:
            for key_id, at in moments.items():
                older = (client_key.c.id == key_id) & (client_key.c.used_at < at)
                await connection.execute(update(client_key).where(older).values(used_at=at))

    async def sessions(self, now: float) -> Sequence[PageSession]:
        query = select(page_session).where(page_session.c.expires_at > now).order_by(page_session.c.created_at.desc())
        async with self._database.reading() as connection:
            return [PageSession(**row._mapping) for row in await connection.execute(query)]  # noqa: SLF001 - public

    async def add_session(self, session: PageSession) -> None:
        values = {name: getattr(session, name) for name in page_session.c.keys()}  # noqa: SIM118 - columns, no dict
        async with self._database.writing() as connection:
            over = page_session.c.expires_at <= session.created_at
            await connection.execute(delete(page_session).where(over))
            await connection.execute(insert(page_session).values(values))

    async def end_session(self, session_id: str) -> bool:
        async with self._database.writing() as connection:
            ended = await connection.execute(delete(page_session).where(page_session.c.id == session_id))
        return bool(ended.rowcount)

    async def end_sessions(self) -> int:
        async with self._database.writing() as connection:
            return int((await connection.execute(delete(page_session))).rowcount)


def _key(row: Row[Any]) -> ClientKey:
    return ClientKey(
        id=row.id,
        name=row.name,
        digest=row.digest,
        hint=row.hint,
        models=frozenset(row.models.split()),
        operations=frozenset(row.operations.split()),
        per_hour=row.per_hour,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
        account=row.account,
        budget=Budget.parse(row.budget),
    )
