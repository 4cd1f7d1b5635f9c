"""What batches hold is encrypted under a data key of each; rows from before stay readable as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    with op.batch_alter_table("batch") as table:
        table.add_column(sa.Column("data_key", sa.Text, nullable=False, server_default="", comment="Sealed"))
        table.add_column(sa.Column("data_key_id", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_task_batch_seq", "task", ["batch", "seq"])


def downgrade() -> None:
    op.drop_index("ix_task_batch_seq", "task")
    with op.batch_alter_table("batch") as table:
        table.drop_column("data_key")
        table.drop_column("data_key_id")
