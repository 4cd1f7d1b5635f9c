"""Batches and their tasks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("need", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("concurrency", sa.Integer, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("queued", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False, server_default="0"),
        sa.Column("done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancelled", sa.Integer, nullable=False, server_default="0"),
        sa.Column("settled", sa.Integer, nullable=False, server_default="0"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("as_base64", sa.Boolean, nullable=False),
        sa.Column("defaults", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("claimed_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("ended_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("closed_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("expires_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("closer", sa.Text, nullable=False, server_default=""),
        sa.Column("closer_until", sa.Double, nullable=False, server_default="0"),
        sa.Column("hook_url", sa.Text, nullable=False, server_default=""),
        sa.Column("hook_secret", sa.Text, nullable=False, server_default="", comment="Sealed"),
        sa.Column("hook_secret_key", sa.Text, nullable=False, server_default=""),
        sa.Column("hook_tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("hook_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("hook_outcome", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )
    op.create_index("ix_batch_closed_at", "batch", ["closed_at"])
    op.create_index("ix_batch_hook_at", "batch", ["hook_at"])
    op.create_index("ix_batch_tenant_created_at", "batch", ["tenant", "created_at"])
    op.create_index("ix_batch_tenant_idempotency_key", "batch", ["tenant", "idempotency_key"], unique=True)
    op.create_table(
        "task",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("run_after", sa.Double, nullable=False, server_default="0"),
        sa.Column("lease_owner", sa.Text, nullable=False, server_default=""),
        sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
        sa.Column("account", sa.Text, nullable=False, server_default=""),
        sa.Column("identity", sa.Text, nullable=False, server_default=""),
        sa.Column("cid", sa.Text, nullable=False, server_default=""),
        sa.Column("picture", sa.Text, nullable=False, server_default=""),
        sa.Column("part", sa.Integer, nullable=False, server_default="0"),
        sa.Column("result", sa.Text, nullable=False, server_default=""),
        sa.Column("code", sa.Text, nullable=False, server_default=""),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("error_zh", sa.Text, nullable=False, server_default=""),
        sa.Column("retryable", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("settled", sa.Integer, nullable=False, server_default="0"),
        sa.Column("started_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("finished_at", sa.Double, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name="fk_task_batch", ondelete="CASCADE"),
    )
    op.create_index("ix_task_batch_status_seq", "task", ["batch", "status", "seq"])
    op.create_index("ix_task_batch_settled", "task", ["batch", "settled"])
    op.create_index("ix_task_status_lease_until", "task", ["status", "lease_until"])


def downgrade() -> None:
    for table in ("task", "batch"):
        op.drop_table(table)
