"""Keys made on the page, its sessions, and handles of pictures that tell nothing of a prompt."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "client_key",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False, server_default=""),
        sa.Column("operations", sa.Text, nullable=False, server_default=""),
        sa.Column("per_hour", sa.Integer),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("revoked_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("used_at", sa.Double, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_client_key"),
    )
    op.create_index("ix_client_key_name", "client_key", ["name"], unique=True)
    op.create_index("ix_client_key_digest", "client_key", ["digest"], unique=True)
    op.create_table(
        "page_session",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("address", sa.Text, nullable=False, server_default=""),
        sa.Column("agent", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("digest", name="pk_page_session"),
    )
    with op.batch_alter_table("picture") as table:
        comment = "Names it without a word of its prompt"
        table.add_column(sa.Column("handle", sa.Text, nullable=False, server_default="", comment=comment))
    picture = sa.table("picture", sa.column("name", sa.Text), sa.column("handle", sa.Text))
    connection = op.get_bind()
    names = connection.execute(sa.select(picture.c.name)).scalars().all()
    for name in names:
        handle = hashlib.sha256(name.encode()).hexdigest()[:24]
        connection.execute(picture.update().where(picture.c.name == name).values(handle=handle))
    op.create_index("ix_picture_handle", "picture", ["handle"])


def downgrade() -> None:
    op.drop_index("ix_picture_handle", "picture")
    with op.batch_alter_table("picture") as table:
        table.drop_column("handle")
    op.drop_table("page_session")
    op.drop_table("client_key")
