"""Which Google account stands behind a name, and when chats of it were last seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        for name, comment in (
            ("google_id", "Digest of Google's own number for it"),
            ("google_label", "Its address, cut short"),
            ("google_seat", "The session that google_id was told for"),
        ):
            table.add_column(sa.Column(name, sa.Text, nullable=False, server_default="", comment=comment))
        chats = sa.Column(
            "chats_at", sa.Double, nullable=False, server_default="0", comment="When chats of it were last seen"
        )
        table.add_column(chats)


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        for name in ("google_id", "google_label", "google_seat", "chats_at"):
            table.drop_column(name)
