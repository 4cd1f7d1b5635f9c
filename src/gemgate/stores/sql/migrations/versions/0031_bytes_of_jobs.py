"""How much jobs hold of what was asked and said, so that it counts in a key's share of words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def _text(*names: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column(name, sa.Text) for name in names]


def _length(table: sa.TableClause, *names: str) -> sa.ColumnElement[int]:
    lengths = [sa.func.length(table.c[name]) for name in names]
    return sum(lengths[1:], start=lengths[0])


def upgrade() -> None:
    comment = "Of what was asked and said, as stored"
    op.add_column("batch", sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0", comment=comment))
    batch = sa.table("batch", *_text("id", "defaults", "about"), sa.column("bytes", sa.BigInteger))
    task = sa.table("task", *_text("batch", "prompt", "payload", "result", "error", "error_zh"))
    said = sa.table("response_event", *_text("response", "events"))
    asked = sa.func.sum(_length(task, "prompt", "payload", "result", "error", "error_zh"))
    tasks = sa.select(sa.func.coalesce(asked, 0)).where(task.c.batch == batch.c.id).scalar_subquery()
    told = sa.func.coalesce(sa.func.sum(sa.func.length(said.c.events)), 0)
    events = sa.select(told).where(said.c.response == batch.c.id).scalar_subquery()
    op.execute(sa.update(batch).values(bytes=_length(batch, "defaults", "about") + tasks + events))
    columns = ["tenant", "closed_at", "hook_at", "bytes"]
    op.create_index("ix_batch_tenant_closed_at_hook_at_bytes", "batch", columns)


def downgrade() -> None:
    op.drop_index("ix_batch_tenant_closed_at_hook_at_bytes", "batch")
    op.drop_column("batch", "bytes")
