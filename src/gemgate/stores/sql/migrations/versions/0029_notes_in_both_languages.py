"""What was done or not done to an image is told in both languages; of older images it stays as it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("picture", sa.Column("note_zh", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("picture", "note_zh")
