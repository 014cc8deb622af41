"""The embedded store: SQLite, many processes on one machine."""

from coord_sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
