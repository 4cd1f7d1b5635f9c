"""Statements over batches and tasks that several changes have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, Update, and_, case, exists, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gemgate.batches import Claim, TaskStatus
from gemgate.stores.sql.database import epoch_now
from gemgate.stores.sql.schema import account, batch, task

READ_BY_OWNER = 60.0
"""Seconds for which a task whose answer may stand in a chat is left to the node that can read that chat."""


def owned(query: Select[Any], tenant: str | None) -> Select[Any]:
    return query if tenant is None else query.where(batch.c.tenant == tenant)


async def locked(connection: AsyncConnection, batch_id: str) -> Row[Any] | None:
    """The batch's row, ours until the end of the transaction."""
    return (await connection.execute(select(batch).where(batch.c.id == batch_id).with_for_update())).one_or_none()


def of_run(statement: Update, claim: Claim) -> Update:
    """Only while the run still holds its task."""
    return statement.where(
        task.c.id == claim.task.id,
        task.c.status == "running",
        task.c.lease_owner == claim.owner,
        task.c.attempt == claim.task.attempt,
    )


def moved(batch_id: str, status: TaskStatus, count: int) -> Update:
    """The batch's counts after so many running tasks went over to `status`."""
    column = batch.c[status]
    ends = status != "queued"
    last = and_(batch.c.queued == 0, batch.c.running == count)
    return (
        update(batch)
        .where(batch.c.id == batch_id)
        .values(
            {
                batch.c.running: batch.c.running - count,
                column: column + count,
                batch.c.settled: batch.c.settled + (1 if ends else 0),
                batch.c.ended_at: case((last, epoch_now()), else_=batch.c.ended_at) if ends else batch.c.ended_at,
            }
        )
    )


def runnable(of: FromClause, accounts: Collection[str]) -> ColumnElement[bool]:
    """Tasks that a node with these accounts may run now.

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
    return and_(of.c.status == "queued", of.c.run_after <= epoch_now(), free)
