"""How much of a prompt an account reads, as measured on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("wall_plain", sa.Integer))
        table.add_column(sa.Column("wall_with_files", sa.Integer))
        table.add_column(sa.Column("wall_resolution", sa.Integer))
        table.add_column(sa.Column("wall_at", sa.Double))
        table.add_column(sa.Column("wall_tier", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        for name in ("wall_plain", "wall_with_files", "wall_resolution", "wall_at", "wall_tier"):
            table.drop_column(name)
