"""What SQLite's errors mean to coord: cause, cure and certainty.

Owns the translation of `sqlite3.Error`. Opens nothing, retries nothing, and does not decide how
far a request had come: the caller says which certainty fits.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from coord.errors import Certainty, CoordError, InternalError, StoreRefused, StoreUnavailable

__all__ = ["is_busy", "translated"]

# Passing refusals that a retry may outlive. PROTOCOL is SQLite's own lost race for the WAL index.
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_RIGHTS = frozenset(
    {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
)
_DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT})
_FULL_BELOW_BYTES = 64 * 1024


def _primary(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the module itself raised (a closed connection)."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else's lock refused it: nothing was written, a retry may succeed."""
    return _primary(error) in _BUSY


def translated(error: sqlite3.Error, path: str, certainty: Certainty) -> CoordError:
    """The error of ours that says what happened to `path` and what to do about it."""
    code = _primary(error)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return StoreRefused(
            f"the disk that holds {path} is full",
            cure="Free some space there; members go on by themselves.",
            certainty=certainty,
        )
    if code in _RIGHTS:
        return StoreRefused(
            f"{path} cannot be opened or written ({error})",
            cure="Every member needs read and write access to the file and to its directory.",
            certainty=certainty,
        )
    if code in _DAMAGED:
        return StoreRefused(
            f"{path} is not a SQLite database, or is damaged ({error})",
            cure="Name another file; if it was coord's, stop all members, restore it from a "
            "backup and raise its tokens.",
            certainty=certainty,
        )
    if code in _BUSY or code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return StoreUnavailable(
            f"{path} did not answer ({error})",
            cure="`coord doctor` says who holds it; a disk fault shows in the kernel's log.",
            certainty=certainty,
        )
    if isinstance(error, sqlite3.ProgrammingError) and code == 0:
        return StoreRefused(
            f"{path} is closed", cure="Open another store; nothing was done.", certainty=certainty
        )
    return InternalError(f"{path}: {type(error).__name__}: {error}")


def _disk_is_full(path: str) -> bool:
    try:
        found = os.statvfs(Path(path).parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _FULL_BELOW_BYTES
