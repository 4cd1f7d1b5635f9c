"""State in a database, SQLite or PostgreSQL by the same code: one file per store, one migration per addition."""
