"""Chats of which all else was forgotten are still known as ours, and whose they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "chat_made",
        sa.Column("cid", sa.Text, primary_key=True, comment="A chat at Google of which we have forgotten all else"),
        sa.Column("tenant", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("chat_made")
