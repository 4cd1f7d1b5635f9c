"""Conversations in the database: what is saved is found, whether it is written at once or together with others."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from gemgate.ports.conversations import Conversation
from gemgate.ports.upstream import Thread
from gemgate.stores.sql.chat_ledger import SqlChatLedger
from gemgate.stores.sql.conversations import SqlConversationStore
from gemgate.stores.sql.database import Database
from gemgate.stores.sql.schema import conversation as table
from tests.support.patience import PATIENCE

ONE = Conversation("one", "alice", "tip-1", 2, "default", "g1", "fbb1", Thread(("c_1", "r_1")), 100.0, 100.0)


@pytest.fixture(params=[False, True], ids=["at once", "behind"])
def store(database: Database, request: pytest.FixtureRequest) -> SqlConversationStore:
    return SqlConversationStore(database, behind=request.param)


async def written(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def test_what_was_saved_is_found_by_its_tip_and_tenant(store: SqlConversationStore) -> None:
    await store.save(ONE)
    assert await store.find("alice", ["tip-0", "tip-1"]) == ONE
    assert await store.find("bob", ["tip-1"]) is None
    assert await store.get(None, "one") == ONE
    assert await store.count() == 1


async def test_the_longer_history_wins_and_a_later_save_replaces(store: SqlConversationStore) -> None:
    await store.save(ONE)
    await store.save(replace(ONE, id="two", tip="tip-2", length=4))
    assert (await store.find("alice", ["tip-1", "tip-2"])) == replace(ONE, id="two", tip="tip-2", length=4)
    await store.save(replace(ONE, tip="tip-3", length=6, updated_at=200.0))
    assert await store.find("alice", ["tip-1"]) is None
    assert await store.find("alice", ["tip-3"]) == replace(ONE, tip="tip-3", length=6, updated_at=200.0)


async def test_an_id_stays_with_the_tenant_who_took_it_first(store: SqlConversationStore) -> None:
    await store.save(ONE)
    assert await store.count() == 1
    await store.save(replace(ONE, tenant="mallory", tip="tip-x"))
    assert await store.get("alice", "one") == ONE
    assert await store.get("mallory", "one") is None


async def test_a_save_ends_the_lease(store: SqlConversationStore) -> None:
    await store.save(ONE)
    assert await store.lease("one", "a", now=100.0, seconds=60.0)
    assert not await store.lease("one", "b", now=110.0, seconds=60.0)
    await store.save(ONE)
    assert await store.lease("one", "b", now=110.0, seconds=60.0)


async def test_what_is_forgotten_does_not_come_back(store: SqlConversationStore) -> None:
    await store.save(ONE)
    await store.forget("one")
    assert await store.count() == 0
    assert await store.get("alice", "one") is None


async def test_saves_wait_for_each_other_and_are_written_together(database: Database) -> None:
    store = SqlConversationStore(database, behind=True)
    tending = asyncio.create_task(store.tend())
    for number in range(20):
        await store.save(replace(ONE, id=str(number)))
    assert await written(database) == 0
    async with asyncio.timeout(PATIENCE):
        while await written(database) < 20:
            await asyncio.sleep(0.01)
    await store.save(ONE)
    tending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await tending
    assert await written(database) == 21


async def test_what_somebody_relies_on_never_waits(database: Database) -> None:
    store = SqlConversationStore(database, behind=True)
    await store.save(replace(ONE, id="named", named=True))
    await store.save(replace(ONE, id="clutter", delete_at=500.0))
    assert await written(database) == 2


async def test_what_may_wait_is_taken_without_waiting_and_nothing_else(database: Database) -> None:
    store = SqlConversationStore(database, behind=True)
    assert store.save_soon(ONE)
    assert not store.save_soon(replace(ONE, id="named", named=True))
    assert not store.save_soon(replace(ONE, id="clutter", delete_at=500.0))
    assert not SqlConversationStore(database).save_soon(ONE)
    assert await store.find("alice", ["tip-1"]) == ONE
    assert await store.count() == 1


async def test_a_write_that_is_cut_off_is_not_lost(database: Database) -> None:
    store = SqlConversationStore(database, behind=True)
    await store.save(ONE)
    writing = asyncio.create_task(store.written())
    await asyncio.sleep(0)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    assert await store.get("alice", "one") == ONE


async def test_what_still_waits_is_found_and_leased_by_one(database: Database) -> None:
    store = SqlConversationStore(database, behind=True)
    await store.save(ONE)
    await store.save(replace(ONE, id="two", tip="tip-2", length=4))
    assert await store.find("alice", ["tip-0", "tip-1"]) == ONE
    assert await written(database) == 0
    assert await store.find("bob", ["tip-1"]) is None
    await store.save(ONE)
    taken = await asyncio.gather(*(store.lease("one", owner, now=100.0, seconds=60.0) for owner in "abc"))
    assert sorted(taken) == [False, False, True]
    assert await written(database) == 2
    assert not await store.lease("one", "d", now=110.0, seconds=60.0)
    assert await store.lease("two", "d", now=110.0, seconds=60.0)


async def test_those_with_words_are_found_by_them(store: SqlConversationStore) -> None:
    kept = replace(ONE, named=True, transcript='[{"text":"The Harbour 100% \\"calm\\" 海港 Über"}]')
    for number in range(3):
        await store.save(replace(kept, id=f"kept-{number}", tip=f"k{number}", updated_at=float(number)))
    await store.save(replace(kept, id="other", tenant="bob", tip="o"))
    await store.save(replace(ONE, id="plain", tip="p"))

    async def found(*words: str, limit: int = 9, offset: int = 0) -> list[str]:
        return [one.id for one in await store.worded("alice", words, limit, offset)]

    assert await found() == ["kept-2", "kept-1", "kept-0"]
    assert await found("hARBOUR", "海港", '"calm"') == ["kept-2", "kept-1", "kept-0"]
    assert await found("100%", limit=1, offset=1) == ["kept-1"]
    assert await found("10_%") == []
    assert await found("harbour", "storm") == []
    assert len(await found("über")) == 3, "a sieve lets rather too much through"


async def test_of_a_key_with_too_many_the_oldest_are_forgotten_and_named_ones_never(database: Database) -> None:
    """Their chats at Google are still known as ours. Who has named as many as that may name no more."""
    store = SqlConversationStore(database, per_key=3)
    for number in range(5):
        row = replace(ONE, id=f"c{number}", tenant="alice", updated_at=100.0 + number, thread=Thread((f"g{number}",)))
        await store.save(replace(row, named=number == 0))
        await store.save(replace(row, id=f"b{number}", tenant="ben", named=True, thread=Thread((f"h{number}",))))
    await store.save(replace(ONE, id="due", tenant="alice", updated_at=1.0, delete_at=5.0))
    assert await store.has_room("ben")
    assert await store.forget_beyond() == 3
    kept, total = await store.latest("alice", 10)
    assert total == 3
    assert {one.id for one in kept} == {"c0", "c4", "due"}
    assert await store.count() == 3 + 5
    assert await store.has_room("alice")
    assert not await store.has_room("ben")
    ledger = SqlChatLedger(database, store)
    assert await ledger.made(["g1", "g2", "g3"]) == dict.fromkeys(("g1", "g2", "g3"), "alice")
    for number in range(3):
        await store.forget(f"b{number}")
    assert await store.has_room("ben")
    store.per_key = 0
    assert await store.forget_beyond() == 0


async def test_what_was_deleted_meanwhile_does_not_come_back(store: SqlConversationStore) -> None:
    await store.save(replace(ONE, named=True, transcript="[]"))
    await store.save(replace(ONE, named=True, transcript="[1]"), anew=False)
    kept = await store.get("alice", "one")
    assert kept is not None
    assert kept.transcript == "[1]"
    await store.forget("one")
    await store.save(replace(ONE, named=True, transcript="[2]"), anew=False)
    assert await store.get("alice", "one") is None


async def test_what_is_put_off_is_due_behind_the_others(store: SqlConversationStore) -> None:
    for number in range(3):
        await store.save(replace(ONE, id=f"due-{number}", tip=f"t{number}", delete_at=10.0 + number))
    await store.save(replace(ONE, id="kept", tip="t9"))
    for name in ("due-0", "kept", "nobody"):
        await store.put_off(name, 100.0)
    assert [one.id for one in await store.due(50.0, 2)] == ["due-1", "due-2"]
    assert [one.id for one in await store.due(100.0, 9)] == ["due-1", "due-2", "due-0"]
    await store.put_off("due-0", 60.0)
    assert len(await store.due(100.0, 9)) == 3
    assert len(await store.due(99.0, 9)) == 2, "what is due later already stays so"
