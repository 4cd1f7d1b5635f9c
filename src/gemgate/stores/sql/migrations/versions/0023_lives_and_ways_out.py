"""What kept a session alive and what ended it, the desktop of an account, its way out, and how old that is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"


def upgrade() -> None:
    for table, name, comment in (
        ("session_life", "arm", "What kept it alive when it was last renewed"),
        ("session_life", "ended_by", "A word of policy.session_end"),
        ("account", "desktop", "Where its browser is reached"),
        ("account", "way", "The way out that it went last, no password in it"),
    ):
        op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default="", comment=comment))
    op.create_table(
        "way_out",
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("first_at", sa.Double, nullable=False, comment="When it was first used: a new one is warmed"),
        sa.PrimaryKeyConstraint("node", "address", name="pk_way_out"),
    )


def downgrade() -> None:
    op.drop_table("way_out")
    for table, names in (("account", ("way", "desktop")), ("session_life", ("ended_by", "arm"))):
        with op.batch_alter_table(table) as changed:
            for name in names:
                changed.drop_column(name)
