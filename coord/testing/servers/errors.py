"""What can go wrong with a server for tests: it is not there, or it did not do as it should.

Owns the two errors; knows no server.
"""

from __future__ import annotations

from coord.errors import CoordError, UsageError

__all__ = ["ServerFailed", "ServerMissing"]


class ServerMissing(UsageError):
    """The program of the server, or what it runs on, is not installed. Nothing was started."""


class ServerFailed(CoordError):
    """A server ended, never became ready, or could not be stopped. Carries its last log lines."""
