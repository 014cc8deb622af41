"""The act itself, the same whoever is to do it: archive, then delete in both tables.

Owns the two deletions and what the event log says of them. Knows neither terms nor messages: what
it acts under has a key, a token and a check.

The act is the classic one: check, read, take some time over it, write. A pause in the middle lets
the check grow old. So the deletion goes through `SqlFence`, which checks anew and compares tokens
inside the transaction of the deletion, where no pause can come between; the same deletion in a
second table goes without, to show what happens there.

The failpoint in the middle is a gate in the road: work that stands before it does not know why it
does not get on, and nobody else in this process is told that it stands.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from coord import Fenced, LeadershipLost, SqlFence
from coord.errors import JobCancelled
from coord.fencing import Fenceable
from coord.lab.work import app
from coord.lab.work.failpoint import Failpoint
from coord.lab.work.modes import ARCHIVE_S
from coord.telemetry import EventLog

__all__ = ["Deed"]

_BUFFER_BYTES = 1 << 20


class Deed:
    """Deletes rows of one worker. `do` may run in many threads, each with its own connection."""

    def __init__(self, member: str, events: EventLog) -> None:
        self._member = member
        self._events = events
        self._gate = Failpoint.from_environment(member)

    def do(
        self,
        under: Fenceable,
        connection: sqlite3.Connection,
        units: Sequence[str],
        start_s: float,
    ) -> None:
        """Archive, then delete. What may be old by the time of the deletion: the check."""
        _archive()
        self._gate.pause_here()
        self._delete_unfenced(under, connection, units, start_s)
        self._delete(under, connection, units, start_s)

    def _delete(
        self,
        under: Fenceable,
        connection: sqlite3.Connection,
        units: Sequence[str],
        start_s: float,
    ) -> None:
        """In one transaction with the comparison of tokens, or not at all."""
        try:
            with SqlFence(under, connection) as cursor:
                seq = app.delete(cursor, app.FENCED, units, under, self._member)
        except (Fenced, LeadershipLost, JobCancelled) as refused:
            error = type(refused).__name__
            self._events.act(
                under, app.FENCED, fenced=True, accepted=False, start_s=start_s, error=error
            )
            raise
        self._events.act(
            under, app.FENCED, fenced=True, accepted=True, start_s=start_s, seq=seq, units=units
        )

    def _delete_unfenced(
        self,
        under: Fenceable,
        connection: sqlite3.Connection,
        units: Sequence[str],
        start_s: float,
    ) -> None:
        """For contrast: an ordinary transaction, which takes what it is given."""
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            seq = app.delete(cursor, app.UNFENCED, units, under, self._member)
            cursor.execute("COMMIT")
        self._events.act(
            under, app.UNFENCED, fenced=False, accepted=True, start_s=start_s, seq=seq, units=units
        )


def _archive() -> None:
    """Stands for what a real job does with rows before it deletes them: a call that takes time, and
    memory that only the system can give. Work that could do with what the process happens to have
    left would not notice that there is no more.
    """
    with closing(mmap(-1, _BUFFER_BYTES, flags=MAP_PRIVATE | MAP_ANONYMOUS)):
        time.sleep(ARCHIVE_S)
