"""Runs of a task that ended without a word are told from those that only waited."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    with op.batch_alter_table("task") as table:
        comment = "Runs in a row that ended without a word"
        table.add_column(sa.Column("lapses", sa.Integer, nullable=False, server_default="0", comment=comment))


def downgrade() -> None:
    with op.batch_alter_table("task") as table:
        table.drop_column("lapses")
