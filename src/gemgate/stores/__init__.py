"""Where state lives, one file per technology, each behind a port."""
