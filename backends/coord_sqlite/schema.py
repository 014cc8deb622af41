"""The tables, how a new file comes to be, and how one of ours is told from others.

Owns the schema and its version. Decides nothing about sessions or claims. Rules:

- A file appears under its name complete or not at all: it is built beside it under another name,
  by one creator at a time (a lock on the directory), and renamed.
- `application_id` and `user_version` are read through an immutable, read-only connection, which
  takes no lock and makes no -wal or -shm: refusing a file leaves no trace.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord_sqlite.failures import translated

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "check_is_ours", "create", "is_missing"]

APPLICATION_ID = 0x636F7264  # "cord"
SCHEMA_VERSION = 1

# A group starts at revision gid << 32, and no gid is used twice: one that was deleted and made
# again has larger revisions than before, and its claims cannot be taken for the old ones.
# `rev` is the group's revision at which a row last changed: views read what is newer than theirs.
# `clean` stands beside the note so that one statement can mark all claims of a dead session.
# `claims` has no index on `session`: only evicting asks by it, once per death, and a scan of
# 10,000 rows takes 1 ms, while an index would slow every claim.
_TABLES = """
CREATE TABLE tokens (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
INSERT INTO tokens VALUES (1, 0);
CREATE TABLE groups (
  gid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL
);
CREATE TABLE roles (
  role INTEGER PRIMARY KEY, gid INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  generation INTEGER NOT NULL, body TEXT NOT NULL,
  rev INTEGER NOT NULL, UNIQUE (gid, name)
);
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, gid INTEGER NOT NULL, seq INTEGER NOT NULL, expires_at_s REAL NOT NULL,
  beacon BLOB NOT NULL, ttl_s REAL NOT NULL, name TEXT NOT NULL, incarnation TEXT NOT NULL,
  machine TEXT NOT NULL, boot TEXT NOT NULL, clock TEXT NOT NULL, processes TEXT NOT NULL,
  pid INTEGER NOT NULL, started INTEGER NOT NULL, record TEXT NOT NULL, rev INTEGER NOT NULL,
  UNIQUE (gid, name)
);
CREATE TABLE claims (
  gid INTEGER NOT NULL, role INTEGER NOT NULL, generation INTEGER NOT NULL,
  shard INTEGER NOT NULL, seat INTEGER NOT NULL, token INTEGER NOT NULL, session TEXT,
  note TEXT NOT NULL, clean INTEGER NOT NULL, rev INTEGER NOT NULL
);
CREATE UNIQUE INDEX claims_by_key ON claims (role, generation, shard, seat);
CREATE INDEX claims_by_rev ON claims (gid, rev);
"""


def check_is_ours(path: str) -> None:
    """Raise `StoreRefused` unless the file at `path` is a database of this schema.

    Looks at the first page alone, without the log and without locks, so that nothing is left beside
    a file that is somebody else's. The file may be shorter than its first page says: a checkpoint
    is under way, or was cut off by a kill or a full disk, and the log has the rest. Without
    `writable_schema`, by which SQLite lets that pass, it would call a sound file damaged
    (`test_a_file_in_the_middle_of_a_checkpoint_is_not_called_damaged`).
    """
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)
        try:
            connection.execute("PRAGMA writable_schema = ON")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error, path, Certainty.NOT_APPLIED) from error
    if application != APPLICATION_ID:
        raise StoreRefused(
            f"{path} is a SQLite database of another program",
            cure="Name a file of coord's own; it is made on first use. Sharing a database file "
            "with an application would make its transactions delay heartbeats.",
        )
    if version != SCHEMA_VERSION:
        raise StoreRefused(
            f"{path} has schema {version}, and this release of coord reads {SCHEMA_VERSION}",
            cure="Run one release of coord on all members of a file.",
        )


def create(path: str, *, timeout_s: float) -> None:
    """Make the file at `path` unless there is one by now; an empty file counts as none."""
    with _one_creator(Path(path).parent, timeout_s) as directory:
        if not is_missing(path):
            return
        draft = f"{path}.{os.getpid()}.new"
        try:
            _build(draft)
            Path(draft).replace(path)
            os.fsync(directory)  # or a power loss could take the name, and tokens start anew
        except sqlite3.Error as error:
            raise translated(error, path, Certainty.NOT_APPLIED) from error
        except OSError as error:
            raise StoreRefused(
                f"{path} cannot be made ({error.strerror})",
                cure="Every member needs write access to the file and to its directory.",
            ) from error
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                Path(draft + suffix).unlink(missing_ok=True)


def is_missing(path: str) -> bool:
    """Whether there is no file at `path`, or an empty one: SQLite's idea of a new database."""
    try:
        return Path(path).stat().st_size == 0
    except FileNotFoundError:
        return True


def _build(draft: str) -> None:
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(
            f"BEGIN; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
            f"{_TABLES} COMMIT;"
        )
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def _one_creator(directory: Path, timeout_s: float) -> Iterator[int]:
    deadline_s = SYSTEM_CLOCK.now() + timeout_s
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreRefused(
            f"the directory {directory} cannot be read ({error.strerror})",
            cure="Every member needs access to the directory of the file.",
        ) from error
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if SYSTEM_CLOCK.now() >= deadline_s:
                raise StoreUnavailable(
                    f"another process has been making a file in {directory} for {timeout_s:g} s",
                    cure="Look for a stopped process that holds a lock on the directory.",
                    certainty=Certainty.NOT_APPLIED,
                )
            time.sleep(random.uniform(0.001, 0.005))
        yield descriptor
    finally:
        os.close(descriptor)
