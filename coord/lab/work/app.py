"""The application database of the demo: rows that expire, and a record of who deleted them.

Owns tables and statements. Knows no leadership: the transactions are begun and ended by whoever
calls, under a fence or without one.

Two tables hold the same rows. `fenced` is only deleted from under `SqlFence`, `unfenced` by the
same process, for the same decision, in an ordinary transaction: the contrast. Each transaction
writes one line to `act`, and one to `effect` for every unit it handled, so that what happened twice
can be told from what happened once. Handling a unit that is gone already is an effect as well: the
work for it was done a second time, though its deletion changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from coord.fencing import Fenceable

__all__ = [
    "FENCED",
    "PARTITIONS",
    "TABLES",
    "UNFENCED",
    "Effect",
    "Unit",
    "connect",
    "create",
    "delete",
    "effects",
    "expire",
    "expired",
    "locked",
    "partitions_of",
    "waiting",
]

PARTITIONS = 12
FENCED = "fenced"
UNFENCED = "unfenced"
TABLES = (FENCED, UNFENCED)

_BUSY_S = 2.0
_TABLE = """
    CREATE TABLE {name} (
        unit TEXT PRIMARY KEY,
        partition INTEGER NOT NULL,
        expires_s REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX {name}_by_expiry ON {name} (partition, expires_s);
"""
_RECORD = """
    CREATE TABLE act (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        resource TEXT NOT NULL,
        claim TEXT NOT NULL,
        token INTEGER NOT NULL,
        member TEXT NOT NULL
    );
    CREATE TABLE effect (seq INTEGER NOT NULL REFERENCES act, unit TEXT NOT NULL);
"""


class Unit(NamedTuple):
    """One row that expires: its id, and the partition that it lies in."""

    name: str
    partition: int


class Effect(NamedTuple):
    """One unit handled by one act."""

    unit: str
    seq: int
    token: int
    member: str


def create(path: Path) -> None:
    """Make the database. Raises sqlite3's errors, one of them if it is there already."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript("".join(_TABLE.format(name=name) for name in TABLES) + _RECORD)


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread, without transactions of its own making."""
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def partitions_of(shard: int, shards: int) -> list[int]:
    """The partitions that a shard has to look after, of a role with so many shards."""
    return list(range(shard, PARTITIONS, shards))


def locked(error: sqlite3.OperationalError) -> bool:
    """Whether others kept the write lock for as long as we wait: nothing was done, try again.

    SQLite's waiting is unfair, and a writer that is stopped or slow stops all others: a daemon
    that works on SQLite has to expect it, whoever leads.
    """
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def expire(
    connection: sqlite3.Connection, units: Sequence[Unit], at_s: Callable[[], float]
) -> None:
    """Put rows into both tables, in one transaction.

    They expire at `at_s()` on the boot clock, which is asked once the rows are sure to exist.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        due_s = at_s()
        rows = [(unit.name, unit.partition, due_s) for unit in units]
        for table in TABLES:
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)  # noqa: S608
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def expired(
    connection: sqlite3.Connection, partitions: Iterable[int], now_s: float, limit: int
) -> list[str]:
    """Units of these partitions that have expired, the oldest first."""
    wanted = ",".join(str(int(partition)) for partition in partitions)
    found = connection.execute(
        f"SELECT unit FROM {FENCED} WHERE partition IN ({wanted}) AND expires_s <= ?"  # noqa: S608
        " ORDER BY expires_s LIMIT ?",
        (now_s, limit),
    )
    return [unit for (unit,) in found]


def delete(
    cursor: sqlite3.Cursor, table: str, units: Sequence[str], term: Fenceable, member: str
) -> int:
    """Delete units from one table and record it; returns the database's number of this act."""
    rows = [(unit,) for unit in units]
    cursor.executemany(f"DELETE FROM {table} WHERE unit = ?", rows)  # noqa: S608
    cursor.execute(
        "INSERT INTO act (resource, claim, token, member) VALUES (?, ?, ?, ?)",
        (table, str(term.key), term.token, member),
    )
    seq = cursor.lastrowid or 0
    cursor.executemany("INSERT INTO effect VALUES (?, ?)", [(seq, unit) for unit in units])
    return seq


def waiting(connection: sqlite3.Connection) -> int:
    """How many rows the fenced table still has."""
    (count,) = connection.execute(f"SELECT count(*) FROM {FENCED}").fetchone()  # noqa: S608
    return int(count)


def effects(connection: sqlite3.Connection, table: str) -> list[Effect]:
    """What was done to a table, in the order in which it happened."""
    found = connection.execute(
        "SELECT unit, seq, token, member FROM effect JOIN act USING (seq)"
        " WHERE resource = ? ORDER BY seq",
        (table,),
    )
    return [Effect(*row) for row in found]
