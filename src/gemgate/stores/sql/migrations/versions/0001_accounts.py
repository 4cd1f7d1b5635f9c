"""Accounts, their circuits and session lives, addresses, and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("proxy", sa.Text, comment="Sealed: a proxy's URL may hold a password"),
        sa.Column("proxy_key", sa.Text),
        sa.Column("lanes", sa.Integer),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cookies", sa.Text, comment="Sealed"),
        sa.Column("cookies_key", sa.Text),
        sa.Column("proven", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("previous", sa.Text, comment="Sealed: the last good ones, while the newer are not proven"),
        sa.Column("previous_key", sa.Text),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("taken", sa.Text, nullable=False, server_default=""),
        sa.Column("identity", sa.Text, nullable=False, server_default=""),
        sa.Column("state", sa.Text, nullable=False, server_default="starting"),
        sa.Column("error_en", sa.Text, nullable=False, server_default=""),
        sa.Column("error_zh", sa.Text, nullable=False, server_default=""),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
        sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
        sa.Column("changed_at", sa.Double, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("name", name="pk_account"),
    )
    op.create_table(
        "account_circuit",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("capability", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", "capability", name="pk_account_circuit"),
        sa.ForeignKeyConstraint(["account"], ["account.name"], name="fk_account_circuit_account", ondelete="CASCADE"),
    )
    op.create_table(
        "address_circuit",
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("node", "address", name="pk_address_circuit"),
    )
    op.create_table(
        "session_life",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column(
            "session", sa.Text, nullable=False, comment="Cookies.identity: tells sessions apart, tells no cookie"
        ),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("died", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_session_life"),
    )
    op.create_index("ix_session_life_account_session", "session_life", ["account", "session"], unique=True)
    op.create_table(
        "audit_line",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_audit_line"),
    )
    op.create_index("ix_audit_line_account_at", "audit_line", ["account", "at"])


def downgrade() -> None:
    for table in ("audit_line", "session_life", "address_circuit", "account_circuit", "account"):
        op.drop_table(table)
