"""How much kept answers and named conversations hold, so that a key's share of them can be bounded."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def _bytes(column: sa.ColumnClause[str]) -> sa.ColumnElement[int]:
    if op.get_bind().dialect.name == "sqlite":
        return sa.func.length(sa.cast(column, sa.LargeBinary))
    return sa.func.octet_length(column)


def _columns(*texts: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column("bytes", sa.BigInteger), *(sa.column(name, sa.Text) for name in texts)]


def upgrade() -> None:
    for table, comment in (
        ("conversation", "Of the transcript, in UTF-8"),
        ("stored_response", "Of body and transcript, in UTF-8"),
    ):
        op.add_column(table, sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0", comment=comment))
    chats = sa.table("conversation", *_columns("transcript"), sa.column("named", sa.Boolean))
    op.execute(sa.update(chats).where(chats.c.named).values(bytes=_bytes(chats.c.transcript)))
    answers = sa.table("stored_response", *_columns("body", "transcript"))
    op.execute(sa.update(answers).values(bytes=_bytes(answers.c.body) + _bytes(answers.c.transcript)))
    op.create_index("ix_conversation_tenant_bytes", "conversation", ["tenant", "bytes"])
    op.create_index("ix_stored_response_tenant_created_at_bytes", "stored_response", ["tenant", "created_at", "bytes"])


def downgrade() -> None:
    op.drop_index("ix_stored_response_tenant_created_at_bytes", "stored_response")
    op.drop_index("ix_conversation_tenant_bytes", "conversation")
    op.drop_column("stored_response", "bytes")
    op.drop_column("conversation", "bytes")
