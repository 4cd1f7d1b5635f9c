"""Whether we renew an account's cookies; and sessions of accounts that are gone do not go on living."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column(
        "account",
        sa.Column(
            "rotate", sa.Boolean, nullable=False, server_default=sa.true(), comment="Whether we renew its cookies"
        ),
    )
    op.execute(
        "UPDATE session_life SET ended_at = renewed_at "
        "WHERE ended_at IS NULL AND account NOT IN (SELECT name FROM account)"
    )


def downgrade() -> None:
    with op.batch_alter_table("account") as changed:
        changed.drop_column("rotate")
