"""Conversations and tasks are found by their chat at Google."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0015"


def upgrade() -> None:
    with op.batch_alter_table("conversation") as table:
        comment = "The chat at Google, of metadata"
        table.add_column(sa.Column("cid", sa.Text, nullable=False, server_default="", comment=comment))
    first = "json_extract(metadata, '$[0]')" if op.get_bind().dialect.name == "sqlite" else "metadata::json->>0"
    op.execute(f"UPDATE conversation SET cid = COALESCE({first}, '')")  # noqa: S608 - one of two constants
    op.create_index("ix_conversation_cid", "conversation", ["cid"])
    op.create_index("ix_task_cid", "task", ["cid"])


def downgrade() -> None:
    op.drop_index("ix_task_cid", "task")
    op.drop_index("ix_conversation_cid", "conversation")
    with op.batch_alter_table("conversation") as table:
        table.drop_column("cid")
