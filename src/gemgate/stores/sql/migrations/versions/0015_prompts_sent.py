"""How many prompts went to Google for a batch, of those from before not known. Claims find their batch by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    with op.batch_alter_table("batch") as table:
        table.add_column(sa.Column("sent", sa.Integer))
    turn: list[str | sa.TextClause] = [
        "closed_at",
        "state",
        "need",
        sa.text("priority DESC"),
        "claimed_at",
        "created_at",
        "id",
    ]
    op.create_index("ix_batch_turn", "batch", turn)
    op.drop_index("ix_batch_closed_at", "batch")


def downgrade() -> None:
    op.create_index("ix_batch_closed_at", "batch", ["closed_at"])
    op.drop_index("ix_batch_turn", "batch")
    with op.batch_alter_table("batch") as table:
        table.drop_column("sent")
