"""Alembic's entrance: runs the migrations on the connection that `migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from gemgate.stores.sql.migrate import VERSION_TABLE
from gemgate.stores.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
