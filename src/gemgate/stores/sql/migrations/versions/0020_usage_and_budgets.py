"""What calls cost by hour and day, what is used of budgets, and the budgets of keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    dimensions = ("key", "model", "account", "kind", "outcome", "served", "dialect")
    op.create_table(
        "usage",
        sa.Column("hour", sa.Integer, nullable=False, comment="-1: the whole day"),
        sa.Column("day", sa.Integer, nullable=False, comment="Since 1970, UTC"),
        *(sa.Column(name, sa.Text, nullable=False) for name in dimensions),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("tokens_in", sa.BigInteger, nullable=False),
        sa.Column("tokens_out", sa.BigInteger, nullable=False),
        sa.Column("images", sa.BigInteger, nullable=False),
        sa.Column("videos", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("generations", sa.BigInteger, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hour", "day", *dimensions, name="pk_usage"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_writer",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_writer"),
    )
    op.create_table(
        "budget_use",
        sa.Column("scope", sa.Text, nullable=False, comment="key:NAME, or all"),
        sa.Column("period", sa.Text, nullable=False, comment="2026-11-29 or 2026-11, UTC"),
        sa.Column("calls", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("images", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("videos", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("scope", "period", name="pk_budget_use"),
    )
    op.create_table(
        "budget_charge",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("images", sa.BigInteger, nullable=False),
        sa.Column("videos", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.Double, nullable=False, comment="In flight until then unless renewed; 0 = not"),
        sa.PrimaryKeyConstraint("id", name="pk_budget_charge"),
    )
    op.create_index("ix_budget_charge_until", "budget_charge", ["until"])
    op.add_column("client_key", sa.Column("budget", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("client_key") as table:
        table.drop_column("budget")
    for name in ("budget_charge", "budget_use", "usage_writer", "usage"):
        op.drop_table(name)
