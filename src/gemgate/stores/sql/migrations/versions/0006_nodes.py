"""The nodes of a fleet. A SQLite database gets the tables too, so that there is one schema, and never fills them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "gemini_service_nodes",
        sa.Column("node_url", sa.Text, nullable=False),
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("weight", sa.Double, nullable=False, server_default="1"),
        sa.Column("last_heartbeat", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("dispatched_tasks", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("current_tasks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("node_url", name="pk_gemini_service_nodes"),
    )
    op.create_index("ix_gemini_service_nodes_worker_id", "gemini_service_nodes", ["worker_id"])
    op.create_table(
        "node_detail",
        sa.Column("node_url", sa.Text, nullable=False),
        sa.Column("proof", sa.Text, nullable=False, server_default="", comment="HMAC of node_url under INTERNAL_TOKEN"),
        sa.Column(
            "own_weight", sa.Double, nullable=False, server_default="1", comment="GEMINI_WEIGHT as last announced"
        ),
        sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("report", sa.Text, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("node_url", name="pk_node_detail"),
        sa.ForeignKeyConstraint(
            ["node_url"],
            ["gemini_service_nodes.node_url"],
            name="fk_node_detail_node_url",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("node_detail")
    op.drop_table("gemini_service_nodes")
