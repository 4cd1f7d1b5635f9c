"""How much videos and music of a job take, and what adds up the media of a key quickly."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    comment = "Of its files of video or music"
    op.add_column("batch", sa.Column("media_bytes", sa.BigInteger, nullable=False, server_default="0", comment=comment))
    op.create_index("ix_batch_tenant_media_bytes", "batch", ["tenant", "media_bytes", "bytes"])
    op.create_index("ix_picture_tenant_bytes", "picture", ["tenant", "bytes"])


def downgrade() -> None:
    op.drop_index("ix_picture_tenant_bytes", "picture")
    op.drop_index("ix_batch_tenant_media_bytes", "batch")
    op.drop_column("batch", "media_bytes")
