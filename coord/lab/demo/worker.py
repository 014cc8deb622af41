"""A worker process: the daemon that the demo runs four of, and an example of how to write one.

Owns the job: delete what has expired in the partitions of the shard that a term gives. Knows how to
lead, and no more: not how many others there are, not who leads what, and nothing of the faults that
will strike it. The failpoint in the middle of an act is a gate in the road: work that stands before
it does not know why it does not get on, and nobody else in this process is told that it stands.

The act is the classic one: check, read, take some time over it, write. A pause in the middle lets
the check grow old. So the deletion goes through `SqlFence`, which checks anew and compares tokens
inside the transaction of the deletion, where no pause can come between; the same deletion in a
second table goes without, to show what happens there.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from coord import CoordError, Coordinator, Fenced, LeadershipLost, SqlFence, Term
from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos import Failpoint
from coord.lab.demo import app
from coord.lab.demo.modes import ARCHIVE_S, BATCH, REST_S, mode_named
from coord.telemetry import EventLog
from coord.testing.servers.tether import end_with

__all__ = ["Reaper", "main"]

_START_S = 20.0
"""Four of us load a client library at once; on two cores that alone can take longer than a ttl."""


class Reaper:
    """Deletes expired rows, one batch an act. `work` may run in many threads at once."""

    def __init__(self, database: Path, member: str, events: EventLog) -> None:
        self._database = database
        self._member = member
        self._events = events
        self._gate = Failpoint.from_environment(member)

    def work(self, term: Term) -> None:
        """Serve one term: until it ends, or until an act finds out that it has."""
        with closing(app.connect(self._database)) as connection:
            while term.wait(REST_S):
                try:
                    self._act(term, connection)
                except sqlite3.OperationalError as error:
                    if not app.locked(error):
                        raise

    def _act(self, term: Term, connection: sqlite3.Connection) -> None:
        """Check, read, archive, delete. What may be old by the time of the deletion: the check."""
        start_s = SYSTEM_CLOCK.now()
        term.check()
        partitions = app.partitions_of(term.shard, term.role.shards)
        units = app.expired(connection, partitions, start_s, BATCH)
        if not units:
            return
        _archive()
        self._gate.pause_here()
        self._delete_unfenced(term, connection, units, start_s)
        self._delete(term, connection, units, start_s)
        term.progress()

    def _delete(
        self, term: Term, connection: sqlite3.Connection, units: Sequence[str], start_s: float
    ) -> None:
        """In one transaction with the comparison of tokens, or not at all."""
        try:
            with SqlFence(term, connection) as cursor:
                seq = app.delete(cursor, app.FENCED, units, term, self._member)
        except (Fenced, LeadershipLost) as refused:
            error = type(refused).__name__
            self._events.act(
                term, app.FENCED, fenced=True, accepted=False, start_s=start_s, error=error
            )
            raise
        self._events.act(
            term, app.FENCED, fenced=True, accepted=True, start_s=start_s, seq=seq, units=units
        )

    def _delete_unfenced(
        self, term: Term, connection: sqlite3.Connection, units: Sequence[str], start_s: float
    ) -> None:
        """For contrast: an ordinary transaction, which takes what it is given."""
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            seq = app.delete(cursor, app.UNFENCED, units, term, self._member)
            cursor.execute("COMMIT")
        self._events.act(
            term, app.UNFENCED, fenced=False, accepted=True, start_s=start_s, seq=seq, units=units
        )


def _archive() -> None:
    """Stands for what a real job does with rows before it deletes them: a call that takes time."""
    time.sleep(ARCHIVE_S)


def main(arguments: Sequence[str] | None = None) -> None:
    """Join the group, serve the role, stay until SIGTERM. Exits with 1 and a line if it cannot."""
    parser = argparse.ArgumentParser(description="One worker of coord's demo.")
    parser.add_argument("--store", required=True, help="URL of the store and group")
    parser.add_argument("--member", required=True, help="name of this worker")
    parser.add_argument("--database", required=True, type=Path, help="the application's database")
    parser.add_argument("--mode", required=True, help="single, localized or co-leaders")
    parser.add_argument("--ttl-s", required=True, type=float)
    parser.add_argument("--parent", required=True, type=int, help="process to end with")
    options = parser.parse_args(arguments)
    end_with(options.parent)
    try:
        with Coordinator(
            options.store,
            member=options.member,
            ttl_s=options.ttl_s,
            start_timeout_s=_START_S,
        ) as fleet:
            reaper = Reaper(options.database, options.member, fleet.events)
            fleet.serve(mode_named(options.mode).role, reaper.work)
            fleet.run()
    except CoordError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
