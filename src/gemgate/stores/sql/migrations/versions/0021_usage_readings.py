"""The series of Google's usage windows, account by account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "usage_reading",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False, server_default=""),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("resets_at", sa.Double),
        sa.Column("remaining", sa.Double),
        sa.Column("total", sa.Double),
        sa.Column(
            "calls", sa.Text, nullable=False, server_default="", comment="JSON: calls of ours since the reading before"
        ),
        sa.PrimaryKeyConstraint("account", "at", "name", "model", name="pk_usage_reading"),
    )
    op.create_index("ix_usage_reading_at", "usage_reading", ["at"])


def downgrade() -> None:
    op.drop_table("usage_reading")
