"""Accounts that are used only while no other can take a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.drop_column("fallback")
