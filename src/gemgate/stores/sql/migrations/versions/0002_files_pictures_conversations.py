"""Uploaded files, delivered pictures, web conversations, and stored responses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "stored_file",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mime", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_stored_file"),
    )
    op.create_index("ix_stored_file_owner_created_at", "stored_file", ["owner", "created_at"])
    op.create_table(
        "picture",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("mime", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("logo", sa.Text, nullable=False),
        sa.Column("requested", sa.Integer),
        sa.Column("resampled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("origins", sa.Text, nullable=False, server_default=""),
        sa.Column("batch", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("name", name="pk_picture"),
    )
    op.create_index("ix_picture_created_at", "picture", ["created_at"])
    op.create_index("ix_picture_tenant_created_at", "picture", ["tenant", "created_at"])
    op.create_index("ix_picture_sha256", "picture", ["sha256"])
    op.create_table(
        "conversation",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("tip", sa.Text, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("offer", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("sentinel", sa.Text, nullable=False, server_default=""),
        sa.Column("named", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("transcript", sa.Text, nullable=False, server_default=""),
        sa.Column("lease_owner", sa.Text, nullable=False, server_default=""),
        sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("delete_at", sa.Double, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_conversation"),
    )
    op.create_index("ix_conversation_tip", "conversation", ["tip"])
    op.create_index("ix_conversation_tenant_updated_at", "conversation", ["tenant", "updated_at"])
    op.create_index("ix_conversation_delete_at", "conversation", ["delete_at"])
    op.create_table(
        "stored_response",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("transcript", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stored_response"),
    )
    op.create_index("ix_stored_response_created_at", "stored_response", ["created_at"])


def downgrade() -> None:
    for table in ("stored_response", "conversation", "picture", "stored_file"):
        op.drop_table(table)
