"""Which chats at Google this gateway has made: those of its conversations, and those of its tasks, forgotten or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from gemgate.stores.sql.conversations import SqlConversationStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import batch, chat_made, conversation, task

CHUNK = 500
"""Chats in one query; three indexes answer it."""


class SqlChatLedger:
    """conversations: whose last ones may not have been written yet."""

    def __init__(self, database: Database, conversations: SqlConversationStore) -> None:
        self._database = database
        self._conversations = conversations

    async def made(self, chat_ids: Sequence[str]) -> Mapping[str, str]:
        await self._conversations.written()
        known: dict[str, str] = {}
        wanted = [chat_id for chat_id in chat_ids if chat_id]
        for start in range(0, len(wanted), CHUNK):
            ids = wanted[start : start + CHUNK]
            of_tasks = select(task.c.cid, batch.c.tenant).join(batch, batch.c.id == task.c.batch)
            of_chats = select(conversation.c.cid, conversation.c.tenant)
            async with self._database.reading() as connection:
                rows = [
                    *await connection.execute(select(chat_made).where(chat_made.c.cid.in_(ids))),
                    *await connection.execute(of_tasks.where(task.c.cid.in_(ids))),
                    *await connection.execute(of_chats.where(conversation.c.cid.in_(ids))),
                ]
            known |= {row.cid: row.tenant for row in rows}
        return known
