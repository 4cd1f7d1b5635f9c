"""Settings can be changed while gateways run; every change is kept, with who made it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "setting_change",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The newest of a name is in force"),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("before", sa.Text, comment="JSON; null is what file, environment and options say"),
        sa.Column("after", sa.Text),
        sa.PrimaryKeyConstraint("name", "version", name="pk_setting_change"),
    )


def downgrade() -> None:
    op.drop_table("setting_change")
