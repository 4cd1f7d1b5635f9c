"""The promises of `ports.ChatLedger`: what this gateway has made at Google is known by its conversations and tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import insert, update

from gemgate.ports.conversations import Conversation
from gemgate.ports.upstream import Thread
from gemgate.stores.sql.chat_ledger import SqlChatLedger
from gemgate.stores.sql.conversations import SqlConversationStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.schema import batch, task

ONE = Conversation("one", "alice", "tip-1", 2, "default", "g1", "fbb1", Thread(("c_1", "r_1")), 100.0, 100.0)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()


@pytest.fixture(params=[False, True], ids=["at once", "behind"])
def conversations(database: Database, request: pytest.FixtureRequest) -> SqlConversationStore:
    return SqlConversationStore(database, behind=request.param)


@pytest.fixture
def ledger(database: Database, conversations: SqlConversationStore) -> SqlChatLedger:
    return SqlChatLedger(database, conversations)


async def test_chats_of_conversations_are_known_with_their_tenant(
    ledger: SqlChatLedger, conversations: SqlConversationStore
) -> None:
    await conversations.save(ONE)
    await conversations.save(replace(ONE, id="two", tenant="", thread=Thread(("c_2",))))
    assert await ledger.made(["c_1", "c_2", "c_3", ""]) == {"c_1": "alice", "c_2": ""}
    assert await ledger.made([]) == {}
    assert len(await ledger.made([*(f"c_x{n}" for n in range(1200)), "c_1"])) == 1


async def test_a_conversation_that_moved_is_known_by_where_it_stands(
    ledger: SqlChatLedger, conversations: SqlConversationStore
) -> None:
    await conversations.save(ONE)
    await conversations.save(replace(ONE, thread=Thread(("c_9", "r_9"))))
    assert await ledger.made(["c_1", "c_9"]) == {"c_9": "alice"}
    await conversations.forget("one")
    assert await ledger.made(["c_1", "c_9"]) == {}


async def test_chats_of_tasks_are_known_with_their_tenant(database: Database, ledger: SqlChatLedger) -> None:
    needed = {"need": "image", "state": "closed", "priority": 0, "concurrency": 1, "asked": 1, "queued": 0}
    more = {"model": "m", "as_base64": False, "defaults": "", "about": "", "digest": "", "created_at": 1.0}
    async with database.writing() as connection:
        await connection.execute(insert(batch).values(id="b", kind="images", tenant="carol", **needed, **more))
        row = {"id": "b_1", "batch": "b", "seq": 0, "prompt": "", "payload": "", "status": "done"}
        await connection.execute(insert(task).values(**row))
    assert await ledger.made(["c_7"]) == {}
    async with database.writing() as connection:
        await connection.execute(update(task).values(cid="c_7"))
    assert await ledger.made(["c_7"]) == {"c_7": "carol"}
