"""The promises of `ports.ChatLedger`: what this gateway has made at Google is known by its conversations and tasks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, update

from gemgate.batches import Batch, TaskDraft
from gemgate.ports.conversations import Conversation
from gemgate.ports.upstream import Thread
from gemgate.stores.sql.chat_ledger import SqlChatLedger
from gemgate.stores.sql.conversations import SqlConversationStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.schema import batch, task
from gemgate.stores.vault import Vault

ONE = Conversation("one", "alice", "tip-1", 2, "default", "g1", "fbb1", Thread(("c_1", "r_1")), 100.0, 100.0)


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


async def test_a_chat_is_its_tenants_though_its_conversations_id_is_anothers(
    ledger: SqlChatLedger, conversations: SqlConversationStore
) -> None:
    """Each caller names conversations as he likes; to nobody it may look like the account owner's own."""
    await conversations.save(replace(ONE, named=True))
    for turn in ("r_1", "r_2"):
        await conversations.save(replace(ONE, named=True, tenant="bob", thread=Thread(("c_2", turn))))
    assert await ledger.made(["c_1", "c_2"]) == {"c_1": "alice", "c_2": "bob"}


async def test_a_conversation_that_moved_is_known_by_where_it_stands(
    ledger: SqlChatLedger, conversations: SqlConversationStore
) -> None:
    await conversations.save(ONE)
    await conversations.save(replace(ONE, thread=Thread(("c_9", "r_9"))))
    assert await ledger.made(["c_1", "c_9"]) == {"c_9": "alice"}
    await conversations.forget("one")
    assert await ledger.made(["c_1", "c_9"]) == {}


async def test_chats_of_old_conversations_stay_their_tenants(
    ledger: SqlChatLedger, conversations: SqlConversationStore
) -> None:
    await conversations.save(ONE)
    await conversations.save(replace(ONE, id="two", tenant="bob", thread=Thread(("c_2",)), updated_at=300.0))
    assert await conversations.forget_before(200.0) == 1
    assert await conversations.get("alice", "one") is None
    assert await ledger.made(["c_1", "c_2"]) == {"c_1": "alice", "c_2": "bob"}


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


@pytest.mark.parametrize("way", ["one", "old"])
async def test_chats_of_forgotten_tasks_stay_their_tenants(database: Database, ledger: SqlChatLedger, way: str) -> None:
    """Their owner deletes the answer; what was said stays at Google, and stays closed to the admin."""
    jobs = SqlJobStore(database, Vault([Fernet.generate_key().decode()]))
    for name, cid in (("b", "c_7"), ("c", "c_7"), ("d", ""), ("e", "c_9")):
        await jobs.submit(Batch(name, "chat", "carol", 1.0, 1, 1, "text", closed_at=2.0), [TaskDraft("hi")])
        async with database.writing() as connection:
            await connection.execute(update(task).where(task.c.batch == name).values(cid=cid))
    if way == "one":
        assert [await jobs.forget(name) for name in "bcd"] == [True] * 3
    else:
        async with database.writing() as connection:
            await connection.execute(update(batch).where(batch.c.id == "e").values(closed_at=9.0))
        assert await jobs.forget_before(5.0) == 3
    assert await ledger.made(["c_7", "c_9", ""]) == {"c_7": "carol", "c_9": "carol"}
