"""Statements over batches and tasks that several changes have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Update,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from gemgate.batches import BatchState, Claim, JobStatus, Need, TaskStatus
from gemgate.stores.sql.data_keys import KEY_COLUMNS
from gemgate.stores.sql.database import Database, epoch_now
from gemgate.stores.sql.schema import account, batch, task

CHANNEL = "gemgate_jobs"
OPEN: tuple[BatchState, ...] = ("active", "paused")
GIVEN_UP: tuple[BatchState, ...] = ("cancelled", "expired")
READ_BY_OWNER = 60.0
"""Seconds for which a task whose answer may stand in a chat is left to the node that can read that chat."""


def owned(query: Select[Any], tenant: str | None) -> Select[Any]:
    return query if tenant is None else query.where(batch.c.tenant == tenant)


def standing() -> ColumnElement[JobStatus]:
    """`Batch.status` of a row."""
    open_ = batch.c.queued + batch.c.running > 0
    given_up = batch.c.state.in_(GIVEN_UP)
    return case(
        (batch.c.state == "invalid", "failed"),
        (and_(given_up, not_(open_), batch.c.closed_at > 0), batch.c.state),
        (given_up, "cancelling"),
        (and_(open_, batch.c.state == "paused"), "paused"),
        (and_(open_, batch.c.started_at > 0), "processing"),
        (open_, "queued"),
        (batch.c.closed_at == 0, "finalizing"),
        (and_(batch.c.failed > 0, batch.c.done == 0), "failed"),
        else_="completed",
    )


async def locked(connection: AsyncConnection, batch_id: str) -> Row[Any] | None:
    """The batch's row, ours until the end of the transaction."""
    return (await connection.execute(select(batch).where(batch.c.id == batch_id).with_for_update())).one_or_none()


def held_by(claim: Claim) -> ColumnElement[bool]:
    """Whether the run still holds its task."""
    return and_(
        task.c.id == claim.task.id,
        task.c.status == "running",
        task.c.lease_owner == claim.owner,
        task.c.attempt == claim.task.attempt,
    )


def given_back_by(claim: Claim) -> ColumnElement[bool]:
    """Whether the task waits since the run lost it, and no other one has had it."""
    return and_(task.c.id == claim.task.id, task.c.status == "queued", task.c.attempt == claim.task.attempt)


def of_run(statement: Update, claim: Claim) -> Update:
    """Only while the run still holds its task."""
    return statement.where(held_by(claim))


def moved(batch_id: str, status: TaskStatus, count: int, grown: int = 0) -> Update:
    """The batch's counts after so many running tasks went over to `status`, with so many bytes more."""
    column = batch.c[status]
    ends = status != "queued"
    last = and_(batch.c.queued == 0, batch.c.running == count)
    return (
        update(batch)
        .where(batch.c.id == batch_id)
        .values(
            {
                batch.c.running: batch.c.running - count,
                batch.c.bytes: batch.c.bytes + grown,
                column: column + count,
                batch.c.settled: batch.c.settled + (1 if ends else 0),
                batch.c.ended_at: case((last, epoch_now()), else_=batch.c.ended_at) if ends else batch.c.ended_at,
            }
        )
    )


def runnable(of: FromClause, accounts: Collection[str], named: Collection[str] = ()) -> ColumnElement[bool]:
    """Tasks that a node with these accounts may run now; those of the batches `named` at once.

    What an earlier run left in a chat is read by the node that has its account, as long as that one lives.
    """
    elsewhere = exists().where(
        account.c.name == of.c.account, account.c.owner != "", account.c.lease_until > epoch_now()
    )
    free = or_(
        of.c.cid == "",
        of.c.account.in_(accounts),
        of.c.run_after <= epoch_now() - READ_BY_OWNER,
        not_(elsewhere),
    )
    due = of.c.run_after <= epoch_now()
    if named:  # what waits since a run failed has no head start
        due = or_(due, and_(of.c.batch.in_(named), of.c.code == ""))
    return and_(of.c.status == "queued", due, free)


def ready(needs: Collection[Need], able: Callable[[FromClause], ColumnElement[bool]], limit: int) -> Select[Any]:
    """Ids and sealed keys of batches that have something to run now (`able`, over tasks), those whose turn it is first.

    Each need is asked for by itself, in the order of `ix_batch_turn`, so that it ends after the first few however many
    batches wait.
    """
    waiting = exists().where(task.c.batch == batch.c.id, able(task))
    turn = (batch.c.priority.desc(), batch.c.claimed_at, batch.c.created_at, batch.c.id)
    columns = (*KEY_COLUMNS, batch.c.priority, batch.c.claimed_at, batch.c.created_at)
    first = [
        select(*columns)
        .where(
            batch.c.closed_at == 0,
            batch.c.state == "active",
            batch.c.need == need,
            batch.c.queued > 0,
            batch.c.running < batch.c.concurrency,
            waiting,
        )
        .order_by(*turn)
        .limit(limit)
        .subquery()
        for need in needs
    ]
    together = union_all(*(select(*one.c) for one in first)).subquery()
    order = (together.c.priority.desc(), together.c.claimed_at, together.c.created_at, together.c.id)
    return select(*(together.c[column.name] for column in KEY_COLUMNS)).order_by(*order).limit(limit)


async def tell(database: Database, connection: AsyncConnection, batch_id: str) -> None:
    """Let other processes know at once that a batch changes, where the database can."""
    if not database.is_sqlite:
        await connection.execute(select(func.pg_notify(CHANNEL, batch_id)))


async def steered(database: Database, batch_id: str, state: BatchState) -> Row[Any] | None:
    """The batch's row after it went over to `state`, if it was open; None when there is none."""
    async with database.writing() as connection:
        row = await locked(connection, batch_id)
        if row is None:
            return None
        if row.state not in OPEN or row.closed_at or not row.queued + row.running:
            return row
        gone = row.queued if state in GIVEN_UP else 0
        if gone:
            waiting = update(task).where(task.c.batch == batch_id, task.c.status == "queued")
            await connection.execute(waiting.values(status="cancelled", finished_at=epoch_now()))
        new = (
            update(batch)
            .where(batch.c.id == batch_id)
            .values(
                state=state,
                queued=batch.c.queued - gone,
                cancelled=batch.c.cancelled + gone,
                ended_at=epoch_now() if gone and not row.running else batch.c.ended_at,
            )
        )
        changed = (await connection.execute(new.returning(*batch.c))).one()
        await tell(database, connection, batch_id)
    return changed


async def give_up(database: Database, tenant: str) -> None:
    """Cancel all batches of a key that is revoked; what runs at this moment is ended by its worker."""
    mine = select(batch.c.id).where(batch.c.tenant == tenant, batch.c.state.in_(OPEN), batch.c.closed_at == 0)
    async with database.reading() as connection:
        found = (await connection.execute(mine)).scalars().all()
    for batch_id in found:
        await steered(database, batch_id, "cancelled")
