"""Which account of its cookies, in which language, and how much of a prompt the operator says that it reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(
            sa.Column("number", sa.Integer, nullable=False, server_default="0", comment="Which account of its cookies")
        )
        table.add_column(sa.Column("language", sa.Text, nullable=False, server_default=""))
        table.add_column(
            sa.Column("prompt_max_bytes", sa.Integer, comment="As the operator says; wall_* is what was measured")
        )
        table.add_column(sa.Column("prompt_with_files_max_bytes", sa.Integer))


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        for name in ("number", "language", "prompt_max_bytes", "prompt_with_files_max_bytes"):
            table.drop_column(name)
