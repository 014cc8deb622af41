"""The embedded store: SQLite, many processes on one machine."""
