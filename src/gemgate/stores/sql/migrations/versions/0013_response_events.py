"""What background responses have said so far."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "response_event",
        sa.Column("response", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("events", sa.Text, nullable=False, comment="Sealed"),
        sa.PrimaryKeyConstraint("response", "number", name="pk_response_event"),
        sa.ForeignKeyConstraint(["response"], ["batch.id"], name="fk_response_event_response", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("response_event")
