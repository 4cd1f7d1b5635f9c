"""Only cookies that signed in are stored: the columns for others, and for the ones before them, go.

Nodes of the versions before write those columns with every renewal of cookies: in a database that they share the
migration is refused while one of them holds an account.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gemgate.errors import Conflict

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    _check_nobody_runs()
    op.execute(
        "UPDATE account SET cookies = previous, cookies_key = previous_key WHERE NOT proven AND previous IS NOT NULL"
    )
    with op.batch_alter_table("account") as table:
        for name in ("proven", "previous", "previous_key"):
            table.drop_column(name)


def _check_nobody_runs() -> None:
    """A SQLite file has one process at a time, by its lock."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    held = (
        "SELECT DISTINCT owner FROM account WHERE owner <> '' AND lease_until > extract(epoch from clock_timestamp())"
    )
    if nodes := ", ".join(sorted(connection.execute(sa.text(held)).scalars())):
        raise Conflict(
            f"Nodes of an older gemgate run on this database ({nodes}); stop all of them first, or wait half a minute "
            "after one has died",
            f"旧版本 gemgate 的节点正在使用此数据库（{nodes}）；请先停止所有节点，若节点异常退出，请等待半分钟",
            code="older_nodes",
        )


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("proven", sa.Boolean, nullable=False, server_default=sa.false()))
        comment = "Sealed: the last good ones, while the newer are not proven"
        table.add_column(sa.Column("previous", sa.Text, comment=comment))
        table.add_column(sa.Column("previous_key", sa.Text))
    op.execute("UPDATE account SET proven = cookies IS NOT NULL")
