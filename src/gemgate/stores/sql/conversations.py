"""Web conversations that can be continued, and answers of the Responses API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson
from sqlalchemy import Executable, Row, Update, and_, delete, func, not_, or_, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.errors import StorageDown
from gemgate.lazy_import import later
from gemgate.ports.conversations import Conversation, StoredResponse
from gemgate.ports.upstream import Thread
from gemgate.stores.sql import made_chats
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.kept_words import ChatShare, size
from gemgate.stores.sql.schema import conversation as table
from gemgate.stores.sql.schema import stored_response as responses

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

CHUNK = 500
"""Tips in one query: SQLite takes 32,766 parameters, long histories have fewer messages than this."""
BEHIND = 1.0
"""Seconds that a save may wait for others; a continued chat that is killed before is told its history once more."""

_Values = dict[str, str | int | float | bool]


class SqlConversationStore:
    """A lease is a conditional update, so two callers never continue one conversation at once.

    behind: `save` returns at once, and what was saved within a moment is written together by `tend`, before anything
    else is asked here at the latest. It is for a database that nobody else reads: a crash in that moment costs that
    the histories are told anew. What callers know by its id, or what is to be deleted at Google, never waits.
    share: how much of named ones a key may have here; what was said in the oldest is forgotten. per_key: how many of
    all kinds.
    """

    def __init__(
        self, database: Database, *, behind: bool = False, share: ChatShare | None = None, per_key: int = 0
    ) -> None:
        self._database = database
        self.per_key = per_key
        self._crowded: frozenset[str] = frozenset()
        """Tenants who have named as many as they may have, by the last look."""
        self._share = share or ChatShare()
        self._behind = behind
        self._waiting: dict[str, Conversation] = {}
        self._told = asyncio.Event()
        self._writing = asyncio.Lock()

    async def find(self, tenant: str, tips: Sequence[str]) -> Conversation | None:
        # Nothing can be longer than a history that ends where the caller's does.
        for one in self._waiting.values():
            if tips and one.tip == tips[-1] and one.tenant == tenant:
                return one
        await self.written()
        query = (
            select(table)
            .where(table.c.tip.in_(tips[-CHUNK:]), table.c.tenant == tenant)
            .order_by(table.c.length.desc(), table.c.lease_until, table.c.updated_at.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _conversation(row) if row else None

    async def get(self, tenant: str | None, conversation_id: str) -> Conversation | None:
        await self.written()
        query = select(table).where(table.c.id == conversation_id)
        if tenant is not None:
            query = query.where(table.c.tenant == tenant)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _conversation(row) if row else None

    async def lease(self, conversation_id: str, owner: str, now: float, seconds: float) -> bool:
        if await self._flush(conversation_id, owner, now + seconds):
            return True
        change = (
            update(table)
            .where(table.c.id == conversation_id, or_(table.c.lease_until <= now, table.c.lease_owner == owner))
            .values(lease_owner=owner, lease_until=now + seconds)
        )
        async with self._database.writing() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def release(self, conversation_id: str, owner: str) -> None:
        await self.written()
        change = (
            update(table)
            .where(table.c.id == conversation_id, table.c.lease_owner == owner)
            .values(lease_owner="", lease_until=0.0)
        )
        async with self._database.writing() as connection:
            await connection.execute(change)

    def save_soon(self, conversation: Conversation) -> bool:
        if soon := self._behind and not conversation.named and not conversation.delete_at:
            self._waiting[conversation.id] = conversation
            self._told.set()
        return soon

    async def save(self, conversation: Conversation, *, anew: bool = True) -> None:
        if self.save_soon(conversation):
            return
        await self.written()
        row = _row(conversation)
        async with self._database.writing() as connection:
            if anew:
                saved = await connection.execute(_upsert(self._database.is_sqlite, told=True), row)
            else:
                saved = await connection.execute(_changed(row).returning(table.c.id))
            if saved.one_or_none() is None and conversation.thread.cid:  # the id is another tenant's, or was deleted
                await connection.execute(made_chats.of(conversation.thread.cid, conversation.tenant))
            elif conversation.transcript:
                await self._share.make_room(connection, conversation.tenant, conversation.id, cast("int", row["bytes"]))

    async def tend(self) -> None:
        """Write what waits, together, a moment after it came; runs for ever, and leaves nothing when it is ended."""
        try:
            while True:
                await self._told.wait()
                await asyncio.sleep(BEHIND)
                with contextlib.suppress(StorageDown):
                    await self.written()
        finally:
            with contextlib.suppress(StorageDown):
                await self.written()

    async def written(self) -> None:
        """Return when everything that was saved so far stands in the database. StorageDown: what waited is given up."""
        await self._flush()

    async def _flush(self, leased: str = "", owner: str = "", until: float = 0.0) -> bool:
        """Write what waits; whether `leased` was among it and is the owner's now: nobody else can have leased it."""
        async with self._writing:
            self._told.clear()
            rows, self._waiting = self._waiting, {}
            if not rows:
                return False
            try:
                await self._write([_row(one, *((owner, until) if one.id == leased else ())) for one in rows.values()])
            except asyncio.CancelledError:
                self._waiting = rows | self._waiting
                self._told.set()
                raise
            return leased in rows

    async def _write(self, rows: list[_Values]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(_upsert(self._database.is_sqlite), rows)

    async def forget(self, conversation_id: str) -> None:
        await self.written()
        async with self._database.writing() as connection:
            await connection.execute(delete(table).where(table.c.id == conversation_id))

    async def latest(self, tenant: str | None, limit: int, offset: int = 0) -> tuple[Sequence[Conversation], int]:
        await self.written()
        query = select(table).order_by(table.c.updated_at.desc(), table.c.id).limit(limit).offset(offset)
        total = select(func.count()).select_from(table)
        if tenant is not None:
            query, total = query.where(table.c.tenant == tenant), total.where(table.c.tenant == tenant)
        async with self._database.reading() as connection:
            rows = [_conversation(row) for row in await connection.execute(query)]
            return rows, int((await connection.execute(total)).scalar_one())

    async def worded(self, tenant: str, words: Sequence[str], limit: int, offset: int = 0) -> Sequence[Conversation]:
        await self.written()
        query = select(table).where(table.c.tenant == tenant, table.c.named, table.c.transcript != "")
        for word in words:
            if word.isascii() or word.lower() == word.upper():  # SQLite knows no other letters' cases
                written = orjson.dumps(word).decode()[1:-1]
                query = query.where(table.c.transcript.icontains(written, autoescape=True))
        query = query.order_by(table.c.updated_at.desc(), table.c.id).limit(limit).offset(offset)
        async with self._database.reading() as connection:
            return [_conversation(row) for row in await connection.execute(query)]

    async def due(self, now: float, limit: int) -> Sequence[Conversation]:
        await self.written()
        query = (
            select(table)
            .where(table.c.delete_at > 0, table.c.delete_at <= now, table.c.lease_until <= now)
            .order_by(table.c.delete_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_conversation(row) for row in await connection.execute(query)]

    async def put_off(self, conversation_id: str, moment: float) -> None:
        late = and_(table.c.id == conversation_id, table.c.delete_at > 0, table.c.delete_at < moment)
        async with self._database.writing() as connection:
            await connection.execute(update(table).where(late).values(delete_at=moment))

    async def forget_before(self, moment: float) -> int:
        await self.written()
        old = and_(table.c.updated_at < moment, table.c.delete_at == 0)
        async with self._database.writing() as connection:
            await connection.execute(made_chats.of_conversations(old))
            return (await connection.execute(delete(table).where(old))).rowcount

    async def forget_beyond(self) -> int:
        if not self.per_key:
            self._crowded = frozenset()
            return 0
        await self.written()
        held = func.count()
        query = select(table.c.tenant, held.label("held")).group_by(table.c.tenant).having(held > self.per_key)
        async with self._database.reading() as connection:
            over = {row.tenant: row.held - self.per_key for row in await connection.execute(query)}
            crowded = [one for one in over if await self._named(connection, one) >= self.per_key]
        self._crowded = frozenset(crowded)
        gone = 0
        for tenant, count in over.items():
            for start in range(0, count, CHUNK):
                some = await self._forget_oldest(tenant, min(CHUNK, count - start))
                gone += some
                if some < CHUNK:
                    break
        return gone

    async def _forget_oldest(self, tenant: str, count: int) -> int:
        """At most so many of those that have no name, wait for nothing and are not being continued."""
        idle = and_(table.c.delete_at == 0, table.c.lease_until <= epoch_now(), not_(table.c.named))
        oldest = select(table.c.id).where(table.c.tenant == tenant, idle).order_by(table.c.updated_at).limit(count)
        async with self._database.writing() as connection:
            ids = (await connection.execute(oldest)).scalars().all()
            await connection.execute(made_chats.of_conversations(table.c.id.in_(ids)))
            await connection.execute(delete(table).where(table.c.id.in_(ids)))
        return len(ids)

    async def has_room(self, tenant: str) -> bool:
        if not self.per_key or tenant not in self._crowded:
            return True
        async with self._database.reading() as connection:
            return await self._named(connection, tenant) < self.per_key

    async def _named(self, connection: AsyncConnection, tenant: str) -> int:
        query = select(func.count()).select_from(table).where(table.c.tenant == tenant, table.c.named)
        return int((await connection.execute(query)).scalar_one())

    async def count(self) -> int:
        await self.written()
        async with self._database.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


def _changed(row: _Values) -> Update:
    """What is new of one that is there."""
    values = {name: value for name, value in row.items() if name not in ("id", "tenant", "created_at")}
    return update(table).where(table.c.id == row["id"], table.c.tenant == row["tenant"]).values(values)


@functools.cache
def _upsert(sqlite: bool, *, told: bool = False) -> Executable:
    """Built once: SQLAlchemy takes longer to build it than SQLite to carry it out. told: it tells ids that it wrote."""
    statement = (sqlite_insert if sqlite else postgresql.insert)(table)
    changed = {c.name: statement.excluded[c.name] for c in table.c if c.name not in ("id", "tenant", "created_at")}
    # An id belongs to the tenant who took it first; another one's row is left alone.
    own = table.c.tenant == statement.excluded.tenant
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=changed, where=own)
    return statement.returning(table.c.id) if told else statement


def _row(conversation: Conversation, owner: str = "", until: float = 0.0) -> _Values:
    return {
        "id": conversation.id,
        "tenant": conversation.tenant,
        "tip": conversation.tip,
        "length": conversation.length,
        "account": conversation.account,
        "identity": conversation.identity,
        "offer": conversation.offer,
        "metadata": orjson.dumps([*conversation.thread.metadata, conversation.thread.turns]).decode(),
        "sentinel": conversation.sentinel,
        "named": conversation.named,
        "transcript": conversation.transcript,
        "bytes": size(conversation.transcript),
        "lease_owner": owner,
        "lease_until": until,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "delete_at": conversation.delete_at,
        "cid": conversation.thread.cid,
    }


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        tenant=row.tenant,
        tip=row.tip,
        length=row.length,
        account=row.account,
        identity=row.identity,
        offer=row.offer,
        thread=_thread(orjson.loads(row.metadata)),
        created_at=row.created_at,
        updated_at=row.updated_at,
        sentinel=row.sentinel,
        named=row.named,
        transcript=row.transcript,
        delete_at=row.delete_at,
    )


class SqlResponseStore:
    """`prefix`: answers whose ids begin otherwise are another dialect's and not seen.

    share: how much a key may have here; the oldest are forgotten.
    """

    def __init__(self, database: Database, prefix: str = "", share: ChatShare | None = None) -> None:
        self._database = database
        self._share = share or ChatShare()
        self._prefix = prefix

    async def save(self, response: StoredResponse) -> None:
        values = {
            "id": response.id,
            "tenant": response.tenant,
            "body": response.body,
            "transcript": response.transcript,
            "created_at": response.created_at,
            "bytes": (nbytes := size(response.body, response.transcript)),
        }
        insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
        async with self._database.writing() as connection:
            await connection.execute(insert_one(responses).values(values).on_conflict_do_nothing())
            await self._share.make_room(connection, response.tenant, response.id, nbytes)

    async def get(self, response_id: str, tenant: str) -> StoredResponse | None:
        if not response_id.startswith(self._prefix):
            return None
        query = select(responses).where(responses.c.id == response_id, responses.c.tenant == tenant)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return StoredResponse(row.id, row.tenant, row.body, row.transcript, row.created_at) if row else None

    async def delete(self, response_id: str, tenant: str) -> bool:
        if not response_id.startswith(self._prefix):
            return False
        change = delete(responses).where(responses.c.id == response_id, responses.c.tenant == tenant)
        async with self._database.writing() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def forget_before(self, moment: float) -> int:
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(responses).where(responses.c.created_at < moment))
        return gone.rowcount


def _thread(row: list[Any]) -> Thread:
    """The slots, and behind them the number of turns where it was counted."""
    counted = bool(row) and isinstance(row[-1], int)
    return Thread(tuple(row[:-1]), row[-1]) if counted else Thread(tuple(row))
