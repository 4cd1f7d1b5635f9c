"""Pictures know what painted them, in Google's own word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_WHAT = "Google's own name of what painted it"


def upgrade() -> None:
    with op.batch_alter_table("picture") as table:
        table.add_column(sa.Column("painter", sa.Text, nullable=False, server_default="", comment=_WHAT))


def downgrade() -> None:
    with op.batch_alter_table("picture") as table:
        table.drop_column("painter")
