"""The life of sessions and role records, each function inside a write transaction of the caller's.

Owns when a session may be opened, and when one may be ended by others. Rules and their reasons:

- A session that ended is a deleted row, and its random id never comes back: whatever lands for it
  later finds nothing (`check_a_lost_session_never_renews_again`).
- A session past its expiry lives on until somebody evicts it, and a heartbeat may still renew it:
  evicting checks expiry and frees the claims in one transaction, heartbeats are transactions too,
  so one of the two comes first for everybody and no claim has two holders. The holder itself has
  stopped long before, on its own deadline.
- The clock is read inside the transaction: after the waiting, not before.
- Expiry proves death only to a reader of the same clock. A reader of another clock, or of another
  boot id, has watched the heartbeat number for a ttl instead; the eviction compares it. Another
  boot id proves nothing: see `place`.
"""

# ruff: noqa: S608  statements are put together from constants alone

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from coord.clock import Clock
from coord.errors import DuplicateMember, SessionLost, StoreConflict, StoreRefused, UsageError
from coord.model import MemberRecord, RoleRecord
from coord.spi import Observed, Proof
from coord_sqlite.claims import bump, free_all
from coord_sqlite.place import Fate, Place, Process, open_process
from coord_sqlite.records import SESSION_COLUMNS, SessionRow

__all__ = ["Observer", "alive", "end", "evict", "find_group", "make_group", "open_session"]


@dataclass(frozen=True, slots=True)
class Observer:
    """Who judges: a process at a place, with a clock."""

    clock: Clock
    place: Place
    process: Process

    def fate(self, row: SessionRow) -> Fate:
        """What can be proven of a session right now."""
        self.check_machine(row)
        fate, descriptor = open_process(row.process, self.process)
        if descriptor >= 0:
            os.close(descriptor)
        if fate is Fate.DEAD:
            return Fate.DEAD
        if not self.place.comparable(row.place):
            return Fate.UNKNOWN
        return Fate.DEAD if self.clock.now() >= row.expires_at_s else Fate.ALIVE

    def check_machine(self, row: SessionRow) -> None:
        """Raise `StoreRefused` for a session of another machine."""
        if not self.place.same_machine(row.place):
            raise StoreRefused(
                f"the file holds a session of another machine ({row.machine}; this one is "
                f"{self.place.machine})",
                cure="A SQLite store serves one machine; use etcd, ZooKeeper or DynamoDB for "
                "several. If that machine is gone and this is its copy or successor, open the "
                f"file once with ?machine={row.machine} in the URL.",
            )


def find_group(connection: sqlite3.Connection, name: str) -> int | None:
    """The number of a group, or None if nobody has written anything in it yet."""
    row = connection.execute("SELECT gid FROM groups WHERE name=?", (name,)).fetchone()
    return None if row is None else int(row[0])


def make_group(connection: sqlite3.Connection, name: str) -> int:
    """The number of a group, which is made if need be."""
    gid = find_group(connection, name)
    if gid is None:
        connection.execute("INSERT INTO groups (name, revision) VALUES (?, 0)", (name,))
        connection.execute("UPDATE groups SET revision = gid << 32 WHERE name=?", (name,))
        ((gid,),) = connection.execute("SELECT gid FROM groups WHERE name=?", (name,))
    return int(gid)


def open_session(
    connection: sqlite3.Connection,
    observer: Observer,
    group: str,
    record: MemberRecord,
    *,
    session: str,
    opened: Proof,
) -> int:
    """Make a member live under the id `session`; the number of its group."""
    gid = make_group(connection, group)
    for row in _rows(connection, "gid=?", gid):
        observer.check_machine(row)
    for row in _rows(connection, "gid=? AND name=?", gid, record.name):
        if row.incarnation != record.incarnation and observer.fate(row) is not Fate.DEAD:
            raise DuplicateMember(
                f"member {record.name!r} is live in group {group!r} with another incarnation",
                session=row.id,
                cure="Give each process its own member name, or wait for the old one to expire.",
            )
        end(connection, gid, row.id)
    place, process = observer.place, observer.process
    connection.execute(
        f"INSERT INTO sessions ({SESSION_COLUMNS}, gid, beacon, name, record, rev) VALUES "
        "(?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, x'', ?, ?, (SELECT revision + 1 FROM groups "
        "WHERE gid=?))",
        (
            *(session, opened.sent_at_s + opened.ttl_s, opened.ttl_s, record.incarnation),
            *(place.machine, place.boot, place.clock),
            *(process.namespace, process.pid, process.started),
            *(gid, record.name, record.to_json(), gid),
        ),
    )
    bump(connection, gid)
    return gid


def alive(connection: sqlite3.Connection, session: str) -> None:
    """Raise `SessionLost` unless the session lives."""
    if connection.execute("SELECT 1 FROM sessions WHERE id=?", (session,)).fetchone() is None:
        raise lost(session)


def lost(session: str) -> SessionLost:
    """The error that says so, for good."""
    return SessionLost(
        f"session {session} is over", cure="Open a new session; it starts with nothing."
    )


def end(connection: sqlite3.Connection, gid: int, session: str) -> None:
    """End a session and free what it held; nothing if it is over already."""
    if connection.execute("DELETE FROM sessions WHERE id=?", (session,)).rowcount:
        free_all(connection, gid, session)
        bump(connection, gid)


def evict(connection: sqlite3.Connection, observer: Observer, gid: int, observed: Observed) -> bool:
    """End a session for a peer, if it has not moved since and is dead as far as can be told."""
    for row in _rows(connection, "id=? AND gid=?", observed.session, gid):
        if row.seq != observed.seq or observer.fate(row) is Fate.ALIVE:
            return False
        end(connection, gid, row.id)
    return True


def update(connection: sqlite3.Connection, gid: int, session: str, record: MemberRecord) -> None:
    """Replace a member's record."""
    row = connection.execute(
        "SELECT name, incarnation, record FROM sessions WHERE id=?", (session,)
    ).fetchone()
    if row is None:
        raise lost(session)
    name, incarnation, known = row
    if (record.name, record.incarnation) != (name, incarnation):
        raise UsageError(
            f"session {session} is {name!r} and cannot become {record.name!r}",
            cure="Keep name and incarnation; open another session for another member.",
        )
    text = record.to_json()
    if text != known:
        connection.execute(
            "UPDATE sessions SET record=?, rev=(SELECT revision + 1 FROM groups WHERE gid=?) "
            "WHERE id=?",
            (text, gid, session),
        )
        bump(connection, gid)


def put_role(connection: sqlite3.Connection, gid: int, record: RoleRecord) -> int:
    """Write a role record if the stored one has the version that was read; the new version."""
    row = connection.execute(
        "SELECT role, version, generation FROM roles WHERE gid=? AND name=?", (gid, record.name)
    ).fetchone()
    role, version, generation = (None, 0, 0) if row is None else row
    if record.version != version:
        raise StoreConflict(
            f"role {record.name!r} is at version {version}, not {record.version}",
            cure="Read the view again and decide anew.",
        )
    connection.execute(
        "INSERT OR REPLACE INTO roles "
        "SELECT ?, ?, ?, ?, ?, ?, revision + 1 FROM groups WHERE gid=?",
        (
            *(role, gid, record.name, version + 1, record.generation),
            *(record.to_json(), gid),
        ),
    )
    if generation < record.generation and role is not None:
        # Readers see the new generation in the record and read all claims of the role anew.
        connection.execute(
            "DELETE FROM claims WHERE role=? AND generation<? AND session IS NULL",
            (role, record.generation),
        )
    bump(connection, gid)
    return int(version) + 1


def _rows(connection: sqlite3.Connection, condition: str, *values: object) -> list[SessionRow]:
    sql = f"SELECT {SESSION_COLUMNS} FROM sessions WHERE {condition}"
    return [SessionRow(*row) for row in connection.execute(sql, values)]
