"""How much one key may have of kept answers and named conversations: the oldest go, never another key's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, update

from gemgate.batches import Batch, BatchKind, Checkpoint, Done, TaskDraft
from gemgate.errors import RateLimited
from gemgate.ports.conversations import Conversation, StoredResponse
from gemgate.ports.upstream import Thread
from gemgate.stores.sql import kept_words
from gemgate.stores.sql.conversations import SqlConversationStore, SqlResponseStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.kept_words import ChatShare, size
from gemgate.stores.sql.response_log import SqlResponseLog
from gemgate.stores.sql.schema import batch, chat_made, conversation, response_event, stored_response, task
from gemgate.stores.vault import Vault

MOST = 1000
VAULT = Vault([Fernet.generate_key().decode()])
kept = kept_words._kept
ANSWER = StoredResponse("resp_0", "alice", "b" * 100, "猫" * 50, 100.0)
CHAT = Conversation("chat-0", "alice", "tip", 2, "default", "g1", "x", Thread(("c_1",)), 100.0, 100.0, named=True)


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
                for t in (conversation, stored_response, batch)
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


@pytest.fixture
def jobs(database: Database, share: ChatShare) -> SqlJobStore:
    return SqlJobStore(database, VAULT, share)


@pytest.fixture
def log(database: Database, share: ChatShare) -> SqlResponseLog:
    return SqlResponseLog(database, VAULT, share)


def order(number: int, tenant: str = "alice", kind: BatchKind = "response") -> Batch:
    return Batch(
        id=f"job_{number}", kind=kind, tenant=tenant, created_at=200.0 + number, concurrency=1, requested_concurrency=1,
        need="text", priority=0,
    )  # fmt: skip


async def ended(jobs: SqlJobStore, log: SqlResponseLog, number: int, words: int = 1, **more: Any) -> None:
    """A job with little to ask and an answer, through to its end."""
    await jobs.submit(order(number, **more), [TaskDraft("", "p" * 20)])
    claim = await jobs.claim("a", ["text"], 60.0)
    assert claim is not None
    for row in range(words):
        assert await log.append(claim, row, "w" * 20)
    await jobs.settle(claim, Done("r" * 20))
    assert await jobs.closing("a", 60.0) is not None
    assert await jobs.close(f"job_{number}", "a", "{}", 300.0 + number)


async def stored(database: Database) -> int:
    """Bytes of jobs as they stand in the tables."""
    async with database.reading() as connection:
        columns = (
            *(batch.c.defaults, batch.c.about, task.c.prompt, task.c.payload, task.c.result, task.c.error),
            *(task.c.error_zh, response_event.c.events),
        )
        sums = [await connection.scalar(select(func.sum(func.length(column)))) for column in columns]
    return sum(int(one or 0) for one in sums)


@pytest.mark.parametrize("kind", ["response", "answer", "images"])
async def test_what_a_key_keeps_in_jobs_is_bounded_as_all_its_words_are(
    database: Database, jobs: SqlJobStore, log: SqlResponseLog, answers: SqlResponseStore, kind: BatchKind
) -> None:
    await answers.save(replace(ANSWER, id="resp_bob", tenant="bob", created_at=1.0))
    await answers.save(ANSWER)
    for number in range(10):
        await ended(jobs, log, number, 2, kind=kind)
        assert await held(database, "alice") <= MOST
    assert await held(database, "bob") == 250
    assert await answers.get("resp_0", "alice") is None, "the oldest goes first, whatever it is"
    kept = [number for number in range(10) if await jobs.get("alice", f"job_{number}")]
    assert kept == list(range(kept[0], 10)), "the newest stay"
    assert kept[0] > 0
    assert await held(database, "alice") == await stored(database)


async def test_jobs_that_have_not_ended_are_never_forgotten_and_so_no_more_are_taken(
    database: Database, jobs: SqlJobStore, answers: SqlResponseStore
) -> None:
    await answers.save(ANSWER)
    count, refused = 0, ""
    while not refused:
        try:
            await jobs.submit(order(count), [TaskDraft("", "p" * 100)])
            count += 1
        except RateLimited as error:
            refused = error.en
    assert "CHATS_PER_KEY_MB" in refused
    assert count > 3
    assert await jobs.get("alice", f"job_{count}") is None
    assert [await jobs.get("alice", f"job_{number}") is not None for number in range(count)] == [True] * count
    assert await held(database, "alice") <= MOST
    assert await answers.get("resp_0", "alice") is None, "what waits comes before what is kept"
    await jobs.submit(order(100, "bob"), [TaskDraft("", "p" * 100)])


async def test_an_end_that_has_still_to_be_told_is_not_forgotten(
    database: Database, jobs: SqlJobStore, log: SqlResponseLog
) -> None:
    await ended(jobs, log, 0)
    async with database.writing() as connection:
        await connection.execute(update(batch).values(hook_at=1.0))
    for number in range(1, 9):
        await ended(jobs, log, number)
    assert await jobs.get("alice", "job_0") is not None
    assert await jobs.get("alice", "job_1") is None


async def test_chats_of_forgotten_jobs_are_still_known_as_ours(
    database: Database, jobs: SqlJobStore, log: SqlResponseLog
) -> None:
    await jobs.submit(order(0), [TaskDraft("", "p")])
    claim = await jobs.claim("a", ["text"], 60.0)
    assert claim is not None
    await jobs.note(claim, Checkpoint("default", "g1", "c_1"))
    await jobs.settle(claim, Done("r"))
    assert await jobs.closing("a", 60.0) is not None
    await jobs.close("job_0", "a", "{}", 300.0)
    for number in range(1, 9):
        await ended(jobs, log, number)
    assert await jobs.get("alice", "job_0") is None
    async with database.reading() as connection:
        assert await connection.scalar(select(chat_made.c.tenant).where(chat_made.c.cid == "c_1")) == "alice"
