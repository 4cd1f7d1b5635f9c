"""Browsers that push an account's cookies: a key that does nothing else, codes to get one, and what was pushed last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    with op.batch_alter_table("client_key") as table:
        table.add_column(sa.Column("account", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "pairing_code",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.name"], name="fk_pairing_code_account", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_pairing_code"),
    )
    op.create_table(
        "account_push",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("agent", sa.Text, nullable=False, server_default=""),
        sa.Column("language", sa.Text, nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["account"], ["account.name"], name="fk_account_push_account", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account", name="pk_account_push"),
    )


def downgrade() -> None:
    op.drop_table("account_push")
    op.drop_table("pairing_code")
    with op.batch_alter_table("client_key") as table:
        table.drop_column("account")
