"""How many words of one key may be here: kept answers, named conversations and jobs together, the oldest go first.

Of a conversation goes what was said: its row stays, for the chat at Google that it belongs to. A job goes when it has
ended; those that have not are never forgotten, and so no more of them are taken than there is room for. One that
brought a video or music counts elsewhere (`kept_media`): the file would be lost with it.
"""

from __future__ import annotations

from sqlalchemy import CompoundSelect, and_, case, delete, func, literal, select, union_all, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.errors import RateLimited
from gemgate.stores.sql import made_chats
from gemgate.stores.sql.schema import batch, conversation, stored_response

MB = 1_000_000
CHAT, ANSWER, JOB = 0, 1, 2
PROCESSES = 8
"""So many may write for one key side by side, each what its part of the free room holds, before the next sum."""
GONE_AT_ONCE = 500
"""Rows in one statement: SQLite takes 32,766 parameters."""


def size(*texts: str) -> int:
    """Bytes in UTF-8."""
    return sum(len(text) if text.isascii() else len(text.encode(errors="surrogatepass")) for text in texts)


class ChatShare:
    """most: bytes that one key may have, 0 = any number."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._free: dict[str, tuple[int, int]] = {}
        """By tenant: the bound of the last look, and bytes that may come before all that is kept is added up again."""

    async def make_room(
        self, connection: AsyncConnection, tenant: str, written: str, nbytes: int, *, ordered: bool = False
    ) -> None:
        """Within the transaction that has written something: forget the oldest until the rest is little enough, and
        a twentieth less (in whole MB), or the next would go through all of it again. What is larger by itself goes.

        written: its id. It is the newest, whatever else came within the same second. nbytes: of it. ordered: it is a
        job; RateLimited when those that have not ended are too much together.
        """
        if not self.most:
            return
        of, free = self._free.get(tenant, (0, 0))
        if of == self.most and nbytes <= free:
            self._free[tenant] = of, free - nbytes
            return
        kept = _kept(tenant).subquery()
        sums = select(*(func.coalesce(func.sum(what), 0) for what in (kept.c.bytes, kept.c.bytes * kept.c.stays)))
        total, waiting = map(int, (await connection.execute(sums)).one())
        if ordered and waiting > self.most:
            self._free.pop(tenant, None)
            raise _too_much(self.most, waiting - nbytes)
        most = self.most if total <= self.most else self.most - self.most // 20 // MB * MB
        self._free[tenant] = self.most, (self.most - min(total, most)) // PROCESSES
        if total <= self.most:
            return
        newest_first = func.sum(kept.c.bytes).over(
            order_by=(case((kept.c.stays == 1, 0), (kept.c.id == written, 1), else_=2), kept.c.at.desc(), kept.c.id),
            rows=(None, 0),
        )
        ranked = select(kept.c.what, kept.c.id, kept.c.stays, newest_first.label("upto")).subquery()
        query = select(ranked.c.what, ranked.c.id).where(
            ranked.c.stays == 0, ranked.c.upto > case((ranked.c.id == written, self.most), else_=most)
        )
        over = (await connection.execute(query)).all()
        for at in range(0, len(over), GONE_AT_ONCE):
            part = over[at : at + GONE_AT_ONCE]
            answers, chats, jobs = ([row.id for row in part if row.what == what] for what in (ANSWER, CHAT, JOB))
            await connection.execute(delete(stored_response).where(stored_response.c.id.in_(answers)))
            if jobs:
                await connection.execute(made_chats.of_batches(batch.c.id.in_(jobs)))
                await connection.execute(delete(batch).where(batch.c.id.in_(jobs)))
            await connection.execute(
                update(conversation).where(conversation.c.id.in_(chats)).values(transcript="", bytes=0)
            )


def _kept(tenant: str) -> CompoundSelect[tuple[int, str, int, float, int]]:
    """What there is of a key. stays: 1 for a job that has not ended, or whose end has still to be told."""
    answers, chats, jobs = stored_response.c, conversation.c, batch.c
    ended = and_(jobs.closed_at > 0, jobs.hook_at == 0)
    told = select(literal(ANSWER).label("what"), answers.id, answers.bytes, answers.created_at.label("at"))
    return union_all(
        told.add_columns(literal(0).label("stays")).where(answers.tenant == tenant),
        select(literal(CHAT), chats.id, chats.bytes, chats.updated_at, literal(0)).where(
            chats.tenant == tenant, chats.bytes > 0
        ),
        select(literal(JOB), jobs.id, jobs.bytes, jobs.created_at, case((ended, 0), else_=1)).where(
            jobs.tenant == tenant, jobs.media_bytes == 0
        ),
    )


def _too_much(most: int, waiting: int) -> RateLimited:
    held, now = f"{most / 1e6:g}", f"{waiting / 1e6:.1f}"
    return RateLimited(
        f"Jobs of one key that have not ended may be {held} MB together (CHATS_PER_KEY_MB), and {now} MB are here",
        f"单个密钥未完成任务的总量上限为 {held} MB（CHATS_PER_KEY_MB），现有 {now} MB",
        retry_after=60.0,
        code="too_many_open_tasks",
    )
