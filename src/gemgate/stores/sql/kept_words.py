"""How much of their chats one key may have here: kept answers and named conversations together, the oldest go first.

What goes is what was said. A conversation's row stays, for the chat at Google that it belongs to.
"""

from __future__ import annotations

from sqlalchemy import CompoundSelect, case, delete, func, literal, select, union_all, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.stores.sql.schema import conversation, stored_response

MB = 1_000_000
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

    async def make_room(self, connection: AsyncConnection, tenant: str, written: str, nbytes: int) -> None:
        """Within the transaction that has written something: forget the oldest until the rest is little enough, and
        a twentieth less (in whole MB), or the next would go through all of it again. What is larger by itself goes.

        written: its id. It is the newest, whatever else came within the same second. nbytes: of it.
        """
        if not self.most:
            return
        of, free = self._free.get(tenant, (0, 0))
        if of == self.most and nbytes <= free:
            self._free[tenant] = of, free - nbytes
            return
        kept = _kept(tenant).subquery()
        total = int(await connection.scalar(select(func.coalesce(func.sum(kept.c.bytes), 0))) or 0)
        most = self.most if total <= self.most else self.most - self.most // 20 // MB * MB
        self._free[tenant] = self.most, (self.most - min(total, most)) // PROCESSES
        if total <= self.most:
            return
        newest_first = func.sum(kept.c.bytes).over(
            order_by=(case((kept.c.id == written, 0), else_=1), kept.c.at.desc(), kept.c.id), rows=(None, 0)
        )
        ranked = select(kept.c.is_answer, kept.c.id, newest_first.label("upto")).subquery()
        query = select(ranked.c.is_answer, ranked.c.id).where(
            ranked.c.upto > case((ranked.c.id == written, self.most), else_=most)
        )
        over = (await connection.execute(query)).all()
        for at in range(0, len(over), GONE_AT_ONCE):
            part = over[at : at + GONE_AT_ONCE]
            answers, chats = [row.id for row in part if row.is_answer], [row.id for row in part if not row.is_answer]
            await connection.execute(delete(stored_response).where(stored_response.c.id.in_(answers)))
            await connection.execute(
                update(conversation).where(conversation.c.id.in_(chats)).values(transcript="", bytes=0)
            )


def _kept(tenant: str) -> CompoundSelect[tuple[int, str, int, float]]:
    answers, chats = stored_response.c, conversation.c
    return union_all(
        select(literal(1).label("is_answer"), answers.id, answers.bytes, answers.created_at.label("at")).where(
            answers.tenant == tenant
        ),
        select(literal(0), chats.id, chats.bytes, chats.updated_at).where(chats.tenant == tenant, chats.bytes > 0),
    )
