"""State in a database, SQLite or PostgreSQL by the same code: one file per store, one migration per addition."""

from gemgate.lazy_import import emptied

emptied("sqlalchemy.ext.asyncio")  # of which we need `engine`; it imports the ORM for its sessions
