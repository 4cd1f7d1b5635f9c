"""Batches and their tasks in the database: one row each, and the counts of a batch in its own row.

Every change of a task locks its batch's row first and brings the counts along in the same transaction, so that a status
costs one row however many tasks there are, and two nodes never run more of a batch at once than it allows. A run is
fenced by its lease's owner and its number: whoever lost a task changes nothing (docs/decisions.md 24).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.batches import (
    Batch,
    BatchKind,
    BatchState,
    Cancelled,
    Checkpoint,
    Claim,
    Deferred,
    Done,
    JobStatus,
    Need,
    Released,
    Task,
    TaskCounts,
    TaskDraft,
    TaskOutcome,
    TaskPages,
    TaskStatus,
    Webhook,
)
from gemgate.errors import Conflict, NotFound, StorageDown
from gemgate.lazy_import import later
from gemgate.offload import offload
from gemgate.ports.jobs import LeaseStatus
from gemgate.ports.vault import Sealed, Vault
from gemgate.stores.sql import made_chats
from gemgate.stores.sql.data_keys import KEY_COLUMNS, SEALED_AT_ONCE, DataKey, DataKeys, rewrap_batches
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.job_rows import (
    anew,
    batch_of,
    counted,
    ending,
    entry_of,
    pages,
    row_of,
    task_id,
    task_of,
    trail_columns,
)
from gemgate.stores.sql.job_statements import (
    CHANNEL,
    GIVEN_UP,
    OPEN,
    given_back_by,
    held_by,
    locked,
    moved,
    of_run,
    owned,
    ready,
    runnable,
    standing,
    steered,
    tell,
)
from gemgate.stores.sql.kept_words import ChatShare, size
from gemgate.stores.sql.schema import batch, task

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = later("sqlalchemy.dialects.postgresql")

CHUNK = 500
"""Rows that are read or changed by one statement."""
_Able = Callable[[FromClause], ColumnElement[bool]]
LOOKED_AT = 50
"""Batches with something to run that a claim looks at, the first ones of the order."""


class SqlJobStore:
    """The port `JobStore` on SQLite and PostgreSQL."""

    def __init__(self, database: Database, vault: Vault, share: ChatShare | None = None) -> None:
        self._database = database
        self._share = share or ChatShare()
        self._vault = vault
        self._keys = DataKeys(vault)

    # Orders

    async def submit(self, order: Batch, tasks: Sequence[TaskDraft] | TaskPages, *, head_start: float = 0.0) -> Batch:
        if order.idempotency_key and (known := await self.under_key(order.tenant, order.idempotency_key)):
            return known
        key, sealed = await self._keys.make(order.id)
        insert_one = sqlite_insert if self._database.is_sqlite else postgresql.insert
        values = entry_of(order, tasks.count if isinstance(tasks, TaskPages) else len(tasks))
        values |= {"data_key": sealed.text, "data_key_id": sealed.key_id}
        values["defaults"] = key.seal(f"{order.id} defaults", order.defaults)
        entry = insert_one(batch).values(values).on_conflict_do_nothing().returning(batch.c.id)
        async with self._database.writing() as connection:
            entered = (await connection.execute(entry)).scalar_one_or_none() is not None
            if entered:
                seq, nbytes = 0, size(values["defaults"], values["about"])
                async for drafts in pages(tasks):
                    rows = await _sealed_rows(key, order.id, seq, drafts)
                    await connection.execute(insert(task), rows)
                    seq += len(rows)
                    nbytes += sum(size(row["prompt"], row["payload"]) for row in rows)
                    await asyncio.sleep(0)
                if head_start:
                    later = update(task).where(task.c.batch == order.id).values(run_after=epoch_now() + head_start)
                    await connection.execute(later)
                await connection.execute(update(batch).where(batch.c.id == order.id).values(bytes=nbytes))
                await self._share.make_room(connection, order.tenant, order.id, nbytes, ordered=True)
                await tell(self._database, connection, order.id)
        if entered:
            found = await self.get(order.tenant, order.id)
        else:  # two orders under one key met, and the other one was first
            found = await self.under_key(order.tenant, order.idempotency_key) if order.idempotency_key else None
        if found is None:
            raise Conflict(f"The id {order.id} is taken", f"编号 {order.id} 已被占用", code="batch_id_taken")
        return found

    async def open_tasks(self, tenant: str) -> int:
        waiting = select(func.coalesce(func.sum(batch.c.queued + batch.c.running), 0)).where(batch.c.tenant == tenant)
        async with self._database.reading() as connection:
            return int((await connection.execute(waiting)).scalar_one())

    async def get(self, tenant: str | None, batch_id: str) -> Batch | None:
        return await self._one(owned(select(batch).where(batch.c.id == batch_id), tenant))

    async def under_key(self, tenant: str, key: str) -> Batch | None:
        return await self._one(select(batch).where(batch.c.tenant == tenant, batch.c.idempotency_key == key))

    async def latest(
        self,
        tenant: str | None,
        kinds: Sequence[BatchKind],
        limit: int,
        after: str | None = None,
        status: JobStatus | None = None,
        *,
        oldest_first: bool = False,
    ) -> tuple[Sequence[Batch], int]:
        age = (batch.c.created_at, batch.c.id)
        order = age if oldest_first else tuple(column.desc() for column in age)
        wanted = and_(batch.c.kind.in_(kinds), *([standing() == status] if status else []))
        page = owned(select(batch).where(wanted).order_by(*order).limit(limit), tenant)
        total = owned(select(func.count()).select_from(batch).where(wanted), tenant)
        async with self._database.reading() as connection:
            if after is not None:
                place = owned(select(batch.c.created_at, batch.c.id).where(batch.c.id == after), tenant)
                row = (await connection.execute(place)).one_or_none()
                if row is None:
                    raise NotFound(
                        f"There is no job {after[:100]}",
                        f"任务 {after[:100]} 不存在",
                        param="after",
                        code="job_not_found",
                    )
                at = tuple_(literal(row.created_at), literal(row.id))
                page = page.where(tuple_(*age) > at if oldest_first else tuple_(*age) < at)
            rows = [batch_of(row) for row in await connection.execute(page)]
            return rows, int((await connection.execute(total)).scalar_one())

    async def tasks(
        self, batch_id: str, *, status: Sequence[TaskStatus] = (), after: int = -1, limit: int = CHUNK
    ) -> Sequence[Task]:
        query = select(task).where(task.c.batch == batch_id, task.c.seq > after).order_by(task.c.seq).limit(limit)
        if status:
            query = query.where(task.c.status.in_(status))
        return await self._opened(batch_id, query)

    async def ended(self, batch_id: str, after: int, limit: int) -> Sequence[Task]:
        query = (
            select(task).where(task.c.batch == batch_id, task.c.settled > after).order_by(task.c.settled).limit(limit)
        )
        return await self._opened(batch_id, query)

    async def _opened(self, batch_id: str, query: Select[Any]) -> Sequence[Task]:
        """Tasks of one batch, their texts opened."""
        async with self._database.reading() as connection:
            held = (await connection.execute(select(*KEY_COLUMNS).where(batch.c.id == batch_id))).one_or_none()
            tasks = [task_of(row) for row in await connection.execute(query)] if held else []
        if held is None or not tasks:
            return tasks
        return await (await self._keys.open(held.id, Sealed(held.data_key_id, held.data_key))).opened_all(tasks)

    async def _one(self, query: Select[Any]) -> Batch | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        key = await self._keys.open(row.id, Sealed(row.data_key_id, row.data_key)) if row.defaults else None
        return replace(batch_of(row), defaults=key.open(f"{row.id} defaults", row.defaults) if key else "")

    # Runs

    async def claim(
        self,
        owner: str,
        needs: Collection[Need],
        seconds: float,
        accounts: Collection[str] = (),
        named: Collection[str] = (),
    ) -> Claim | None:
        able = partial(runnable, accounts=accounts, named=named)
        async with self._database.reading() as connection:
            found = (await connection.execute(ready(needs, able, LOOKED_AT))).all()
        for row in found:
            try:
                key = await self._keys.open(row.id, Sealed(row.data_key_id, row.data_key))
            except StorageDown:
                continue  # nobody here can read it: it waits for its key
            async with self._database.writing() as connection:
                claim = await self._claimed(connection, row.id, owner, seconds, able)
            if claim is not None:
                return await key.opened_claim(claim)
        return None

    async def _claimed(
        self, connection: AsyncConnection, batch_id: str, owner: str, seconds: float, able: _Able
    ) -> Claim | None:
        row = await locked(connection, batch_id)
        if row is None or row.state != "active" or row.running >= row.concurrency:
            return None
        waiting = task.alias()
        first = (
            select(waiting.c.id)
            .where(waiting.c.batch == batch_id, able(waiting))
            .order_by(waiting.c.seq)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        take = (
            update(task)
            .where(task.c.id == first)
            .values(
                status="running",
                lease_owner=owner,
                lease_until=epoch_now() + seconds,
                attempt=task.c.attempt + 1,
                started_at=case((task.c.started_at == 0, epoch_now()), else_=task.c.started_at),
            )
            .returning(*task.c)
        )
        taken = (await connection.execute(take)).one_or_none()
        if taken is None:
            return None
        counts = update(batch).where(batch.c.id == batch_id)
        counts = counts.values(
            queued=batch.c.queued - 1,
            running=batch.c.running + 1,
            claimed_at=epoch_now(),
            started_at=case((batch.c.started_at == 0, epoch_now()), else_=batch.c.started_at),
        )
        changed = (await connection.execute(counts.returning(*batch.c))).one()
        return Claim(task_of(taken), replace(batch_of(changed), defaults=changed.defaults), owner)

    async def renew(self, owner: str, task_ids: Collection[str], seconds: float) -> Mapping[str, LeaseStatus]:
        if not task_ids:
            return {}
        extend = (
            update(task)
            .where(task.c.id.in_(task_ids), task.c.status == "running", task.c.lease_owner == owner)
            .values(lease_until=epoch_now() + seconds)
            .returning(task.c.id, task.c.attempt, task.c.batch)
        )
        async with self._database.writing() as connection:
            held = (await connection.execute(extend)).all()
            ids = {row.batch for row in held}
            given_up = select(batch.c.id).where(batch.c.id.in_(ids), batch.c.state.in_(GIVEN_UP))
            lost = set((await connection.execute(given_up)).scalars()) if ids else set()
        return {row.id: LeaseStatus(row.attempt, row.batch in lost) for row in held}

    async def note(self, claim: Claim, checkpoint: Checkpoint) -> bool:
        trail = trail_columns(checkpoint)
        held = exists().where(held_by(claim))
        sent = update(batch).where(batch.c.id == claim.batch.id, held).values(sent=batch.c.sent + 1)
        async with self._database.writing() as connection:
            if not checkpoint.cid:
                await connection.execute(sent)
            noted = (await connection.execute(of_run(update(task), claim).values(trail))).rowcount == 1
            if checkpoint.cid and not noted:
                await connection.execute(update(task).where(given_back_by(claim)).values(trail))
            return noted

    async def settle(self, claim: Claim, outcome: TaskOutcome) -> bool:
        async with self._database.writing() as connection:
            row = await locked(connection, claim.batch.id)
            if row is None:
                return False
            if row.state in GIVEN_UP and isinstance(outcome, Deferred | Released):
                outcome = Cancelled()
            ended = (await self._keys.open(row.id, Sealed(row.data_key_id, row.data_key))).sealed_outcome(
                claim.task.id, outcome
            )
            told = ending(ended, row.settled + 1)
            change = of_run(update(task), claim).values(told)
            if (await connection.execute(change)).rowcount != 1:
                return False
            grown = size(*(told.get(name, "") for name in ("result", "error", "error_zh")))
            await connection.execute(moved(claim.batch.id, counted(outcome), 1, grown))
            if isinstance(outcome, Done) and outcome.nbytes:
                files = update(batch).where(batch.c.id == claim.batch.id).values(media_bytes=outcome.nbytes)
                await connection.execute(files)
            else:  # with a file its words count with that (`kept_media`)
                await self._share.make_room(connection, row.tenant, claim.batch.id, grown)
            await tell(self._database, connection, claim.batch.id)
        return True

    async def expire(self) -> int:
        over = and_(task.c.status == "running", task.c.lease_until < epoch_now())
        async with self._database.reading() as connection:
            ids = (await connection.execute(select(task.c.batch).where(over).distinct())).scalars().all()
        return await self._taken_back(ids, over)

    async def sole(self) -> bool:
        return await self._database.lock("jobs")

    async def free(self) -> int:
        running = task.c.status == "running"
        async with self._database.reading() as connection:
            ids = (await connection.execute(select(task.c.batch).where(running).distinct())).scalars().all()
        return await self._taken_back(ids, running)

    async def _taken_back(self, batch_ids: Sequence[str], which: ColumnElement[bool]) -> int:
        """Queue running tasks again, or cancel them where their batch was given up."""
        count = 0
        for batch_id in batch_ids:
            async with self._database.writing() as connection:
                row = await locked(connection, batch_id)
                if row is None:
                    continue
                status: TaskStatus = "cancelled" if row.state in GIVEN_UP else "queued"
                change = update(task).where(task.c.batch == batch_id, which)
                values: dict[str, Any] = {"status": status, "lease_owner": "", "run_after": epoch_now()}
                values |= {"finished_at": epoch_now()} if status == "cancelled" else {"lapses": task.c.lapses + 1}
                freed = await connection.execute(change.values(values))
                if freed.rowcount:
                    await connection.execute(moved(batch_id, status, freed.rowcount))
                    await tell(self._database, connection, batch_id)
                count += freed.rowcount
        return count

    # What becomes of a whole batch

    async def change(self, batch_id: str, state: BatchState) -> Batch | None:
        row = await steered(self._database, batch_id, state)
        return batch_of(row) if row is not None else None

    async def again(self, batch_id: str, *, head_start: float = 0.0) -> Batch | None:
        async with self._database.writing() as connection:
            row = await locked(connection, batch_id)
            if row is None:
                return None
            back = row.failed + row.cancelled
            if not back or row.state == "invalid":
                return batch_of(row)
            over = update(task).where(task.c.batch == batch_id, task.c.status.in_(("failed", "cancelled")))
            await connection.execute(over.values(anew(head_start)))
            new = update(batch).where(batch.c.id == batch_id)
            new = new.values(
                state="paused" if row.state == "paused" else "active",
                queued=batch.c.queued + back,
                failed=0,
                cancelled=0,
                ended_at=0.0,
                closed_at=0.0,
                expires_at=0.0,
                hook_tries=0,
                hook_at=0.0,
                hook_outcome="",
            )
            changed = (await connection.execute(new.returning(*batch.c))).one()
            await tell(self._database, connection, batch_id)
        return batch_of(changed)

    async def overdue(self, now: float) -> Sequence[str]:
        query = select(batch.c.id).where(
            batch.c.closed_at == 0, batch.c.state.in_(OPEN), batch.c.expires_at > 0, batch.c.expires_at <= now
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalars().all()

    async def closing(self, owner: str, seconds: float) -> Batch | None:
        ended = and_(
            batch.c.closed_at == 0,
            batch.c.queued == 0,
            batch.c.running == 0,
            batch.c.state != "paused",
            batch.c.closer_until < epoch_now(),
        )
        async with self._database.reading() as connection:
            batch_id = await connection.scalar(select(batch.c.id).where(ended).order_by(batch.c.ended_at).limit(1))
        if batch_id is None:
            return None
        take = update(batch).where(batch.c.id == batch_id, ended)
        take = take.values(closer=owner, closer_until=epoch_now() + seconds)
        async with self._database.writing() as connection:
            row = (await connection.execute(take.returning(*batch.c))).one_or_none()
        return batch_of(row) if row else None

    async def close(self, batch_id: str, owner: str, about: str, at: float) -> bool:
        mine = and_(batch.c.id == batch_id, batch.c.closer == owner, batch.c.closed_at == 0)
        ended = and_(batch.c.queued == 0, batch.c.running == 0)
        async with self._database.writing() as connection:
            before = await connection.scalar(select(batch.c.about).where(mine)) or ""
            change = (
                update(batch)
                .where(mine, ended)
                .values(
                    state=case((batch.c.state == "active", literal("finished")), else_=batch.c.state),
                    about=about,
                    bytes=batch.c.bytes + size(about) - size(before),
                    closed_at=at,
                    closer="",
                    closer_until=0.0,
                    hook_at=case((batch.c.hook_url != "", at), else_=0.0),
                )
            )
            closed = (await connection.execute(change)).rowcount == 1
            if closed:
                await tell(self._database, connection, batch_id)
        return closed

    async def hook_due(self, now: float, seconds: float) -> Batch | None:
        due = and_(batch.c.hook_at > 0, batch.c.hook_at <= now)
        async with self._database.reading() as connection:
            batch_id = await connection.scalar(select(batch.c.id).where(due).order_by(batch.c.hook_at).limit(1))
        if batch_id is None:
            return None
        take = update(batch).where(batch.c.id == batch_id, due).values(hook_at=now + seconds)
        async with self._database.writing() as connection:
            row = (await connection.execute(take.returning(*batch.c))).one_or_none()
        return batch_of(row) if row else None

    async def hook_told(self, told: Batch, hook: Webhook) -> None:
        change = update(batch).where(batch.c.id == told.id, batch.c.closed_at == told.closed_at)
        change = change.values(hook_tries=hook.tries, hook_at=hook.at, hook_outcome=hook.outcome)
        async with self._database.writing() as connection:
            await connection.execute(change)

    async def at_rest(self) -> bool:
        if not self._database.is_sqlite:
            return False
        unsettled = exists().where(or_(batch.c.closed_at == 0, batch.c.hook_at > 0))
        async with self._database.reading() as connection:
            return not await connection.scalar(select(unsettled))

    async def stats(self) -> Mapping[BatchKind, TaskCounts]:
        counts = [func.sum(batch.c[name]).label(name) for name in _COUNTS]
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(batch.c.kind, *counts).group_by(batch.c.kind))).all()
        return {row.kind: TaskCounts(*(int(count) for count in row[1:])) for row in rows}

    async def forget(self, batch_id: str) -> bool:
        return await self._forgotten(batch.c.id == batch_id) == 1

    async def forget_before(self, moment: float, kinds: Sequence[BatchKind] = ()) -> int:
        old = and_(batch.c.closed_at > 0, batch.c.closed_at < moment)
        if kinds:
            old = and_(old, batch.c.kind.in_(kinds))
        return await self._forgotten(old)

    async def _forgotten(self, those: ColumnElement[bool]) -> int:
        async with self._database.writing() as connection:
            await connection.execute(made_chats.of_batches(those))
            return (await connection.execute(delete(batch).where(those))).rowcount

    async def changes(self) -> AsyncGenerator[str, None]:
        async for batch_id in self._database.listening(CHANNEL):
            yield batch_id

    async def rewrap(self) -> int:
        return await rewrap_batches(self._database, self._vault)


async def _sealed_rows(key: DataKey, batch_id: str, first: int, drafts: Sequence[TaskDraft]) -> list[dict[str, Any]]:
    """The rows of tasks from number `first` on; large ones are sealed in a thread."""

    def sealed() -> list[dict[str, Any]]:
        tasks = ((seq, key.sealed_draft(task_id(batch_id, seq), draft)) for seq, draft in enumerate(drafts, first))
        return [row_of(batch_id, seq, draft) for seq, draft in tasks]

    size = sum(len(draft.prompt) + len(draft.payload) for draft in drafts)
    return await offload(size, sealed, small=SEALED_AT_ONCE)


_COUNTS = ("queued", "running", "done", "failed", "cancelled")
