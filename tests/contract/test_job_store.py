"""The job store on SQLite and PostgreSQL: claims, leases, fences, counts, and what becomes of a whole batch."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import delete, func, insert, select, update

from gemgate.batches import (
    Batch,
    Cancelled,
    Checkpoint,
    Claim,
    Deferred,
    Done,
    Failed,
    JobStatus,
    Released,
    TaskCounts,
    TaskDraft,
    TaskOutcome,
    Webhook,
)
from gemgate.errors import Conflict, NotFound, StorageDown
from gemgate.ports.accounts import AccountSetup
from gemgate.ports.jobs import webhook_secret_subject
from gemgate.ports.vault import Sealed
from gemgate.stores.sql.accounts import SqlAccountStore
from gemgate.stores.sql.database import Database, open_database
from gemgate.stores.sql.jobs import SqlJobStore
from gemgate.stores.sql.schema import batch as batch_table
from gemgate.stores.sql.schema import task as task_table
from gemgate.stores.vault import Vault
from tests.support.job_orders import drafts, order
from tests.support.patience import PATIENCE, until

LEASE = 30.0
VAULT = Vault([Fernet.generate_key().decode()])


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database, VAULT)


async def submitted(store: SqlJobStore, count: int = 3, **more: Any) -> Batch:
    return await store.submit(order(**more), drafts(count))


async def claimed(store: SqlJobStore, owner: str = "a", seconds: float = LEASE) -> Claim:
    claim = await store.claim(owner, ["image"], seconds)
    assert claim is not None
    return claim


def waits(after: float = 0.0, *, counts: bool = True, checkpoint: Checkpoint | None = None) -> Deferred:
    return Deferred(after, counts, "upstream_error", "it broke", "出错了", checkpoint)


async def later(database: Database, seconds: float) -> None:
    """Let time pass for leases and waits. They are judged by the database's clock, which nobody can turn."""
    times = {name: task_table.c[name] - seconds for name in ("run_after", "lease_until")}
    async with database.writing() as connection:
        await connection.execute(update(task_table).values(times))
        await connection.execute(update(batch_table).values(closer_until=batch_table.c.closer_until - seconds))


async def tally(store: SqlJobStore, batch_id: str = "batch_00000001") -> TaskCounts:
    batch = await store.get(None, batch_id)
    assert batch is not None
    return batch.tally


async def counted(database: Database, batch_id: str = "batch_00000001") -> TaskCounts:
    """The truth: the tasks themselves, counted."""
    query = select(task_table.c.status, func.count()).where(task_table.c.batch == batch_id)
    async with database.reading() as connection:
        rows = dict((await connection.execute(query.group_by(task_table.c.status))).all())
    return TaskCounts(**rows)


async def test_a_batch_is_there_with_all_its_tasks_or_not_at_all(store: SqlJobStore) -> None:
    batch = await submitted(store, 1203, defaults='{"a": 1}', metadata="{}", model="m", tenant="t", priority=3)
    assert batch.tally == TaskCounts(queued=1203)
    assert (batch.model, batch.priority, batch.state) == ("m", 3, "active")
    first = await store.tasks(batch.id, limit=1000)
    rest = await store.tasks(batch.id, after=first[-1].seq, limit=1000)
    assert [task.id for task in (*first, *rest)] == [f"batch_00000001_task_{n}" for n in range(1203)]
    assert [task.prompt for task in rest[-2:]] == ["prompt 1201", "prompt 1202"]
    with pytest.raises(Conflict):
        await store.submit(order(tenant="other"), drafts(1))
    assert await tally(store) == TaskCounts(queued=1203)


async def test_one_idempotency_key_makes_one_batch_per_tenant(store: SqlJobStore) -> None:
    orders = [order(f"batch_{n:08x}", idempotency_key="k", tenant="t", digest="d") for n in range(6)]
    made = await asyncio.gather(*(store.submit(one, drafts(2)) for one in orders))
    assert len({batch.id for batch in made}) == 1
    assert (await store.latest("t", ["images"], 10))[1] == 1
    other = await store.submit(order("batch_0000ffff", idempotency_key="k", tenant="u"), drafts(1))
    assert other.id == "batch_0000ffff"
    assert await store.under_key("t", "k") == made[0]
    assert await store.under_key("u", "nobody's") is None


async def test_batches_are_seen_by_their_tenant_and_listed_newest_first(store: SqlJobStore) -> None:
    now = time.time()
    for number in range(5):
        await store.submit(order(f"batch_{number:08x}", created_at=now + number, tenant="t"), drafts(1))
    await store.submit(order("batch_other", kind="chat", tenant="t"), drafts(1))
    page, total = await store.latest("t", ["images"], 2)
    assert ([batch.id for batch in page], total) == (["batch_00000004", "batch_00000003"], 5)
    rest, _ = await store.latest("t", ["images"], 10, after=page[-1].id)
    assert [batch.id for batch in rest] == ["batch_00000002", "batch_00000001", "batch_00000000"]
    assert await store.latest("u", ["images"], 10) == ([], 0)
    assert await store.get("u", "batch_00000001") is None
    assert (await store.latest(None, ["images", "chat"], 10))[1] == 6
    with pytest.raises(NotFound):
        await store.latest("t", ["images"], 2, after="batch_x")


async def test_tasks_are_claimed_in_their_order_and_never_more_at_once_than_allowed(store: SqlJobStore) -> None:
    await submitted(store, 4)
    one, two = await claimed(store), await claimed(store, "b")
    assert [one.task.seq, two.task.seq] == [0, 1]
    assert (one.task.attempt, one.task.status, one.owner, one.batch.tally) == (1, "running", "a", TaskCounts(3, 1))
    assert await store.claim("a", ["image"], LEASE) is None
    assert await store.settle(one, Done('{"name": "x"}'))
    assert (await claimed(store)).task.seq == 2
    assert await store.claim("a", ["text"], LEASE) is None
    assert await tally(store) == TaskCounts(queued=1, running=2, done=1)


async def test_nobody_else_gets_a_task_however_many_ask(store: SqlJobStore, database_url: str) -> None:
    await submitted(store, 40, concurrency=40)
    others = [await open_database(database_url) for _ in range(3)]
    stores = [store, *(SqlJobStore(other, VAULT) for other in others)]
    try:
        taken = await asyncio.gather(*(stores[n % 4].claim(f"node-{n % 4}", ["image"], LEASE) for n in range(60)))
        got = [claim.task.id for claim in taken if claim]
        got += [c.task.id for one in stores for _ in range(20) if (c := await one.claim("late", ["image"], LEASE))]
    finally:
        for other in others:
            await other.close()
    assert len(got) == len(set(got)) == 40
    assert await tally(store) == TaskCounts(running=40)


async def test_nodes_together_keep_to_the_concurrency_of_a_batch(store: SqlJobStore, database_url: str) -> None:
    await submitted(store, 30, concurrency=3)
    other = await open_database(database_url)
    try:
        stores = [store, SqlJobStore(other, VAULT)]
        taken = await asyncio.gather(*(stores[n % 2].claim(f"node-{n % 2}", ["image"], LEASE) for n in range(20)))
    finally:
        await other.close()
    assert sum(claim is not None for claim in taken) == 3
    assert await tally(store) == TaskCounts(queued=27, running=3)


async def test_priority_goes_first_and_equals_take_turns(store: SqlJobStore) -> None:
    for name, priority in (("batch_a", 0), ("batch_b", 0), ("batch_c", 5)):
        await submitted(store, 2, batch_id=name, priority=priority)
    turns = []
    for _ in range(6):
        claim = await claimed(store)
        turns.append(claim.batch.id)
        await store.settle(claim, Done("{}"))
    assert turns == ["batch_c", "batch_c", "batch_a", "batch_b", "batch_a", "batch_b"]


async def test_a_task_that_waits_is_not_claimed_before_its_time_and_its_tries_are_counted(
    store: SqlJobStore, database: Database
) -> None:
    await submitted(store, 1)
    checkpoint = Checkpoint("alice", "id", "c_1", "{}", 2)
    assert await store.settle(await claimed(store), waits(LEASE, checkpoint=checkpoint))
    assert await store.claim("a", ["image"], LEASE) is None
    (task,) = await store.tasks("batch_00000001")
    assert (task.status, task.failures, task.attempt, task.checkpoint) == ("queued", 1, 1, checkpoint)
    assert (task.code, task.error, task.error_zh) == ("upstream_error", "it broke", "出错了")
    await later(database, LEASE + 1)
    again = await claimed(store)
    assert (again.task.attempt, again.task.failures, again.task.checkpoint) == (2, 1, checkpoint)
    assert await store.settle(again, waits(counts=False))
    assert (await claimed(store)).task.failures == 1
    assert await tally(store) == TaskCounts(running=1)


async def test_a_run_that_lost_its_task_says_where_its_answer_is_until_another_has_it(
    store: SqlJobStore, database: Database
) -> None:
    """It was halted for longer than its lease, while Google named the chat."""
    await submitted(store, 1)
    first = await claimed(store, "halted")
    assert await store.note(first, Checkpoint("alice", "id"))
    await later(database, LEASE + 1)
    assert await store.expire() == 1
    assert not await store.note(first, Checkpoint("bob", "id"))
    assert not await store.note(first, Checkpoint("alice", "id", "c_1"))
    second = await claimed(store, "heir")
    assert second.task.checkpoint == Checkpoint("alice", "id", "c_1")
    assert not await store.note(first, Checkpoint("alice", "id", "c_2"))
    assert await store.settle(second, waits())
    (task,) = await store.tasks("batch_00000001")
    assert task.checkpoint.cid != "c_2"


async def test_a_lease_that_ran_out_is_taken_back_and_the_first_run_changes_nothing_any_more(
    store: SqlJobStore, database: Database
) -> None:
    await submitted(store, 1)
    first = await claimed(store, "zombie")
    assert await store.note(first, Checkpoint("alice", "id", "c_1"))
    assert await store.expire() == 0
    await later(database, LEASE + 1)
    assert await store.expire() == 1
    assert await store.renew("zombie", [first.task.id], LEASE) == {}
    second = await claimed(store, "heir")
    assert (second.task.attempt, second.task.failures, second.task.checkpoint.cid) == (2, 0, "c_1")
    for outcome in (Done("{}"), Failed("x", "x", "x", False), waits(), Released(), Cancelled()):
        assert not await store.settle(first, outcome)
    assert not await store.note(first, Checkpoint())
    assert not await store.settle(replace(second, owner="zombie"), Done("{}"))
    assert not await store.settle(replace(second, task=first.task), Done("{}"))
    assert await store.settle(second, Done('{"by": "heir"}'))
    assert not await store.settle(second, Done('{"by": "twice"}'))
    (task,) = await store.tasks("batch_00000001")
    assert (task.status, task.result) == ("done", '{"by": "heir"}')
    assert await tally(store) == TaskCounts(done=1)


async def test_a_heartbeat_keeps_what_is_held_and_tells_of_batches_given_up(
    store: SqlJobStore, database: Database
) -> None:
    await submitted(store, 2)
    await submitted(store, 1, batch_id="batch_other")
    mine = [await claimed(store, "a") for _ in range(2)]
    await claimed(store, "b")
    ids = [task.id for batch_id in ("batch_00000001", "batch_other") for task in await store.tasks(batch_id)]
    held = await store.renew("a", ids, 2 * LEASE)
    assert {task_id: one.attempt for task_id, one in held.items()} == {claim.task.id: 1 for claim in mine}
    await later(database, LEASE + 1)
    assert await store.expire() == 1
    await store.change(mine[0].batch.id, "cancelled")
    held = await store.renew("a", ids, LEASE)
    assert [held[claim.task.id].given_up for claim in mine] == [True, mine[1].batch.id == mine[0].batch.id]


async def test_a_sole_process_takes_everything_back_at_once(store: SqlJobStore, database: Database) -> None:
    await submitted(store, 3)
    await claimed(store, "dead")
    await claimed(store, "dead")
    assert await store.sole() is database.is_sqlite
    assert await store.free() == 2
    assert await tally(store) == TaskCounts(queued=3)
    assert (await claimed(store, "alive")).task.attempt == 2


async def test_only_one_process_is_the_sole_one(store: SqlJobStore, database_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from gemgate.stores.sql.database import open_database\n"
        "async def main():\n"
        "    database = await open_database(sys.argv[1])\n"
        "    print(await database.lock('jobs'), flush=True)\n"
        "    sys.stdin.readline()\n"
        "asyncio.run(main())"
    )
    import sys

    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, database_url, stdin=pipe, stdout=pipe)
    try:
        assert other.stdout is not None
        sqlite = database_url.startswith("sqlite")
        assert (await other.stdout.readline()).decode().strip() == str(sqlite)
        assert await store.sole() is False
    finally:
        other.kill()
        await other.wait()
    assert await store.sole() is sqlite


async def test_giving_back_costs_nothing(store: SqlJobStore) -> None:
    await submitted(store, 1)
    assert await store.settle(await claimed(store), Released())
    again = await claimed(store)
    assert (again.task.failures, again.task.attempt) == (0, 2)


async def test_a_cancelled_batch_runs_nothing_more(store: SqlJobStore) -> None:
    await submitted(store, 5)
    running, waiting = await claimed(store), await claimed(store)
    batch = await store.change("batch_00000001", "cancelled")
    assert batch is not None
    assert (batch.state, batch.tally) == ("cancelled", TaskCounts(running=2, cancelled=3))
    assert await store.claim("a", ["image"], LEASE) is None
    assert await store.settle(running, Done("{}"))
    assert await store.settle(waiting, waits())
    assert await tally(store) == TaskCounts(done=1, cancelled=4)
    assert (await store.change("batch_00000001", "paused")).state == "cancelled"  # type: ignore[union-attr]
    assert await store.change("batch_none", "paused") is None


async def test_a_paused_batch_waits_and_goes_on(store: SqlJobStore) -> None:
    await submitted(store, 2)
    one = await claimed(store)
    assert (await store.change("batch_00000001", "paused")).state == "paused"  # type: ignore[union-attr]
    assert await store.claim("a", ["image"], LEASE) is None
    assert await store.settle(one, Done("{}"))
    assert await store.closing("a", LEASE) is None
    await store.change("batch_00000001", "active")
    assert (await claimed(store)).task.seq == 1


async def test_what_failed_or_was_cancelled_can_be_queued_again(store: SqlJobStore) -> None:
    await submitted(store, 4)
    done, failed = await claimed(store), await claimed(store)
    await store.settle(done, Done("{}"))
    await store.settle(failed, Failed("refused", "no", "不", False))
    await store.change("batch_00000001", "cancelled")
    closing = await store.closing("a", LEASE)
    assert closing is not None
    assert await store.close(closing.id, "a", "", time.time())
    batch = await store.again("batch_00000001")
    assert batch is not None
    assert (batch.state, batch.tally, batch.closed_at) == ("active", TaskCounts(queued=3, done=1), 0)
    (task,) = await store.tasks("batch_00000001", status=["queued"], limit=1)
    assert (task.seq, task.code, task.failures, task.settled) == (1, "", 0, 0)
    assert (await claimed(store)).task.seq == 1
    assert await store.again("batch_none") is None


async def test_tasks_are_told_in_the_order_they_ended(store: SqlJobStore) -> None:
    await submitted(store, 4, concurrency=4)
    claims = [await claimed(store) for _ in range(4)]
    for at in (2, 0, 3):
        await store.settle(claims[at], Done("{}") if at else Failed("c", "en", "zh", True))
    ended = await store.ended("batch_00000001", 0, 10)
    assert [(task.seq, task.settled) for task in ended] == [(2, 1), (0, 2), (3, 3)]
    assert [task.seq for task in await store.ended("batch_00000001", 2, 10)] == [3]
    assert (ended[1].status, ended[1].code, ended[1].error, ended[1].error_zh) == ("failed", "c", "en", "zh")
    assert ended[1].retryable


async def test_a_batch_that_ended_is_closed_once_and_its_hook_told(store: SqlJobStore, database: Database) -> None:
    await submitted(store, 1, hook=Webhook("https://example.org/done", "sealed", "k1"))
    assert await store.closing("a", LEASE) is None
    await store.settle(await claimed(store), Done("{}"))
    closing = await store.closing("a", LEASE)
    assert closing is not None
    assert closing.ended_at > 0
    assert await store.closing("b", LEASE) is None
    await later(database, LEASE + 1)
    assert await store.closing("b", LEASE) is not None, "whoever closes may die"
    assert not await store.close(closing.id, "a", "late", time.time())
    assert await store.close(closing.id, "b", '{"output": 1}', time.time())
    batch = await store.get("", closing.id)
    assert batch is not None
    assert (batch.state, batch.metadata, batch.closed_at > 0) == ("finished", '{"output": 1}', True)
    now = time.time()
    due = await store.hook_due(now, 60)
    assert due is not None
    assert (due.hook.url, due.hook.secret, due.hook.secret_key) == ("https://example.org/done", "sealed", "k1")
    assert await store.hook_due(now, 60) is None
    assert await store.hook_due(now + 61, 60) is not None, "whoever tells may die"
    await store.hook_told(due, replace(due.hook, tries=1, at=0.0, outcome="delivered"))
    assert await store.hook_due(now + 1000, 60) is None
    told = await store.get("", closing.id)
    assert told is not None
    assert (told.hook.tries, told.hook.outcome) == (1, "delivered")


async def test_what_was_told_of_one_end_says_nothing_of_the_next(store: SqlJobStore) -> None:
    """It is queued again while a try to tell its end is under way, which then fails: nothing is due before it ends."""
    batch = await submitted(store, 1, hook=Webhook("https://example.org/done"))
    await store.settle(await claimed(store), Failed("x", "x", "x", True))
    assert await store.closing("a", LEASE) is not None
    assert await store.close(batch.id, "a", "{}", time.time())
    due = await store.hook_due(time.time(), 60)
    assert due is not None
    await store.again(batch.id)
    await store.hook_told(due, replace(due.hook, tries=1, at=time.time()))
    assert await store.hook_due(time.time() + 1, 60) is None
    found = await store.get(None, batch.id)
    assert found is not None
    assert found.hook.tries == 0


async def test_runs_that_end_without_a_word_are_told_from_those_that_wait(store: SqlJobStore) -> None:
    await submitted(store, 1)
    for runs in range(1, 4):
        claim = await claimed(store)
        assert (claim.task.attempt, claim.task.lapses) == (runs, runs - 1)
        await store.free()
    assert await store.settle(await claimed(store), waits())
    again = await claimed(store)
    assert (again.task.attempt, again.task.lapses) == (5, 0)


async def test_a_head_start_is_his_who_names_the_batch(store: SqlJobStore, database: Database) -> None:
    await store.submit(order(), drafts(2), head_start=60)
    assert await store.claim("b", ["image"], LEASE) is None
    claim = await store.claim("a", ["image"], LEASE, named=["batch_00000001"])
    assert claim is not None
    await store.settle(claim, waits(60))
    other = await store.claim("a", ["image"], LEASE, named=["batch_00000001"])
    assert other is not None
    assert other.task.id != claim.task.id, "what waits since it failed has no head start"
    assert await store.settle(other, Failed("c", "e", "z", True))
    assert await store.again("batch_00000001", head_start=60) is not None
    assert await store.claim("b", ["image"], LEASE) is None
    await later(database, 61)
    assert await store.claim("b", ["image"], LEASE) is not None, "who was named may have died"


async def test_batches_whose_time_is_up_are_named_and_old_ones_forgotten(store: SqlJobStore) -> None:
    await submitted(store, 2, expires_at=time.time() + 50)
    await submitted(store, 1, batch_id="batch_late", expires_at=time.time() - 1)
    assert list(await store.overdue(time.time())) == ["batch_late"]
    batch = await store.change("batch_late", "expired")
    assert batch is not None
    assert (batch.state, batch.tally) == ("expired", TaskCounts(cancelled=1))
    closing = await store.closing("a", LEASE)
    assert closing is not None
    await store.close(closing.id, "a", "", time.time() - 100)
    assert await store.forget_before(time.time() - 200) == 0
    assert await store.forget_before(time.time() - 50) == 1
    assert await store.get(None, "batch_late") is None
    assert await store.tasks("batch_late") == []
    assert await store.stats() == {"images": TaskCounts(queued=2)}


async def test_the_counts_are_those_of_the_tasks_whatever_happens(store: SqlJobStore, database: Database) -> None:
    dice = random.Random(7)
    await submitted(store, 30, concurrency=6)
    held: list[Claim] = []
    for _ in range(220):
        deed = dice.random()
        if deed < 0.5:
            if claim := await store.claim("a", ["image"], 0.0 if dice.random() < 0.3 else LEASE):
                held.append(claim)
        elif deed < 0.9 and held:
            outcome: TaskOutcome = dice.choice([Done("{}"), Failed("c", "e", "z", True), waits(), Released()])
            await store.settle(held.pop(dice.randrange(len(held))), outcome)
        elif deed < 0.95:
            await store.expire()
        elif deed < 0.97:
            await store.change("batch_00000001", dice.choice(["paused", "active", "cancelled"]))
        else:
            await store.again("batch_00000001")
        assert await tally(store) == await counted(database)
    assert (await tally(store)).total == 30
    assert await store.stats() == {"images": await counted(database)}


async def test_other_processes_hear_of_changes_where_the_database_can_tell(
    store: SqlJobStore, database: Database, database_url: str
) -> None:
    other = await open_database(database_url)
    heard: list[str] = []

    async def listen() -> None:
        async with aclosing(SqlJobStore(other, VAULT).changes()) as changes:
            async for batch_id in changes:
                heard.append(batch_id)  # noqa: PERF401 - seen while it listens

    listening = asyncio.create_task(listen())
    try:
        if database.is_sqlite:
            await asyncio.wait_for(listening, PATIENCE)
            return
        async with asyncio.timeout(PATIENCE):
            while not heard:
                await submitted(store, 1, batch_id=f"batch_{random.random()}")
                await asyncio.sleep(0.05)
        heard.clear()
        claim = await claimed(store)
        await store.settle(claim, Done("{}"))
        await until(lambda: heard)
        assert heard == [claim.batch.id]
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await other.close()


async def test_ten_thousand_tasks_are_entered_without_holding_the_loop_and_claims_stay_cheap(
    store: SqlJobStore,
) -> None:
    gaps: list[float] = []

    async def watch() -> None:
        """What this thread works between two turns of the loop; others that want the processor do not count."""
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            gaps.append(time.thread_time() - before)

    gc.collect()
    gc.freeze()  # what earlier tests left is not this store's to look through
    watching = asyncio.create_task(watch())
    await submitted(store, 10_000, concurrency=50)
    watching.cancel()
    assert max(gaps) < 0.2, "the bar is 50 ms; processors differ"
    began = time.perf_counter()
    claims = [await claimed(store) for _ in range(50)]
    each = (time.perf_counter() - began) / 50
    assert Counter(claim.task.attempt for claim in claims) == {1: 50}
    assert each < 1.0, "a claim reads one row, not ten thousand"
    print(f"10,000 tasks: longest gap {max(gaps) * 1e3:.1f} ms, claim {each * 1e3:.1f} ms")


async def test_what_stands_in_a_chat_is_left_to_the_node_that_can_read_it_as_long_as_it_lives(
    store: SqlJobStore, database: Database
) -> None:
    accounts = SqlAccountStore(database, Vault([Fernet.generate_key().decode()]))
    await accounts.set_up(AccountSetup("alice", origin="admin"))
    assert await accounts.claim("alice", "node-a", LEASE)
    await submitted(store, 1)
    first = await store.claim("node-a", ["image"], 0.0, ["alice"])
    assert first is not None
    assert await store.note(first, Checkpoint("alice", "identity", "c_1"))
    await asyncio.sleep(0.01)
    assert await store.expire() == 1
    assert await store.claim("node-b", ["image"], LEASE, ["bob"]) is None
    again = await store.claim("node-a/2", ["image"], 0.0, ["alice"])
    assert again is not None
    assert again.task.checkpoint.cid == "c_1"
    await asyncio.sleep(0.01)
    assert await store.expire() == 1
    await accounts.release("node-a")
    assert await store.claim("node-b", ["image"], LEASE, ["bob"]) is not None, "nobody has the account any more"


async def test_one_is_forgotten_alone_and_old_ones_by_their_kind(store: SqlJobStore) -> None:
    now = time.time()
    for number, kind in enumerate(("images", "response", "response")):
        await store.submit(order(f"batch_{number:08x}", kind=kind), drafts(1))
        assert await store.settle(await claimed(store), Done("{}"))
        closing = await store.closing("a", 30.0)
        assert closing is not None
        assert await store.close(closing.id, "a", "{}", now)
    assert await store.forget("batch_00000002")
    assert not await store.forget("batch_00000002")
    assert await store.forget_before(now - 1, ["response"]) == 0
    assert await store.forget_before(now + 1, ["response"]) == 1
    assert await store.get(None, "batch_00000000") is not None
    assert await store.forget_before(now + 1) == 1


SAYING = '{"custom_id": "a", "body": {"prompt": "a secret fox \u72d0"}}'


async def texts(database: Database) -> str:
    """Everything that stands in the rows of tasks and batches."""
    async with database.reading() as connection:
        rows = [*await connection.execute(select(task_table)), *await connection.execute(select(batch_table))]
    return repr([tuple(row) for row in rows])


async def test_what_a_batch_holds_is_read_as_it_was_written(store: SqlJobStore) -> None:
    await store.submit(order(defaults='{"style": "of a fox"}'), [TaskDraft("a secret fox \u72d0", SAYING)])
    claim = await claimed(store)
    assert (claim.task.prompt, claim.task.payload) == ("a secret fox \u72d0", SAYING)
    assert claim.batch.defaults == '{"style": "of a fox"}'
    batch = await store.get(None, claim.batch.id)
    assert batch is not None
    assert batch.defaults == claim.batch.defaults
    assert await store.settle(claim, Done('{"text": "the fox"}'))
    (task,) = await store.tasks(claim.batch.id)
    assert (task.prompt, task.payload, task.result) == ("a secret fox \u72d0", SAYING, '{"text": "the fox"}')
    assert await store.ended(claim.batch.id, 0, 10) == [task]


async def test_nothing_of_a_body_stands_in_the_rows(store: SqlJobStore, database: Database) -> None:
    await store.submit(order(defaults='{"style": "of a fox"}'), [TaskDraft("a secret fox", SAYING)] * 2)
    for outcome in (Done('{"text": "the fox"}'), Failed("code", "en", "zh", True, '{"body": "no fox"}')):
        assert await store.settle(await claimed(store), outcome)
    stored = await texts(database)
    assert " fox" not in stored, "with a space: the letters alone can be those of a sealed text"
    assert "u72d0" not in stored
    tasks = await store.tasks("batch_00000001")
    assert [task.result for task in tasks] == ['{"text": "the fox"}', '{"body": "no fox"}']
    assert tasks[0].prompt == tasks[1].prompt
    async with database.reading() as connection:
        prompts = (await connection.execute(select(task_table.c.prompt))).scalars().all()
    assert len(set(prompts)) == 2, "the same words look different in each row"


async def test_rows_of_older_versions_stay_readable(store: SqlJobStore, database: Database) -> None:
    """Whoever ordered before has plain rows, and they stay plain to their end."""
    await store.submit(order(), drafts(1))
    async with database.writing() as connection:
        await connection.execute(update(batch_table).values(data_key="", data_key_id="", defaults="{}"))
        await connection.execute(update(task_table).values(prompt="old", payload="of old"))
    claim = await claimed(store)
    assert (claim.task.prompt, claim.task.payload, claim.batch.defaults) == ("old", "of old", "{}")
    assert await store.settle(claim, Done("done"))
    assert [task.result for task in await store.tasks(claim.batch.id)] == ["done"]
    assert await store.rewrap() == 0


async def test_a_new_key_of_the_vault_rewraps_data_keys_and_webhook_secrets(database: Database) -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    old, both, new = (SqlJobStore(database, Vault(keys)) for keys in ([first], [second, first], [second]))
    secret = await Vault([first]).seal(webhook_secret_subject("batch_00000001"), {"secret": "whsec"})
    hook = Webhook("https://example.com", secret.text, secret.key_id)
    await old.submit(order(hook=hook), [TaskDraft("a fox", SAYING)])
    await old.submit(order("batch_00000002"), [TaskDraft("another fox")])
    assert await claim_of(new) is None, "its key is not there: the task waits for it"
    with pytest.raises(StorageDown, match="COOKIE_KEYS"):
        await new.tasks("batch_00000001")
    assert (await new.latest(None, ["images"], 5))[1] == 2
    assert await both.rewrap() == 2
    assert await both.rewrap() == 0
    assert [task.prompt for task in await new.tasks("batch_00000001")] == ["a fox"]
    claim = await claim_of(new)
    assert claim is not None
    assert claim.task.prompt in ("a fox", "another fox")
    batch = await new.get(None, "batch_00000001")
    assert batch is not None
    sealed = Sealed(batch.hook.secret_key, batch.hook.secret)
    assert await Vault([second]).open(webhook_secret_subject(batch.id), sealed) == {"secret": "whsec"}


async def claim_of(store: SqlJobStore) -> Claim | None:
    return await store.claim("a", ["image"], LEASE)


async def test_a_text_that_was_moved_to_another_row_is_not_read(store: SqlJobStore, database: Database) -> None:
    await store.submit(order(), drafts(2))
    async with database.writing() as connection:
        first = await connection.scalar(select(task_table.c.prompt).where(task_table.c.seq == 0))
        await connection.execute(update(task_table).where(task_table.c.seq == 1).values(prompt=first))
    with pytest.raises(StorageDown, match="damaged"):
        await store.tasks("batch_00000001")


async def test_a_job_that_is_queued_again_is_closed_again_at_once(store: SqlJobStore) -> None:
    await submitted(store, 1)
    for _ in range(2):
        assert await store.settle(await claimed(store), Failed("code", "en", "zh", True))
        closing = await store.closing("a", 900.0)
        assert closing is not None, "whoever closed it before holds it no more"
        assert await store.close(closing.id, "a", "{}", time.time())
        assert await store.again(closing.id) is not None


async def test_prompts_that_leave_are_counted_with_their_batch(store: SqlJobStore, database: Database) -> None:
    batch = await submitted(store, 2)
    claim = await claimed(store)
    assert await store.note(claim, Checkpoint("alice", "1"))
    assert await store.note(claim, Checkpoint("alice", "1", cid="c_1"))
    assert await store.note(claim, Checkpoint("bob", "2", part=1))
    await store.free()
    assert not await store.note(claim, Checkpoint("alice", "1")), "it lost its task, and nothing leaves"
    assert (await store.latest(None, ["images"], 1))[0][0].sent == 2
    async with database.writing() as connection:
        await connection.execute(update(batch_table).values(sent=None))
    assert await store.note(await claimed(store), Checkpoint("alice", "1"))
    found = await store.get(None, batch.id)
    assert found is not None
    assert found.sent is None, "of an order from an older version it is not known"


async def test_a_list_can_be_of_one_status_in_the_words_that_each_batch_says_itself(
    store: SqlJobStore, database: Database
) -> None:
    rows = product(
        ("active", "paused", "cancelled", "expired", "invalid", "finished"), (0, 1), (0, 1), (0, 1), (0, 1), (0, 9.0)
    )
    columns = ("state", "running", "done", "failed", "started_at", "closed_at")
    await store.submit(order(), [])
    async with database.writing() as connection:
        like = dict((await connection.execute(select(batch_table))).mappings().one())
        all_of_them = [
            {**like, "id": f"batch_{number}", **dict(zip(columns, values, strict=True))}
            for number, values in enumerate(rows)
        ]
        await connection.execute(delete(batch_table))
        await connection.execute(insert(batch_table), all_of_them)
    everything, total = await store.latest(None, ["images"], 500)
    assert total == len(everything) == 192
    for status in get_args(JobStatus):
        found, count = await store.latest(None, ["images"], 500, status=status)
        assert {one.id for one in found} == {one.id for one in everything if one.status == status}
        assert count == len(found) > 0


async def test_a_list_goes_either_way_page_by_page(store: SqlJobStore) -> None:
    """Many are as old as one another."""
    ids = [f"batch_{number}" for number in range(7)]
    for number, batch_id in enumerate(ids):
        await store.submit(order(batch_id, created_at=100.0 + number // 3), drafts(1))
    for oldest_first in (True, False):
        told: list[str] = []
        while True:
            after = told[-1] if told else None
            page, total = await store.latest(None, ["images"], 2, after, oldest_first=oldest_first)
            if not page:
                break
            told += [one.id for one in page]
        assert (told, total) == (ids if oldest_first else ids[::-1], 7)


@pytest.mark.parametrize("cid", ["", "c_1"])
async def test_who_asks_again_has_a_prompt_sent_of_which_nothing_is_known(store: SqlJobStore, cid: str) -> None:
    batch = await submitted(store, 1)
    claim = await claimed(store)
    await store.note(claim, Checkpoint("alice", "1", image='{"phase": "starting"}'))
    if cid:
        await store.note(claim, Checkpoint("alice", "1", cid=cid))
    await store.settle(claim, Cancelled())
    await store.again(batch.id)
    assert (await claimed(store)).task.checkpoint == (Checkpoint("alice", "1", cid=cid) if cid else Checkpoint())
