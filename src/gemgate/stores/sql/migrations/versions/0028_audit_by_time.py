"""Lines of the audit are found by who wrote them, and forgotten by their age."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_index("ix_audit_line_actor_at", "audit_line", ["actor", "at"])
    op.create_index("ix_audit_line_at", "audit_line", ["at"])


def downgrade() -> None:
    op.drop_index("ix_audit_line_at", "audit_line")
    op.drop_index("ix_audit_line_actor_at", "audit_line")
