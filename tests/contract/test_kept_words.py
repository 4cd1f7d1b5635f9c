"""How much one key may have of kept answers and named conversations: the oldest go, never another key's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from gemgate.ports.conversations import Conversation, StoredResponse
from gemgate.ports.upstream import Thread
from gemgate.stores.sql import kept_words
from gemgate.stores.sql.conversations import SqlConversationStore, SqlResponseStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.kept_words import ChatShare, size
from gemgate.stores.sql.schema import conversation, stored_response

MOST = 1000
kept = kept_words._kept
ANSWER = StoredResponse("resp_0", "alice", "b" * 100, "猫" * 50, 100.0)
CHAT = Conversation("chat-0", "alice", "tip", 2, "default", "g1", "x", Thread(("c_1",)), 100.0, 100.0, named=True)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def share() -> ChatShare:
    return ChatShare(MOST)


@pytest.fixture
def answers(database: Database, share: ChatShare) -> SqlResponseStore:
    return SqlResponseStore(database, "resp_", share)


@pytest.fixture
def chats(database: Database, share: ChatShare) -> SqlConversationStore:
    return SqlConversationStore(database, behind=database.is_sqlite, share=share)


async def held(database: Database, tenant: str) -> int:
    async with database.reading() as connection:
        return sum(
            [
                int(await connection.scalar(select(func.coalesce(func.sum(t.c.bytes), 0)).where(t.c.tenant == tenant)))
                for t in (conversation, stored_response)
            ]
        )


async def test_the_oldest_answers_make_room(database: Database, answers: SqlResponseStore) -> None:
    await answers.save(replace(ANSWER, id="resp_bob", tenant="bob", created_at=1.0))
    for number in range(10):  # 250 bytes each
        await answers.save(replace(ANSWER, id=f"resp_{number}", created_at=100.0 + number))
        assert await held(database, "alice") <= MOST
    found = [number for number in range(10) if await answers.get(f"resp_{number}", "alice") is not None]
    assert found == [6, 7, 8, 9]
    assert await answers.get("resp_bob", "bob") is not None


async def test_conversations_count_beside_answers_and_keep_their_row(
    database: Database, answers: SqlResponseStore, chats: SqlConversationStore
) -> None:
    await chats.save(replace(CHAT, transcript="x" * 600, delete_at=5000.0))
    for number in range(2):
        await answers.save(replace(ANSWER, id=f"resp_{number}", created_at=200.0 + number))
    assert await held(database, "alice") == 500
    kept = await chats.get("alice", "chat-0")
    assert kept is not None
    assert kept.transcript == ""
    assert kept.named
    assert [one.id for one in await chats.due(6000.0, 10)] == ["chat-0"], "it is still ours to delete at Google"


async def test_a_conversation_that_goes_on_is_new_again(
    database: Database, answers: SqlResponseStore, chats: SqlConversationStore
) -> None:
    await chats.save(replace(CHAT, transcript="x" * 400))
    await answers.save(replace(ANSWER, id="resp_1", created_at=150.0))
    await chats.save(replace(CHAT, transcript="x" * 700, updated_at=300.0))
    await answers.save(replace(ANSWER, id="resp_2", created_at=400.0))
    kept = await chats.get("alice", "chat-0")
    assert kept is not None
    assert len(kept.transcript) == 700
    assert await answers.get("resp_1", "alice") is None


async def test_what_is_larger_by_itself_is_not_kept(database: Database, answers: SqlResponseStore) -> None:
    await answers.save(ANSWER)
    await answers.save(replace(ANSWER, id="resp_1", body="b" * (MOST + 1), created_at=200.0))
    assert await answers.get("resp_1", "alice") is None
    assert await held(database, "alice") <= MOST


async def test_the_one_just_written_is_the_newest_of_its_second(answers: SqlResponseStore) -> None:
    for number in range(20):
        await answers.save(replace(ANSWER, id=f"resp_{number}"))
        assert await answers.get(f"resp_{number}", "alice") is not None


async def test_nothing_goes_where_there_is_no_bound(
    database: Database, share: ChatShare, answers: SqlResponseStore
) -> None:
    share.most = 0
    for number in range(10):
        await answers.save(replace(ANSWER, id=f"resp_{number}", created_at=100.0 + number))
    assert await held(database, "alice") == 2500
    share.most = MOST
    await answers.save(replace(ANSWER, id="resp_last", created_at=500.0))
    assert await held(database, "alice") <= MOST


def test_bytes_are_those_of_utf8() -> None:
    for text in ("", "abc", "猫ü", "😀"):
        assert size(text, text) == 2 * len(text.encode())


async def test_what_is_kept_is_added_up_rarely_where_there_is_much_room(
    database: Database, share: ChatShare, answers: SqlResponseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sum at each write would cost more with every answer that is kept."""
    share.most, sums = 100_000, []
    monkeypatch.setattr(kept_words, "_kept", lambda tenant: sums.append(tenant) or kept(tenant))
    for number in range(100):  # 25 kB in all
        await answers.save(replace(ANSWER, id=f"resp_{number}", created_at=100.0 + number))
    assert len(sums) <= 3
    share.most = MOST  # from now on, as a change of the setting does
    await answers.save(replace(ANSWER, id="resp_last", created_at=300.0))
    assert await held(database, "alice") <= MOST


async def test_at_the_bound_so_much_goes_that_the_next_find_room(
    database: Database, share: ChatShare, answers: SqlResponseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    share.most, sums = 20_000_000, []
    for number in range(5):
        await answers.save(replace(ANSWER, id=f"resp_{number}", body="b" * 4_000_000, created_at=100.0 + number))
    assert await held(database, "alice") == 4 * 4_000_150
    monkeypatch.setattr(kept_words, "_kept", lambda tenant: sums.append(tenant) or kept(tenant))
    for number in range(40):
        await answers.save(replace(ANSWER, id=f"small_{number}", created_at=300.0 + number))
    assert not sums
    await answers.save(replace(ANSWER, id="resp_large", body="b" * 19_500_000, created_at=400.0))
    assert await answers.get("resp_large", "alice") is not None
    assert await held(database, "alice") == 19_500_150
